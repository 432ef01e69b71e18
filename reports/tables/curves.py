"""How does error fall with compute? A row for each strategy and budget: cost, error, intervals, front."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.boards.board import Board
from reports.statistics.bootstrap import mean_of
from reports.statistics.metrics import chance_normalized, pareto_front
from reports.tables.table import Column, Table

# fmt: off
_COLUMNS = ["strategy", "budget", "flops", "epochs", "seconds", "error", "low", "high", "eased_low", "eased_high",
            "normalized", "single_label", "multilabel", "budget_flops", "parameters", "latency_seconds", "n", "tasks",
            "of_tasks", "seeds", "complete", "on_front", "on_front_seconds"]
# fmt: on


def curves(board: Board) -> pd.DataFrame:
    """The main picture in numbers.

    ``flops`` and ``seconds`` are charged, all phases but evaluate, mean over the tasks that have an error; what was
    spent once before the stream is part of it. ``epochs`` is flops in training epochs of the dense net. ``low`` and
    ``high`` bound the mean over tasks and seeds, ``eased_*`` the same without the tasks' difficulty. A cell that misses
    a task is not ``complete``: it is shown, but never on a front, for its mean is over other tasks.
    """
    found = []
    chance = board.tasks["chance"].to_numpy(float)
    kinds = board.tasks["kind"].to_numpy()
    epoch = board.tasks["epoch_flops"].to_numpy(float)
    for label, budget in board.cells:
        values = board.values(label, budget)
        there = np.asarray(~np.isnan(values))
        kept: NDArray[np.bool_] = np.asarray(there.any(axis=1))
        whole = bool(kept.all())
        total, eased = board.interval(label, budget), board.eased.get((label, budget))
        mean = {
            column: mean_of(np.where(kept[:, None], board.values(label, budget, column), math.nan))
            for column in ("flops", "seconds", "budget_flops", "parameters", "latency_seconds")
        }
        scale = float(epoch[kept].mean()) if kept.any() else math.nan
        found.append({
            "strategy": label, "budget": budget, **mean, "epochs": mean["flops"] / scale if scale else math.nan,
            "error": total.value, "low": total.low, "high": total.high,
            "eased_low": eased.low if eased else math.nan, "eased_high": eased.high if eased else math.nan,
            "normalized": mean_of(chance_normalized(values, chance[:, None])),
            "single_label": mean_of(values[kinds != "multilabel"]),
            "multilabel": mean_of(values[kinds == "multilabel"]),
            "n": total.n, "tasks": total.tasks, "of_tasks": len(board.tasks), "seeds": int(there.any(axis=0).sum()),
            "complete": whole,
        })  # fmt: skip
    table = pd.DataFrame(found, columns=_COLUMNS)
    for cost, front in (("flops", "on_front"), ("seconds", "on_front_seconds")):
        table[front] = False
        whole_rows = table["complete"].astype(bool)
        table.loc[whole_rows, front] = pareto_front(table.loc[whole_rows, cost], table.loc[whole_rows, "error"])
    return table


def curves_table(board: Board, table: pd.DataFrame) -> Table:
    """The table that stands for the main picture."""
    shown = table.assign(
        share=[f"{row.tasks} of {row.of_tasks}" for row in table.itertuples()],
        front=["yes" if flag else "" for flag in table["on_front"]],
    )
    return Table(
        "curves",
        "Error against compute",
        "Mean error over tasks, 95% bootstrap intervals over tasks and seeds; multilabel tasks count as 1 - mAP. "
        "FLOPs and seconds are charged ones a task, mean over tasks. In units of guessing, 1 is chance; over tasks "
        "with one label. "
        "A mean over fewer tasks than the others have cannot be compared with theirs.",
        shown,
        (
            Column("strategy", "Strategy"),
            Column("budget", "Budget"),
            Column("flops", "FLOPs a task", "flops"),
            Column("epochs", "in epochs", "number"),
            Column("seconds", "Seconds a task", "seconds"),
            Column("error", "Error [95%]", "error", low="low", high="high"),
            Column("normalized", "In units of guessing", "error"),
            Column("single_label", "One label", "error"),
            Column("multilabel", "Multilabel, 1 - mAP", "error"),
            Column("share", "Tasks"),
            Column("seeds", "Seeds", "count"),
            Column("n", "n", "count"),
            Column("front", "On the front"),
        ),
        row_head=2,
        filters={"strategy": "strategy", "budget": "budget"},
        filtered="anew",
    )
