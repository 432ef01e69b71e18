"""What did somebody hand in, and can it stand on a board? A bundle as data: bounded, checked, none of it executed."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import UserError
from harness.core.schema import parse_run
from harness.core.spec import path_safe
from harness.storage.records import canonical, parse_log
from reports.boards.board import Board, boards
from reports.reading.bundle import SUFFIX, read_bundle, read_entry
from reports.reading.frame import Frames, read
from reports.reading.sources import Source, sources

LONGEST = 120
"""Characters of a text that somebody else wrote, wherever it is shown; the rest is cut off."""

MOST_FILE = 64 * 2**20
"""Bytes of a bundle as it is handed in; the shipped ones have under one MB."""

MOST_RUNS = 20_000
"""Runs of one bundle."""


@dataclass(frozen=True)
class Entry:
    """A bundle that stands on the board.

    Attributes:
        number: its place among those given, from 1; ``slug`` names its files.
        by, about, address: who handed it in, what it is, and where more is; empty where the bundle does not say.
        frames, boards: its results. keys: of its runs.
        rerun: for each of its runs that was run here again, whether the records are equal.
    """

    number: int
    name: str
    by: str
    about: str
    address: str
    frames: Frames
    boards: tuple[Board, ...]
    rerun: Mapping[str, bool]

    @property
    def slug(self) -> str:
        return f"{self.number:03}-{path_safe(self.name)[:40]}"


@dataclass(frozen=True)
class Refused:
    """A bundle that does not stand on the board, and why."""

    name: str
    why: str


def received(
    bundles: Sequence[Path], own: Mapping[str, object] | None = None
) -> tuple[list[Entry], list[Refused]]:  # fmt: skip
    """The entries in ``bundles`` and those that are refused; a bundle that is damaged or hostile never stops the rest.

    Args:
        own: of :func:`own_records`: what was run here, for provenance.
    """
    taken: list[Entry] = []
    refused: list[Refused] = []
    for number, path in enumerate(bundles, start=1):
        try:
            taken.append(_entry(number, path, own or {}))
        except UserError as error:
            refused.append(
                Refused(one_line(path.name), one_line(str(error).replace(str(path), path.name), longest=400))
            )
    return taken, refused


def own_records(folders: Sequence[Path]) -> dict[str, object]:
    """Canonical records of every run in ``folders``, by its key.

    Raises:
        UserError: a folder does not exist.
    """
    return _records([source for _, found in sources([Path(folder) for folder in folders]) for source in found])


def _entry(number: int, path: Path, own: Mapping[str, object]) -> Entry:
    if not path.name.endswith(SUFFIX):
        raise UserError(f"{path.name!r} is no bundle: expected a {SUFFIX} file that 'harness submit' wrote")
    if path.is_file() and path.stat().st_size > MOST_FILE:
        raise UserError(f"{path.name!r} has more than {MOST_FILE >> 20} MiB")
    packed = read_bundle(path)
    if len(packed) > MOST_RUNS:
        raise UserError(f"{path.name!r} holds {len(packed):,} runs; at most {MOST_RUNS:,} are taken")
    frames = read([path])
    frames = frames._replace(notes=tuple(note.replace(str(path), path.name) for note in frames.notes))
    _refuse_impossible(path, frames)
    found = boards(frames)
    if not found:
        raise UserError(f"{path.name!r} holds no result that can be read")
    said = {name: one_line(text) for name, text in read_entry(path).items()}
    theirs = _records([Source(one.name, one.name, one.run, one.events) for one in packed])
    return Entry(
        number,
        said.get("name") or one_line(path.name.removesuffix(SUFFIX)),
        said.get("by", ""),
        one_line(read_entry(path).get("about", ""), longest=600),
        address(said.get("address", "")),
        frames,
        tuple(found),
        {key: own[key] == records for key, records in theirs.items() if key in own},
    )


def _records(found: Sequence[Source]) -> dict[str, object]:
    held: dict[str, object] = {}
    for source in found:
        try:
            key = parse_run(source.run or b"").key
        except ValueError:
            continue
        held[key] = canonical(parse_log(source.events, source.place).records)
    return held


def _refuse_impossible(path: Path, frames: Frames) -> None:
    """Scores and costs that no run can have.

    Raises:
        UserError: an error is outside 0 to 1, or a cost is negative.
    """
    rows = frames.tasks
    for column, low, high in (("error", 0.0, 1.0), ("flops", 0.0, math.inf), ("seconds", 0.0, math.inf)):
        values = rows[column].dropna()
        if ((values < low) | (values > high)).any():
            raise UserError(f"{path.name!r}: {column} {values.min():g} to {values.max():g}, which no run can have")


def one_line(text: str, *, longest: int = LONGEST) -> str:
    """``text`` on one line without signs that steer a terminal or the direction of writing, cut at ``longest``."""
    plain = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    plain = " ".join(plain.split())
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def address(text: str) -> str:
    """``text`` if it is an https address with nothing odd in it, else nothing."""
    return text if re.fullmatch(r"https://[\w.-]+(:\d+)?(/[\w./~%+=&?#@:,-]*)?", text, re.ASCII) else ""
