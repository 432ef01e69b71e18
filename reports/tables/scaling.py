"""How does error depend on net size and share of the data? A law fitted to dense and pruned nets at all budgets."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.boards.board import Board
from reports.boards.evidence import forward_flops, keep_of, pick, shared
from reports.statistics.bootstrap import mean_of
from reports.statistics.law import Law, fit
from reports.tables.table import Column, Table

FITS = 200
"""Resamples that are fitted; more would not change an interval by what is shown."""


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
