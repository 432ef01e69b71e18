"""Which strategy is best at which budget, and how sure is that? Winners, crossings, and the law behind them."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.board import Board
from reports.bootstrap import mean_of
from reports.evidence import forward_flops, keep_of, pick, shared
from reports.law import Law, fit
from reports.tables import Column, Table

Floats = NDArray[np.float64]
FITS = 200
"""Resamples that are fitted; more would not change an interval by what is shown."""


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
            Column("chance", "Chance it is best", "number"),
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


class Scaling(NamedTuple):
    """The law ``error = floor + a * size ** -alpha + b * share ** -beta`` and the points that it was fitted to.

    Attributes:
        points: a row for each strategy and budget, with ``size`` (FLOPs of a prediction over the dense net's),
            ``share`` (examples seen over training images), ``flops``, ``error`` and ``keep``.
    """

    law: Law
    points: pd.DataFrame
    n: int


def scaling(board: Board) -> Scaling | None:
    """Error over net size and share of the data, for the dense net and filter pruning; None with fewer than 3 x 3."""
    labels = [*([board.reference] if board.reference else []), *pick(board, "filter_pruned")]
    budgets = shared(board, *labels) if labels else []
    if len(labels) < 3 or len(budgets) < 3 or board.reference is None:
        return None
    dense = forward_flops(board, board.reference)
    rows, drawn = [], []
    train = board.tasks["train"].to_numpy(float)[:, None]
    for label in labels:
        for budget in budgets:
            errors = board.values(label, budget)
            rows.append(
                {
                    "strategy": label,
                    "budget": budget,
                    "keep": 1.0 if label == board.reference else keep_of(board, label),
                    "size": forward_flops(board, label) / dense,
                    "share": mean_of(board.values(label, budget, "examples") / train),
                    "flops": mean_of(board.values(label, budget, "flops")),
                    "error": mean_of(errors),
                }
            )
            drawn.append(np.concatenate([[mean_of(errors)], board.means(label, budget)[:FITS]]))
    points = pd.DataFrame(rows)
    usable = np.isfinite(points[["size", "share", "error"]].to_numpy(float)).all(axis=1)
    usable &= points["share"].to_numpy(float) > 0
    if usable.sum() < 9:
        return None
    points = points[usable].reset_index(drop=True)
    law = fit([points["size"].to_numpy(), points["share"].to_numpy()], np.stack(drawn)[usable])
    return Scaling(law, points, len(points))


def scaling_table(found: Scaling | None) -> Table:
    """The law's numbers with 95% intervals over resampled tasks and seeds; empty where there is too little to fit."""
    rows = []
    if found:
        law = found.law
        named = [
            ("floor: error with net and data without end", law.floor),
            ("a: what a smaller net costs", law.scales[0]),
            ("alpha: how fast that falls with size", law.exponents[0]),
            ("b: what fewer examples cost", law.scales[1]),
            ("beta: how fast that falls with examples", law.exponents[1]),
        ]
        for what, values in named:
            low, high = np.quantile(values[1:], [0.025, 0.975])
            rows.append({"what": what, "value": float(values[0]), "low": float(low), "high": float(high), "n": found.n})
        rows.append({"what": "root mean square residual", "value": law.residual, "low": math.nan, "high": math.nan,
                     "n": found.n})  # fmt: skip
    return Table(
        "scaling",
        "Error over net size and share of the data",
        "error = floor + a size^-alpha + b share^-beta, fitted to dense finetuning and filter pruning at the budgets "
        "that all have. Size: FLOPs of a prediction over the dense net's. Share: examples seen over training images, "
        "repeats counted. Needs three nets at three budgets. A law holds between the points that it was fitted to.",
        pd.DataFrame(rows, columns=["what", "value", "low", "high", "n"]),
        (
            Column("what", "What"),
            Column("value", "Value [95%]", "number", low="low", high="high"),
            Column("n", "n points", "count"),
        ),
        folded=True,
    )
