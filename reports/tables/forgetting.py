"""What is lost of earlier tasks where weights are shared? Forgetting and backward transfer, from the last re-test."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.boards.board import Board
from reports.reading.frame import Frames
from reports.statistics.student import HERE, of_units
from reports.tables.table import Column, Table

Floats = NDArray[np.float64]


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


def forgetting_table(board: Board, frames: Frames) -> Table:
    """A row for each strategy and budget whose earlier tasks were tested again after the last; others cannot forget."""
    last = int(board.tasks["index"].max()) if len(board.tasks) else -1
    evals = frames.evals
    part = evals[(evals["board"] == board.number) & (evals["used"] == True) & (evals["index"] == last)]  # noqa: E712
    part = part[part["metric"].isin(["error", "mean_average_precision"])]
    again = part[part["task"] != board.tasks["task"].iloc[-1]] if last >= 0 else part
    places = {str(name): place for place, name in enumerate(board.tasks["task"])}
    rows = []
    for label, budget in board.cells:
        mine = again[(again["label"] == label) & (again["budget"] == budget)]
        if mine.empty:
            continue
        own = board.values(label, budget)
        final = np.full_like(own, math.nan)
        for row in mine.to_dict("records"):
            error = row["value"] if row["metric"] == "error" else 1 - row["value"]
            if row["task"] in places:
                final[places[row["task"]], board.seeds.index(int(row["seed"]))] = error
        gap = (own - final)[:-1]
        whole = np.flatnonzero(~np.isnan(gap).any(axis=0))
        units = np.asarray([backward_transfer(own[:, seed], final[:, seed]) for seed in whole])
        interval = of_units(HERE, units, n=int((~np.isnan(gap)).sum()), tasks=len(gap), seeds=len(whole))
        rows.append(
            {
                "strategy": label,
                "budget": budget,
                "backward": interval.value,
                "low": interval.low,
                "high": interval.high,
                "forgetting": -interval.value,
                "worst": float(np.nanmax(final)) if not np.isnan(final).all() else math.nan,
                "n": interval.n,
            }
        )
    return Table(
        "forgetting",
        "Forgetting",
        "Only strategies whose weights are shared by tasks can forget: those that were tested again on all tasks at "
        "the end. Backward transfer: accuracy at the end minus accuracy right after learning, mean over all tasks but "
        f"the last, divided by T - 1, with a 95% interval {HERE} (Student's t on seeds). All others keep a net for "
        f"each "
        "task; their forgetting is zero by construction.",
        pd.DataFrame(rows, columns=["strategy", "budget", "backward", "low", "high", "forgetting", "worst", "n"]),
        (
            Column("strategy", "Strategy"),
            Column("budget", "Budget"),
            Column("backward", f"Backward transfer [95% {HERE}]", "signed", low="low", high="high"),
            Column("forgetting", "Forgetting", "signed"),
            Column("worst", "Worst error at the end", "error"),
            Column("n", "n", "count"),
        ),
        row_head=2,
        filters={"strategy": "strategy", "budget": "budget"},
        folded=True,
    )
