"""How does a person bring own images? Folders, one a class, declared as tasks in a few lines of TOML."""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.config.notation import Written
from harness.config.toml_file import read_toml
from harness.core.errors import UserError, unknown
from harness.core.stream import Stream
from harness.core.task import Kind, Phase, Task
from streams.data.contents import contents
from streams.data.folders import folder_arrays, folder_stamp
from streams.data.images import SIDE, checked_side
from streams.data.prepared import prepared
from streams.data.protocol import Protocol
from streams.data.stored import stored_task


class Declared(BaseModel):
    """One ``[[task]]`` of the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1)
    folder: str = Field(min_length=1)
    year: int | None = None
    domain: str
    held_out: bool = False
    train_per_class: int = Field(default=0, ge=0)
    test_files: str = ""
    together: str = ""
    family: str = ""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    version: str = "1"
    task: list[Declared] = Field(min_length=1)


def folder(*, name: str, side: int = SIDE) -> Stream:
    """Your own images: ``folder:stream.toml`` names folders, one folder a class.

    The file holds one ``[[task]]`` a task with ``name``, ``folder`` (beside the file), ``domain``, ``year``, and
    ``held_out = true`` for a task that is scored only at the end, and ``family`` where several tasks share images or
    come of one data set: reports count those as one. Tasks are met in order of year; without years, as they stand. A
    folder without split folders is cut 56/12/12/20, or as ``train_per_class``, ``test_files`` and ``together`` say
    (:class:`streams.data.protocol.Protocol`). Where the file and the folders lie does not matter: what is in them is
    the stream.

    Args:
        name: path of the TOML file.
        side: of the stored images in pixels: ``folder(name="stream.toml", side=32)``. Images are cut to their largest
            central square and resized to it; those that have it already stay as they are, pixel by pixel.

    Raises:
        UserError: the file, a folder or ``side`` is missing or wrong; an image cannot be read; a split would be empty.
    """
    path = toml_path(name)
    version, declared = declared_tasks(path)
    tasks = tuple(_task(place, one, year, checked_side(side)) for one, place, year in declared)
    sized = {} if side == SIDE else {"side": side}
    opens = str(Written("folder", {"name": str(path), **sized}))
    title = str(Written("folder", {"name": path.name, **sized})) if sized else f"folder:{path.name}"
    return Stream(opens, version, tasks, title=title, identity="folder")


def toml_path(name: str) -> Path:
    """The file that ``name`` means, with links followed.

    Raises:
        UserError: it is not there.
    """
    try:
        return Path(name).expanduser().resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {name}: {reason}; expected a TOML file that declares tasks") from error


def declared_tasks(path: Path) -> tuple[str, list[tuple[Declared, Path, int]]]:
    """The version of the stream that ``path`` declares, and each task with its folder and year, in order.

    Raises:
        UserError: the file is wrong.
    """
    file = _read(path)
    met: set[str] = set()
    for one in file.task:
        if one.name in met:
            raise UserError(f"{path}: two tasks are called {one.name!r}; give each a name of its own")
        met.add(one.name)
    undated = [one.name for one in file.task if one.year is None]
    if undated and len(undated) < len(file.task):
        raise UserError(f"{path}: task {undated[0]!r} has no year and others have; give every task a year, or none")
    years = [place if one.year is None else one.year for place, one in enumerate(file.task, start=1)]
    found = [(one, _folder_of(path, one), year) for one, year in zip(file.task, years, strict=True)]
    return file.version, sorted(found, key=lambda task: task[2])


def _folder_of(path: Path, one: Declared) -> Path:
    try:
        return path.parent / Path(one.folder).expanduser()
    except RuntimeError as error:
        raise UserError(f"{path}: task {one.name!r}: {one.folder}: {error}; write the whole path") from error


def _task(place: Path, one: Declared, year: int, side: int) -> Task:
    try:
        found, protocol = contents(place), _protocol(one)
        stamp = folder_stamp(found, protocol, side=side)
        stored = prepared(f"folders/{stamp}", lambda: folder_arrays(found, protocol, side=side))
    except UserError as error:
        raise UserError(f"task {one.name!r}: {error}") from error
    classes = len(found.classes)
    return stored_task(
        stored,
        name=one.name,
        year=year,
        domain=one.domain,
        kind=Kind.BINARY if classes == 2 else Kind.MULTICLASS,
        num_classes=classes,
        phase=Phase.HELD_OUT if one.held_out else Phase.DEVELOPMENT,
        family=one.family,
    )


def _protocol(one: Declared) -> Protocol:
    for pattern in (one.test_files, one.together):
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(f"{pattern!r} is no regular expression: {error}") from error
    return Protocol(train_per_class=one.train_per_class, test_files=one.test_files, together=one.together)


def _read(path: Path) -> _File:
    content = read_toml(path, what=str(path))
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        # A mistyped key is also a missing one: what was typed says more.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = _File.model_fields if len(first["loc"]) == 1 else Declared.model_fields
            raise unknown(f"key of {path} named", str(first["loc"][-1]), known) from error
        raise UserError(f"{path}: {place}: {first['msg'].lower()}") from error
