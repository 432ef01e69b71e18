"""How does error depend on net size and share of the data? A law fitted to dense and pruned nets at all budgets."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.boards.board import Board
from reports.boards.evidence import forward_flops, keep_ratio, pick, shared
from reports.statistics.arrays import Floats
from reports.statistics.law import Law, fit
from reports.statistics.student import FEWEST, HERE, LIKE, by_cluster, by_seed, mean_of, of_units
from reports.tables.table import Column, Table


class Scaling(NamedTuple):
    """The law ``error = floor + a * size ** -alpha + b * share ** -beta`` and the points that it was fitted to.

    Attributes:
        points: a row for each strategy and budget, with ``size`` (FLOPs of a prediction over the dense net's),
            ``share`` (examples seen over training images), ``flops``, ``error`` and ``keep``.
        seeds, clusters: the law's numbers as each seed, or each cluster of tasks, alone would have them, a column each.
    """

    law: Law
    points: pd.DataFrame
    n: int
    seeds: Floats
    clusters: Floats

    def band(self, size: Floats, share: Floats) -> tuple[Floats, Floats]:
        """Ends of the 95% interval, on these tasks, of the errors that the law predicts; nan from one seed."""
        errors = self.law.at(size, share)[:, None] + self.law.slopes(size, share) @ (
            self.seeds - self.law.numbers[:, None]
        )
        ends = [of_units(HERE, row) for row in errors]
        return np.asarray([one.low for one in ends]), np.asarray([one.high for one in ends])


def scaling(board: Board) -> Scaling | None:
    """Error over net size and share of the data, for the dense net and filter pruning; None with fewer than 3 x 3."""
    labels = [*([board.reference] if board.reference else []), *pick(board, "filter_pruned")]
    budgets = shared(board, *labels) if labels else []
    if len(labels) < 3 or len(budgets) < 3 or board.reference is None:
        return None
    dense = forward_flops(board, board.reference)
    rows, tables = [], []
    train = board.tasks["train"].to_numpy(float)[:, None]
    # All points are over the same tasks: those that every net could pay for at every budget.
    paid = np.all([~np.isnan(board.values(x, b)).all(axis=1) for x in labels for b in budgets], axis=0)
    clusters_of = [cluster for cluster, there in zip(board.clusters, paid, strict=True) if there]
    for label in labels:
        for budget in budgets:
            errors = board.values(label, budget)[paid]
            rows.append(
                {
                    "strategy": label,
                    "budget": budget,
                    "keep": 1.0 if label == board.reference else keep_ratio(board, label),
                    "size": forward_flops(board, label) / dense,
                    "share": mean_of((board.values(label, budget, "examples") / train)[paid]),
                    "flops": mean_of(board.values(label, budget, "flops")[paid]),
                    "error": mean_of(errors),
                }
            )
            tables.append(errors)
    points = pd.DataFrame(rows)
    usable = np.isfinite(points[["size", "share", "error"]].to_numpy(float)).all(axis=1)
    usable &= points["share"].to_numpy(float) > 0
    if usable.sum() < 9:
        return None
    points = points[usable].reset_index(drop=True)
    xs = [points["size"].to_numpy(float), points["share"].to_numpy(float)]
    law = fit(xs, points["error"].to_numpy(float))
    used = [table for table, use in zip(tables, usable, strict=True) if use]
    # A seed speaks where it has all points.
    whole = ~np.isnan(np.stack(used)).any(axis=(0, 1))
    seeds = np.stack([by_seed(table[:, whole]) for table in used])
    clusters = np.stack([by_cluster(table, clusters_of) for table in used])
    return Scaling(law, points, len(points), law.moved(xs, seeds) if whole.any() else np.empty((5, 0)),
                   law.moved(xs, clusters))  # fmt: skip


def scaling_table(found: Scaling | None) -> Table:
    """The law's numbers with both 95% intervals; empty where there is too little to fit."""
    rows = []
    if found:
        named = [
            "floor: error with net and data without end",
            "a: what a smaller net costs",
            "b: what fewer examples cost",
            "alpha: how fast the first falls with size",
            "beta: how fast the second falls with examples",
        ]
        for what, value, seeds, clusters in zip(named, found.law.numbers, found.seeds, found.clusters, strict=True):
            mine, others = of_units(HERE, seeds), of_units(LIKE, clusters)
            few, fixed = len(clusters) < FEWEST, value == 0
            rows.append({
                "what": what, "value": float(value), "low": math.nan if fixed else mine.low,
                "high": math.nan if fixed else mine.high, "like": float(value),
                "like_low": math.nan if few or fixed else value - others.half,
                "like_high": math.nan if few or fixed else value + others.half, "n": found.n,
            })  # fmt: skip
        rows.append({"what": "root mean square residual", "value": found.law.residual, "n": found.n})
    return Table(
        "scaling",
        "Error over net size and share of the data",
        "error = floor + a size^-alpha + b share^-beta, fitted to dense finetuning and filter pruning at the budgets "
        "that all have. Size: FLOPs of a prediction over the dense net's. Share: examples seen over training images, "
        "repeats counted. Needs three nets at three budgets. Intervals: Student's t on what seeds, or clusters of "
        "tasks, "
        "would move each number by, to first order; none for a number at its bound. A law holds between the points "
        "that "
        "it was fitted to.",
        pd.DataFrame(rows, columns=["what", "value", "low", "high", "like", "like_low", "like_high", "n"]),
        (
            Column("what", "What"),
            Column("value", f"Value [95% {HERE}]", "number", low="low", high="high"),
            Column("like", f"... [95% {LIKE}]", "number", low="like_low", high="like_high"),
            Column("n", "n points", "count"),
        ),
        folded=True,
    )
