"""Which strategy is best at which budget, and how sure is that? Winners, their chances, and where they cross."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.boards.board import Board
from reports.boards.evidence import keep_of
from reports.statistics.bootstrap import mean_of
from reports.tables.table import Column, Table

Floats = NDArray[np.float64]


def chances(means: Floats) -> Floats:
    """Share of resamples, of ``means`` (strategies, resamples), in which each strategy has the least error."""
    share: Floats = np.bincount(means.argmin(axis=0), minlength=len(means)) / means.shape[1]
    return share


# fmt: off
_OPTIMAL = ["budget", "strategy", "chance", "keep", "error", "low", "high", "next", "gap", "gap_low", "gap_high",
            "strategies", "n"]
# fmt: on


def optimal_table(board: Board) -> Table:
    """The best strategy at each budget, the chance that it is the best, and the next."""
    rows = []
    for budget in board.budgets:
        labels = [x for x in board.labels if (x, budget) in board.cells and board.complete(x, budget)]
        if not labels:
            continue
        sure = chances(np.stack([board.means(x, budget) for x in labels]))
        order = sorted(range(len(labels)), key=lambda i: mean_of(board.values(labels[i], budget)))
        best, after = labels[order[0]], labels[order[1]] if len(order) > 1 else None
        interval = board.interval(best, budget)
        gap = board.difference((after, budget), (best, budget)) if after else None
        keep = keep_of(board, best) if "keep" in board.options.get(best, {}) else math.nan
        rows.append(
            {
                "budget": budget,
                "strategy": best,
                "chance": float(sure[order[0]]),
                "keep": keep,
                "error": interval.value,
                "low": interval.low,
                "high": interval.high,
                "next": after or "",
                "gap": gap.value if gap else math.nan,
                "gap_low": gap.low if gap else math.nan,
                "gap_high": gap.high if gap else math.nan,
                "strategies": len(labels),
                "n": interval.n,
            }
        )
    return Table(
        "optimal",
        "Best at each budget",
        "Among the strategies with every task at that budget. The chance of being best is the share of bootstrap "
        "resamples of tasks and seeds in which it has the least mean error; near 1 over their number, the data do not "
        "tell.",
        pd.DataFrame(rows, columns=_OPTIMAL),
        (
            Column("budget", "Budget"),
            Column("strategy", "Strategy"),
            Column("chance", "Chance it is best", "chance"),
            Column("keep", "Keep-ratio", "number"),
            Column("error", "Error [95%]", "error", low="low", high="high"),
            Column("next", "Next"),
            Column("gap", "Next is behind by [95%]", "signed", low="gap_low", high="gap_high"),
            Column("strategies", "Of", "count"),
            Column("n", "n", "count"),
        ),
        filters={"budget": "budget"},
    )  # fmt: skip


def chance_table(board: Board) -> pd.DataFrame:
    """For each budget and complete strategy, the chance that it is the best there: what the picture shows."""
    rows = []
    for budget in board.budgets:
        labels = [x for x in board.labels if (x, budget) in board.cells and board.complete(x, budget)]
        if labels:
            sure = chances(np.stack([board.means(x, budget) for x in labels]))
            costs = [mean_of(board.values(x, budget, "flops")) for x in labels]
            rows += [(budget, *row) for row in zip(labels, sure, costs, strict=True)]
    return pd.DataFrame(rows, columns=["budget", "strategy", "chance", "flops"])


def chances_table(board: Board) -> Table:
    """The numbers behind the picture of chances."""
    return Table(
        "chances",
        "Chance of being best",
        "Share of bootstrap resamples of tasks and seeds in which a strategy has the least mean error at its budget.",
        chance_table(board),
        (
            Column("strategy", "Strategy"),
            Column("budget", "Budget"),
            Column("flops", "FLOPs a task", "flops"),
            Column("chance", "Chance it is best", "chance"),
        ),
        row_head=2,
        filters={"strategy": "strategy", "budget": "budget"},
        folded=True,
    )


class Crossing(NamedTuple):
    """Charged FLOPs a task at which ``overtakes`` becomes better than ``overtaken``; linear in ln C between budgets."""

    overtakes: str
    overtaken: str
    flops: float


def crossings(board: Board, curves: pd.DataFrame) -> list[Crossing]:
    """Where two strategies' mean errors cross, among those that are best at some budget, over charged FLOPs."""
    whole = curves[curves["complete"].astype(bool)]
    winners = list(dict.fromkeys(optimal_table(board).frame["strategy"]))
    found = []
    for i, a in enumerate(winners):
        for b in winners[i + 1 :]:
            pa, pb = (whole[whole["strategy"] == x].sort_values("flops") for x in (a, b))
            low, high = (f(pa["flops"].agg(g), pb["flops"].agg(g)) for f, g in ((max, "min"), (min, "max")))
            if not low < high:
                continue
            x = np.unique(np.log([*pa["flops"], *pb["flops"], low, high]))
            x = x[(x >= math.log(low) - 1e-12) & (x <= math.log(high) + 1e-12)]
            gap = np.interp(x, np.log(pa["flops"]), pa["error"]) - np.interp(x, np.log(pb["flops"]), pb["error"])
            for j in np.flatnonzero(gap[:-1] * gap[1:] < 0):
                at = x[j] - gap[j] * (x[j + 1] - x[j]) / (gap[j + 1] - gap[j])
                first, second = (a, b) if gap[j] > 0 else (b, a)
                found.append(Crossing(first, second, float(math.exp(at))))
    return sorted(found, key=lambda c: c.flops)
