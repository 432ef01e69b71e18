"""What does one task do to another, where they share weights? Forgetting, and transfer backward and forward."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from reports.boards.board import Board
from reports.reading.frame import Frames
from reports.statistics.arrays import Floats
from reports.statistics.student import HERE, Estimate, here, mean_of, of_units, seed_means
from reports.tables.table import Column, Table

ALL = "all weights"

CARRIED = ("previous", "nearest")
"""Values of ``init`` with which a task begins from the weights of an earlier one, and keeps a net of its own."""

# fmt: off
_COLUMNS = ["strategy", "budget", "how", "own", "final", "backward", "low", "high", "forgetting", "worst", "forward",
            "forward_low", "forward_high", "flops", "alone_flops", "n"]
# fmt: on


def backward_transfer(own: Floats, final: Floats) -> float:
    """Mean over all tasks but the last of accuracy at the end minus accuracy right after learning: (tasks,) errors.

    BWT of GEM (arXiv 1706.08840) with T - 1 as divisor, from errors: 1/(T-1) sum_{i<T} (R[T,i] - R[i,i]).
    """
    return float(np.mean(own[:-1] - final[:-1])) if len(own) > 1 else math.nan


def forgetting(own: Floats, final: Floats) -> float:
    """Mean over all tasks but the last of first accuracy minus last accuracy: what Avalanche calls forgetting.

    With one test right after learning and one at the end, the maximum of Chaudhry et al. (arXiv 1801.10112) over the
    tests in between is not known; this is a lower bound of it.
    """
    return -backward_transfer(own, final)


def retested(board: Board, frames: Frames) -> dict[tuple[str, str], dict[int, Floats]]:
    """For each cell that was tested again on earlier tasks: by the task after which, errors (tasks, seeds).

    A row of the accuracy matrix for each such task, the task's own test included; nan where there was no test.
    """
    evals = frames.evals
    part = evals[(evals["board"] == board.number) & (evals["used"] == True)]  # noqa: E712 - object column
    part = part[part["metric"].isin(["error", "mean_average_precision"])]
    names, order = list(board.tasks["task"]), [int(index) for index in board.tasks["index"]]
    places = {str(name): place for place, name in enumerate(names)}
    where = part["index"].map(dict(zip(order, names, strict=True)))
    again = part[(part["task"] != where) & part["task"].isin(places)]
    found: dict[tuple[str, str], dict[int, Floats]] = {}
    for row in again.to_dict("records"):
        cell, after = (str(row["label"]), str(row["budget"])), order.index(int(row["index"]))
        rows = found.setdefault(cell, {})
        if after not in rows:
            rows[after] = np.full((len(names), max(1, len(board.seeds))), math.nan)
            rows[after][after] = board.values(*cell)[after]
        error = row["value"] if row["metric"] == "error" else 1 - row["value"]
        rows[after][places[str(row["task"])], board.seeds.index(int(row["seed"]))] = error
    return found


def forgetting_table(board: Board, frames: Frames) -> Table:
    """A row for each strategy and budget whose tasks share weights, and for dense finetuning, whose do not."""
    again = retested(board, frames)
    shared = {label for label, _ in again} | {label for label in board.labels if _carries(board, label)}
    labels = [label for label in board.labels if label in shared or (shared and label == board.reference)]
    cells = [cell for cell in board.cells if cell[0] in labels]
    rows = [_row(board, *cell, again.get(cell, {})) for cell in cells]
    return Table(
        "forgetting",
        "Continual learning: forgetting and transfer",
        "Strategies whose tasks share weights, beside dense finetuning of each task alone. Backward transfer: accuracy "
        "at the end minus accuracy right after learning, mean over all tasks but the last, divided by T - 1; "
        "forgetting is its negative, and 0 by construction where each task keeps a net of its own. Forward transfer: "
        "accuracy right after learning minus that of dense finetuning alone at the same budget, over all tasks but the "
        "first. "
        f"95% intervals {HERE} (Student's t on seeds). FLOPs of the whole stream: the sum over its tasks.",
        pd.DataFrame(rows, columns=_COLUMNS),
        (
            Column("strategy", "Strategy"),
            Column("budget", "Budget"),
            Column("how", "Tasks share"),
            Column("own", "Error right after", "error"),
            Column("final", "Error at the end", "error"),
            Column("backward", f"Backward transfer [95% {HERE}]", "signed", low="low", high="high"),
            Column("forgetting", "Forgetting", "signed"),
            Column("worst", "Worst task at the end", "error"),
            Column("forward", f"Forward transfer [95% {HERE}]", "signed", low="forward_low", high="forward_high"),
            Column("flops", "FLOPs of the stream", "flops"),
            Column("alone_flops", "of dense finetuning alone", "flops"),
            Column("n", "n", "count"),
        ),
        row_head=2,
        filters={"strategy": "strategy", "budget": "budget"},
        folded=True,
    )


def forgetful(table: Table) -> list[str]:
    """A sentence on those of :func:`forgetting_table` that lose what they had learnt; none where there are none."""
    names = dict.fromkeys(row["strategy"] for row in table.rows if row["how"] == ALL)
    if not names:
        return []
    return [
        f"All tasks share the weights of {', '.join(names)}: errors elsewhere are those right after learning a task, "
        "those at the end stand under continual learning."
    ]


def _carries(board: Board, label: str) -> bool:
    return board.options.get(label, {}).get("init") in CARRIED or label.partition("(")[0] == "ot_merged"


def _row(board: Board, label: str, budget: str, again: dict[int, Floats]) -> dict[str, object]:
    own, reference, last = board.values(label, budget), board.reference, len(board.tasks) - 1
    final = again.get(last)
    if final is not None:
        how, end = ALL, final
        backward = _backward(own, final)
    else:
        how, end = ("the start" if _carries(board, label) else "nothing"), own
        backward = Estimate(HERE, 0.0, math.nan, 0, n=int((~np.isnan(own[:-1])).sum()))
    alone = reference is not None and label != reference and (reference, budget) in board.cells
    ahead = board.differences((reference or "", budget), (label, budget))[1:] if alone else np.full((0, 1), math.nan)
    forward = here(ahead)
    flops = {x: _stream_flops(board, x, budget) for x in (label, *([reference] if reference and alone else []))}
    known = seed_means(end)
    return {
        "strategy": label, "budget": budget, "how": how, "own": mean_of(own), "final": mean_of(end),
        "backward": backward.value, "low": backward.low, "high": backward.high, "forgetting": -backward.value + 0.0,
        "worst": float(np.nanmax(known)) if not np.isnan(known).all() else math.nan,
        "forward": forward.value, "forward_low": forward.low, "forward_high": forward.high,
        "flops": flops[label], "alone_flops": flops.get(reference or "", math.nan) if alone else math.nan,
        "n": backward.n,
    }  # fmt: skip


def _backward(own: Floats, final: Floats) -> Estimate:
    gap = (own - final)[:-1]
    whole = np.flatnonzero(~np.isnan(gap).any(axis=0))
    units = np.asarray([backward_transfer(own[:, seed], final[:, seed]) for seed in whole])
    return of_units(HERE, units, n=int((~np.isnan(gap)).sum()), tasks=len(gap), seeds=len(whole))


def _stream_flops(board: Board, label: str, budget: str) -> float:
    """Charged FLOPs of the whole stream, mean over seeds; of the tasks that could be paid for."""
    spent = seed_means(board.values(label, budget, "flops"))
    return float(np.nansum(spent)) if not np.isnan(spent).all() else math.nan


def accuracy_tables(board: Board, frames: Frames) -> Iterator[Table]:
    """The accuracy matrix of each strategy whose tasks share all weights, at its largest budget.

    A row for each time of testing: right after each task was learnt, then after each task at which earlier ones were
    tested again.
    """
    again = retested(board, frames)
    # Cells go from small to large budgets: the last one stays.
    largest = {label: (budget, again[label, budget]) for label, budget in board.cells if (label, budget) in again}
    names = [str(name) for name in board.tasks["task"]]
    for number, (label, (budget, rows)) in enumerate(largest.items(), start=1):
        own = seed_means(board.values(label, budget))
        lines = [("right after learning it", own)]
        lines += [(f"after {names[after]}", seed_means(rows[after])) for after in sorted(rows)]
        frame = pd.DataFrame([{"when": when, **dict(zip(names, 1 - errors, strict=True))} for when, errors in lines])
        for name in names:
            frame[f"{name} heat"] = 1 - frame[name]
        yield Table(
            f"matrix_{number}_{label.partition('(')[0]}_{budget}",
            f"Accuracy matrix of {label} at {budget}",
            "Accuracy on each task, mean over seeds, when it was tested: a column below its first number shows what "
            "later tasks took from it, or gave it. The darker, the more accurate.",
            frame,
            (Column("when", "Tested"), *(Column(name, name, "error", heat=f"{name} heat") for name in names)),
            folded=True,
        )
