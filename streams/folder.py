"""How does a person bring own images? Folders, one a class, declared as tasks in a few lines of TOML."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.config.notation import Written
from harness.core.errors import UserError, unknown
from harness.core.stream import Stream
from harness.core.task import Kind, Phase, Task
from streams.data.folders import class_names, folder_arrays, folder_stamp
from streams.data.prepared import prepared
from streams.data.stored import stored_task


class _Task(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    folder: str
    year: int
    domain: str
    held_out: bool = False
    family: str = ""


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    version: str = "1"
    task: list[_Task] = Field(min_length=1)


def folder(*, name: str) -> Stream:
    """Your own images: ``folder:stream.toml`` names folders, one folder a class.

    The file holds one ``[[task]]`` a task with ``name``, ``folder`` (beside the file), ``year``, ``domain``, and
    ``held_out = true`` for a task that is scored only at the end, and ``family`` where several tasks share images or
    come of one data set: reports count those as one. Tasks are met in order of year.

    Args:
        name: path of the TOML file.

    Raises:
        UserError: the file or a folder is missing or wrong, or an image cannot be read.
    """
    path = Path(name)
    declared = _read(path)
    met: set[str] = set()
    for one in declared.task:
        if one.name in met:
            raise UserError(f"{path}: two tasks are called {one.name!r}; give each a name of its own")
        met.add(one.name)
    tasks = [_task(path.parent, one) for one in sorted(declared.task, key=lambda one: one.year)]
    return Stream(str(Written("folder", {"name": name})), declared.version, tuple(tasks))


def _task(beside: Path, one: _Task) -> Task:
    place = beside / one.folder
    classes = len(class_names(place))
    stored = prepared(f"folders/{place.name}-{folder_stamp(place)}", lambda: folder_arrays(place))
    return stored_task(
        stored,
        name=one.name,
        year=one.year,
        domain=one.domain,
        kind=Kind.BINARY if classes == 2 else Kind.MULTICLASS,
        num_classes=classes,
        phase=Phase.HELD_OUT if one.held_out else Phase.DEVELOPMENT,
        family=one.family,
    )


def _read(path: Path) -> _Declared:
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; expected a TOML file that declares tasks") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not TOML: {error}") from error
    try:
        return _Declared.model_validate(found)
    except ValidationError as error:
        # A mistyped key is also a missing one: what was typed says more.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = _Declared.model_fields if len(first["loc"]) == 1 else _Task.model_fields
            raise unknown(f"key of {path} named", str(first["loc"][-1]), known) from error
        raise UserError(f"{path}: {place}: {first['msg'].lower()}") from error
