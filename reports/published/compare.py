"""How do we stand beside others? Each published number with ours, the distance, and why they can be compared or not."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from reports.boards.board import Board, boards
from reports.published import counts
from reports.published.baselines import Baseline, Number, chosen
from reports.published.conditions import conditions, data_of, is_about, place_of, same_strategy
from reports.reading.frame import Frames, read
from reports.statistics.arrays import Floats
from reports.statistics.student import here
from reports.tables.forgetting import retested
from reports.tables.table import Column, Table

CLOSE = 0.005
"""A score within half a point of the published one counts as reproduced. Ours, fixed before anything was run."""

CLOSE_COUNT = 0.02
"""A count within 2% of the published one counts as reproduced."""

SCORES = {"accuracy": -1.0, "error": 1.0, "mean_average_precision": -1.0}


def compare(folders: Sequence[Path], baseline_ids: Sequence[str] = ()) -> Table:
    """A row for every number of the chosen baselines, and for each board of ours that has its task.

    Args:
        baseline_ids: ids from ``harness list baselines``, or ``.toml`` files that ``harness export`` wrote; all
            published ones if empty.

    Raises:
        UserError: a folder or a baseline does not exist.
    """
    return compared(read([Path(folder) for folder in folders]), chosen(baseline_ids))


def compared(frames: Frames, baselines: Sequence[Baseline]) -> Table:
    """The table of :func:`compare`, from frames."""
    ours = [_Ours(board, frames) for board in boards(frames)]
    rows = [row for baseline in baselines for number in baseline.numbers for row in _rows(baseline, number, ours)]
    rows.sort(key=lambda row: (row["verdict"] == "not comparable", math.isnan(row["ours"])))
    return Table(
        "baselines",
        "Published numbers and ours",
        "Theirs as published; ours in the same unit with a 95% interval over seeds (Student's t); the distance is "
        "ours minus theirs. "
        f"Reproduced: within {CLOSE * 100:g} points, counts within {CLOSE_COUNT:.0%}. Within spread: theirs lies in "
        "our interval, or ours within two of their standard deviations. A pair that differs in what is learnt, or how, "
        "is not comparable; it is shown with the reason, not judged. What a source leaves open is listed as unknown.",
        pd.DataFrame(
            rows, columns=[column.key for column in _COLUMNS] + ["low", "high", "read", "also", "claim", "task"]
        ),
        _COLUMNS,
        folded=len(rows) > 60,
    )


_COLUMNS = (
    Column("source", "Source"),
    Column("what", "What"),
    Column("theirs", "Theirs", "exact"),
    Column("unit", "Unit"),
    Column("spread", "Their spread", "exact"),
    Column("ours", "Ours [95%]", "number", low="low", high="high"),
    Column("n", "n", "count"),
    Column("distance", "Distance", "number"),
    Column("verdict", "Verdict"),
    Column("why", "Why"),
    Column("unknown", "Unknown of theirs"),
    Column("by", "Ours is"),
    Column("suite", "Suite that makes runs for it"),
    Column("where", "Where"),
    Column("address", "Address"),
)


class _Ours:
    """A board, and what its strategies know of all tasks after the last."""

    def __init__(self, board: Board, frames: Frames) -> None:
        self.board, self._frames = board, frames

    @cached_property
    def _again(self) -> dict[tuple[str, str], dict[int, Floats]]:
        return retested(self.board, self._frames)

    def errors(self, number: Number, cell: tuple[str, str]) -> Floats:
        """(tasks, seeds) of what ``number`` is about: its task, or all tasks of its stream after the last."""
        board = self.board
        now = board.values(*cell)
        if (place := place_of(number, board)) is not None:
            return now[[place]]
        # What was not tested again shares no weights between tasks, and nothing of it is forgotten.
        return self._again.get(cell, {}).get(len(board.tasks) - 1, now)


def _rows(baseline: Baseline, number: Number, ours: Sequence[_Ours]) -> list[dict[str, Any]]:
    fixed = {
        "source": baseline.id, "what": number.what, "theirs": number.value, "unit": number.unit,
        "spread": number.spread, "where": number.where, "address": baseline.address, "read": baseline.read,
        "also": " ".join(baseline.also), "suite": number.suite or "", "unknown": "", "claim": number.claim or "",
        "task": number.task or data_of(number),
        "ours": math.nan, "low": math.nan, "high": math.nan, "n": math.nan, "distance": math.nan, "by": "",
    }  # fmt: skip
    if number.metric in ("gmacs", "mparameters"):
        return [fixed | _counted(number)]
    if number.claim:
        return [fixed | _not(f"a claim about a whole board: see claim {number.claim}")]
    if number.metric not in SCORES:
        return [fixed | _not("nothing we record measures this")]
    found = [fixed | row for one in ours for label in one.board.labels for row in _pairs(baseline, number, one, label)]
    if found:
        return found
    task = f"task {number.task!r}" if number.task else number.stream or "this mean over data sets"
    how = f" with {number.strategy}" if number.strategy else ""
    other = baseline.differences if number.differences is None else number.differences
    return [fixed | _not("; ".join((f"no run of ours on {task}{how}", *other)))]


def _not(why: str) -> dict[str, Any]:
    return {"verdict": "not comparable", "why": why}


def _counted(number: Number) -> dict[str, Any]:
    """A published count against the arithmetic on layer shapes."""
    net = counts.RESNETS.get((number.backbone or "").partition(":")[2])
    if net is None or number.keep is None:
        return _not("no count of ours for this net")
    mine = counts.channel_pruned(net, number.keep, size=number.size or 224)
    ours = mine.macs / 1e9 if number.metric == "gmacs" else mine.parameters / 1e6
    near = abs(ours / number.value - 1) <= CLOSE_COUNT
    return {
        "ours": ours, "n": 1, "distance": ours - number.value, "by": "arithmetic on layer shapes",
        "verdict": "reproduced" if near else "differs", "why": f"{ours / number.value - 1:+.1%}",
    }  # fmt: skip


def _pairs(baseline: Baseline, number: Number, ours: _Ours, label: str) -> list[dict[str, Any]]:
    board = ours.board
    alike = baseline.read != "export" and same_strategy(number.strategy, label, board.options[label])
    if not is_about(number, board) or not (alike or number.strategy == label):
        return []
    budgets = [
        budget
        for budget in board.budgets
        if (label, budget) in board.cells
        and number.budget in (None, budget)
        and not math.isnan(here(ours.errors(number, (label, budget))).value)
    ]
    # Where the source does not say how long it trained, our longest training stands beside it.
    return [_pair(baseline, number, ours, label, budget) for budget in budgets[-1:]]


def _pair(baseline: Baseline, number: Number, ours: _Ours, label: str, budget: str) -> dict[str, Any]:
    board = ours.board
    interval = here(ours.errors(number, (label, budget)), exact=(label, budget) in board.unchanging)
    sign, scale = SCORES[number.metric], 100 if number.unit == "%" else 1
    ends = [_in_their_unit(x, sign, scale) for x in (interval.value, *interval.share)]
    mine, (low, high) = ends[0], sorted(ends[1:])
    found = conditions(baseline, number, board, label, budget)
    row = {
        "ours": mine, "low": low, "high": high, "n": interval.n, "distance": mine - number.value,
        "by": f"{label} at {budget}, {board.title}", "unknown": ", ".join(found.unknown),
    }  # fmt: skip
    if found.other:
        return row | _not("; ".join(found.other))
    return row | dict(zip(("verdict", "why"), _verdict(number, mine, low, high, scale), strict=True))


def _in_their_unit(error: float, sign: float, scale: float) -> float:
    return scale * (error if sign > 0 else 1 - error)


def _verdict(number: Number, ours: float, low: float, high: float, scale: float) -> tuple[str, str]:
    # Rounding as in print must not decide: a published number stands for all that round to it.
    if abs(ours - number.value) <= CLOSE * scale * (1 + 1e-9):
        return "reproduced", f"within {CLOSE * 100:g} points"
    if not math.isnan(low) and low <= number.value <= high:
        return "within spread", "theirs lies in our interval"
    if number.spread is not None and abs(ours - number.value) <= 2 * number.spread:
        return "within spread", "ours lies within two of their standard deviations"
    return "differs", "no known condition differs, another number"
