"""How does error fall with compute? A row for each strategy and budget: cost, error, intervals, front."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.boards.anchors import anchors
from reports.boards.board import ENOUGH, Board
from reports.statistics.metrics import between, chance_normalised, paired_front
from reports.statistics.student import HERE, mean_of, seed_means
from reports.tables.table import Column, Table

# fmt: off
_COLUMNS = ["strategy", "budget", "flops", "epochs", "seconds", "error", "low", "high", "normalized", "between",
            "single_label", "multilabel", "budget_flops", "parameters", "latency_seconds", "n", "tasks", "of_tasks",
            "seeds", "complete", "apart", "on_front", "on_front_seconds"]
# fmt: on


def curves(board: Board) -> pd.DataFrame:
    """The main picture in numbers.

    ``flops`` and ``seconds`` are charged, all phases but evaluate, mean over the tasks that have an error; what was
    spent once before the stream is part of it. ``epochs`` is flops in training epochs of the dense net. ``low`` and
    ``high`` bound the mean on these tasks. A cell that could pay for too few tasks is ``apart``: its mean is over other
    tasks than its neighbours', so that it stands in no line and on no front. On the front is what no other cell beats
    on the tasks that both could pay for.
    """
    found = []
    chance = board.tasks["chance"].to_numpy(float)
    kinds = board.tasks["kind"].to_numpy()
    epoch = board.tasks["epoch_flops"].to_numpy(float)
    ends = anchors(board)
    for label, budget in board.cells:
        values = board.values(label, budget)
        paid: NDArray[np.bool_] = np.asarray((~np.isnan(values)).any(axis=1))
        total = board.estimate(label, budget)
        mean = {
            column: mean_of(np.where(paid[:, None], board.values(label, budget, column), math.nan))
            for column in ("flops", "seconds", "budget_flops", "parameters", "latency_seconds")
        }
        scale = float(epoch[paid].mean()) if paid.any() else math.nan
        found.append({
            "strategy": label, "budget": budget, **mean, "epochs": mean["flops"] / scale if scale else math.nan,
            "error": total.value, "low": total.share[0], "high": total.share[1],
            "normalized": mean_of(chance_normalised(values, chance[:, None])),
            "between": mean_of(between(values, ends.frozen[:, None], ends.best[:, None])),
            "single_label": mean_of(values[kinds != "multilabel"]),
            "multilabel": mean_of(values[kinds == "multilabel"]),
            "n": total.n, "tasks": total.tasks, "of_tasks": len(board.tasks), "seeds": total.seeds,
            "complete": bool(paid.all()), "apart": not board.enough(label, budget),
        })  # fmt: skip
    table = pd.DataFrame(found, columns=_COLUMNS)
    table["apart"] = table["apart"].astype(bool)
    cells = [cell for cell in board.cells if board.enough(*cell)]
    for cost, front in (("flops", "on_front"), ("seconds", "on_front_seconds")):
        table[front] = False
        if cells:
            costs, errors = (np.stack([seed_means(board.values(*cell, x)) for cell in cells]) for x in (cost, "error"))
            table.loc[~table["apart"], front] = paired_front(costs, errors)
    return table


def budget_costs(board: Board) -> dict[str, float]:
    """FLOPs a task that each budget pays for, mean over tasks; nan where it is none of FLOPs."""
    known = board.rows[np.isfinite(board.rows["budget_flops"].to_numpy(float))]
    means = known.groupby(["budget", "index"])["budget_flops"].mean().groupby("budget").mean()
    return {budget: float(means.get(budget, math.nan)) for budget in board.budgets}


def curves_table(board: Board, table: pd.DataFrame) -> Table:
    """The table that stands for the main picture."""
    shown = table.assign(
        share=[f"{row.tasks} of {row.of_tasks}{' (apart)' if row.apart else ''}" for row in table.itertuples()],
        front=["yes" if flag else "" for flag in table["on_front"]],
    )
    return Table(
        "curves",
        "Error against compute",
        f"Mean error over tasks, 95% intervals {HERE} (Student's t on means of seeds); multilabel tasks count as 1 - "
        "mAP. FLOPs and seconds are charged ones a task, mean over tasks. In units of the best constant prediction, 1 "
        "is as good as not to look. Of the way from a frozen head (0) to the best known error of the task (1), where "
        "both are known and lie a point apart. Apart: the budget paid for fewer than "
        f"{ENOUGH:.0%} of the tasks; such a mean cannot be compared with others.",
        shown,
        (
            Column("strategy", "Strategy"),
            Column("budget", "Budget"),
            Column("flops", "FLOPs a task", "flops"),
            Column("epochs", "in epochs", "number"),
            Column("seconds", "Seconds a task", "seconds"),
            Column("error", f"Error [95% {HERE}]", "error", low="low", high="high"),
            Column("normalized", "In units of a constant", "error"),
            Column("between", "Of the way to the best known", "number"),
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
