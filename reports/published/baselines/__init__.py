"""What have others measured? Published numbers, each with its source and address; one TOML file a source."""

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.config.toml_file import decoded
from harness.core.errors import UserError, unknown

_HERE = Path(__file__).parent


class Number(BaseModel):
    """One published number, as it stands in its source.

    Attributes:
        what: what was measured, in words. strategy: ours that does the same, in written form.
        stream: of a score that is the mean over all tasks of it, after the last one; of one task's there is ``task``.
        metric: ``accuracy``, ``error``, ``mean_average_precision`` can be set beside a run; others have no counterpart.
        value, unit: unchanged; ``%`` means hundredths.
        spread: standard deviation over ``n`` repetitions. flops: a task. keep: keep-ratio, for counts.
        where: table, figure or file in the source.
        train_images, test_images: how many there are in its official parts.
        flops_change: of the net, in per cent of the dense one's.
        open: what the source does not say and no other field stands for, in words.
        differences: how its protocol differs from ours, where that is not what its baseline says of all numbers.
        claim: id of the claim in ``claims.toml`` that measures what it says.
        suite: the suite that makes runs to compare with it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: str
    metric: str
    value: int | float
    unit: str = ""
    where: str
    strategy: str | None = None
    task: str | None = None
    stream: str | None = None
    fingerprint: str | None = None
    budget: str | None = None
    backbone: str | None = None
    weights_hash: str | None = None
    size: int | None = None
    precision: str | None = None
    split: str | None = None
    protocol_version: int | None = None
    keep: float | None = None
    flops_change: float | None = None
    flops: float | None = None
    seconds: float | None = None
    spread: float | None = None
    n: int | None = None
    train_images: int | None = None
    test_images: int | None = None
    open: tuple[str, ...] = ()
    differences: tuple[str, ...] | None = None
    claim: str | None = None
    suite: str | None = None


class Baseline(BaseModel):
    """All numbers from one source.

    Attributes:
        title: what the source is called, or, where its own title was not checked, what it is about.
        citation: how it is found again; authors only where they were checked.
        differences: how its protocol differs from ours, whatever the number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    title: str
    citation: str
    address: str
    also: tuple[str, ...] = ()
    read: Literal["paper", "repository", "code", "abstract", "secondary", "export"]
    differences: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = Field(min_length=1)


def load(path: Path) -> Baseline:
    """The baseline in a TOML file; its table ``every`` holds what is true of all its numbers unless they say other.

    Raises:
        UserError: the file is missing, is no TOML, or does not fit.
    """
    try:
        content = tomllib.loads(decoded(path.read_bytes()))
        every = content.pop("every", {})
        numbers = [every | number for number in content.pop("numbers", [])]
        return Baseline.model_validate({**content, "numbers": numbers})
    except FileNotFoundError as error:
        raise UserError(f"no baseline file {str(path)!r}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, TypeError, AttributeError) as error:
        raise UserError(f"cannot read baseline {str(path)!r}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"baseline {str(path)!r}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


@cache
def published() -> dict[str, Baseline]:
    """The baselines that come with the harness, by id."""
    found = [load(path) for path in sorted(_HERE.glob("*.toml"))]
    return {baseline.id: baseline for baseline in found}


def chosen(ids: Sequence[str]) -> list[Baseline]:
    """The baselines of these ids or ``.toml`` files; all published ones if none is given.

    Raises:
        UserError: no baseline has that id.
    """
    if not ids:
        return list(published().values())
    known, found = published(), []
    for name in ids:
        if name.endswith(".toml"):
            found.append(load(Path(name)))
        elif name in known:
            found.append(known[name])
        else:
            raise unknown("baseline", name, known, hint="'harness list baselines' shows all; a .toml file works too")
    return found


def listing() -> list[dict[str, Any]]:
    """For ``harness list baselines``: ``name``, ``about``, ``address``, how it was ``read``, how many ``numbers``."""
    return [
        {"name": b.id, "about": b.title, "address": b.address, "read": b.read, "numbers": len(b.numbers)}
        for b in published().values()
    ]
