"""What does a person do in a notebook? Run a suite, load results and look at them: what the command line does."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from harness.core.errors import unknown
from harness.running.study import Crew, Request, carry_out
from reports.boards.board import boards
from reports.publishing.report import publish, tables_of
from reports.publishing.summary import html, text
from reports.reading.frame import Frames, read
from reports.reading.shipped import shipped
from reports.statistics.student import HERE, LIKE
from reports.tables.by_budget import gains_tables

Several = str | Sequence[str]
"""One written form, or several."""


def run(
    suite: str | Path,
    *,
    out: str | Path = "results",
    streams: Several = (),
    strategies: Several = (),
    budgets: Several = (),
    seeds: int | None = None,
    backbone: Several = (),
    size: int | None = None,
    skip_missing: bool = False,
    final: bool = False,
    jobs: int | None = None,
    device: str = "cpu",
    retry_failed: bool = False,
    verbose: bool = False,
) -> "Results":
    """Carry out a suite as ``harness run`` does, and load what is below ``out``. What is done is not done again.

    A run that fails takes no other with it: it is named on standard error, and ``Results.runs`` has its error.

    Args:
        suite: its name, or the path of a TOML file.
        out: folder of the results.
        streams, strategies, budgets, backbone: written forms, instead of the suite's; each backbone is a board.
        seeds: so many seeds, from 0.
        size: image side in pixels, instead of the suite's.
        skip_missing: leave out tasks whose real images are missing.
        final: score the test split, and the held-out tasks too: once.
        jobs: runs at a time; a core each if None.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        retry_failed: try failed runs again.
        verbose: a line for each task.

    Raises:
        UserError: a part of what was asked for cannot be had.
    """
    request = Request(
        str(suite), _several(streams), _several(strategies), _several(budgets), seeds=seeds,
        backbones=_several(backbone), size=size, skip_missing=skip_missing, final=final,
    )  # fmt: skip
    crew = Crew(jobs=jobs, device=device, retry_failed=retry_failed, verbose=verbose)
    carry_out(request, Path(out), crew, say=partial(print, file=sys.stderr))
    return load(Path(out))


def load(*places: str | Path) -> "Results":
    """Results of folders that ``harness run`` wrote and of bundles that ``harness export`` did.

    ``"reference"`` stands for the reference results that come along, and the name of one of their bundles for it; a
    folder of such a name is written as a path, ``./reference``.

    Raises:
        UserError: one of them cannot be found or read.
    """
    paths = tuple(path for place in places for path in _paths(place))
    return Results(paths, read(paths))


@dataclass(frozen=True, repr=False)
class Results:
    """Results of many runs.

    Attributes:
        places: the folders and bundles that they were read from.
    """

    places: tuple[Path, ...]
    _frames: Frames = field(compare=False)

    @property
    def runs(self) -> pd.DataFrame:
        """A row for each run: what it was, how it ended and on what it ran."""
        return self._frames.runs

    @property
    def tasks(self) -> pd.DataFrame:
        """A row for each task of each run: what it is, its ``error``, and what learning it has cost."""
        return self._frames.tasks

    @property
    def notes(self) -> tuple[str, ...]:
        """What was wrong with folders and files, a sentence each."""
        return self._frames.notes

    def gains(self) -> pd.DataFrame:
        """What each strategy gains on dense finetuning at each budget, paired by task and seed, with 95% intervals.

        Columns: ``board``, ``scope`` (on these tasks, or on tasks like these), ``strategy``, ``budget``; ``gain``,
        ``low`` and ``high`` as shares of images, above zero where it is ahead; ``n`` pairs.
        """
        rows = [
            {"board": board.title, "scope": scope, "strategy": row["strategy"], "budget": budget, "gain": row[budget],
             **{part: row[f"{budget} {part}"] for part in ("low", "high", "n")}}
            for board in boards(self._frames)
            for scope, table in zip((HERE, LIKE), gains_tables(board), strict=True)
            for row in table.rows
            for budget in board.budgets
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["board", "scope", "strategy", "budget", "gain", "low", "high", "n"])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table of the report in full, by the stem of its file: ``curves``, ``gains``, ``claims``, ``runs``, ...

        Where there are several boards, the name of each stands in front of its tables.
        """
        return {name: table.frame for name, table in tables_of(self._frames, boards(self._frames)).items()}

    def report(self, out: str | Path) -> Path:
        """Write the page, tables and figures below ``out``; gives the path of ``report.html``."""
        return publish(self._frames, boards(self._frames), Path(out))

    def __repr__(self) -> str:
        return text(self._frames, boards(self._frames))

    def _repr_html_(self) -> str:
        return html(self._frames, boards(self._frames))


def _several(given: Several) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _paths(place: str | Path) -> tuple[Path, ...]:
    known = shipped()
    if isinstance(place, str) and place in known:
        return known[place]
    path = Path(place)
    if not path.exists() and path.name == str(place):
        raise unknown("results", str(place), known, hint="or write the path of a folder or bundle")
    return (path,)
