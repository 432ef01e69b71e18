"""What does a smaller net cost to bring back? Right after shrinking, after finetuning, and what it takes to recover."""

import math

import numpy as np
import pandas as pd

from reports.boards.board import Board
from reports.boards.evidence import forward_flops
from reports.statistics.metrics import compute_to_accuracy
from reports.statistics.student import mean_of
from reports.tables.table import Column, Table

TARGET = 0.95
"""Recovered: 95% of the dense net's best mean accuracy. Fixed before anything was run."""

OPTIONAL = {
    "error_before": ("Error right after", "error"),
    "agreement": ("Agreement with dense", "number"),
    "worst_class_error": ("Worst class, worse than dense by", "signed"),
    "calibration_error": ("Calibration error", "number"),
}
"""Measures that appear where runs recorded them, as ``eval`` metrics of these names."""


def payback(setup: float, dense: float, mine: float) -> float:
    """Predictions until what was spent on making the net smaller is saved again; inf if a prediction costs no less."""
    saved = dense - mine
    return setup / saved if saved > 0 else math.inf


def recovery_table(board: Board, curves: pd.DataFrame) -> Table:
    """A row for each strategy whose net is smaller than the dense one's, against the dense net."""
    reference = board.reference
    dense = forward_flops(board, reference) if reference else math.nan
    best = 1 - curves.loc[(curves["strategy"] == reference) & ~curves["apart"].astype(bool), "error"].min()
    there = [name for name in OPTIONAL if name in board.rows and board.rows[name].notna().any()]
    train = board.tasks["train"].to_numpy(float)[:, None]
    rows = []
    for label in board.labels:
        mine = forward_flops(board, label)
        part = curves[(curves["strategy"] == label) & ~curves["apart"].astype(bool)].sort_values("flops")
        if label == reference or not mine < dense * 0.999 or part.empty:
            continue
        budgets = [str(b) for b in part["budget"]]
        examples = [mean_of(board.values(label, b, "examples")) for b in budgets]
        shares = [mean_of(board.values(label, b, "examples") / train) for b in budgets]
        cost = compute_to_accuracy(part["flops"], 1 - part["error"], TARGET * best)
        setup = mean_of(board.values(label, budgets[-1], "setup_flops")[:1])
        rows.append(
            {
                "strategy": label,
                "share": mine / dense,
                "setup": setup,
                "first": float(part["error"].iloc[0]),
                "first at": f"at {budgets[0]}",
                "last": float(part["error"].iloc[-1]),
                "last at": f"at {budgets[-1]}",
                "to_flops": cost,
                "to_examples": _at(cost, part["flops"], examples),
                "to_share": _at(cost, part["flops"], shares),
                "payback": payback(setup, dense, mine),
                **{name: _measured(board, label, budgets[-1], name) for name in there},
                "n": int(part["n"].sum()),
            }
        )
    absent = [title.lower() for name, (title, _) in OPTIONAL.items() if name not in there]
    return Table(
        "recovery",
        "What a smaller net costs, and what it takes to recover",
        f"Recovered means {TARGET:.0%} of the dense net's best mean accuracy ({best:.3f}), linear in ln C between "
        "budgets. Only budgets that paid for enough tasks count; what was measured besides errors is that of the "
        "largest. Share "
        "of the data: examples seen over training images, repeats counted. Paid for: predictions until what was spent "
        "before the stream is saved again by cheaper predictions."
        + (f" Not recorded by these runs: {', '.join(absent)}." if absent else ""),
        pd.DataFrame(rows),
        (
            Column("strategy", "Strategy"),
            Column("share", "FLOPs of a prediction over dense", "number"),
            Column("setup", "Spent before the stream", "flops"),
            *(Column(name, *OPTIONAL[name]) for name in there),  # type: ignore[arg-type]
            Column("first", "Error, least budget", "error", behind="first at"),
            Column("last", "Error, largest", "error", behind="last at"),
            Column("to_flops", "FLOPs to recover", "flops"),
            Column("to_examples", "Examples", "count"),
            Column("to_share", "Share of the data", "number"),
            Column("payback", "Paid for after predictions", "count"),
            Column("n", "n", "count"),
        ),
        filters={"strategy": "strategy"},
        folded=True,
    )


def _measured(board: Board, label: str, budget: str, name: str) -> float:
    """Mean of a measure over tasks; of the worst class, how much worse it is than the dense net's."""
    value = mean_of(board.values(label, budget, name))
    if name != "worst_class_error":
        return value
    return value - mean_of(board.values(board.reference, budget, name)) if board.reference else math.nan


def _at(cost: float, costs: "pd.Series[float]", values: list[float]) -> float:
    """``values`` at ``cost``, linear in ln C; inf where it is never reached."""
    if not math.isfinite(cost):
        return cost
    return float(np.interp(math.log(cost), np.log(costs.to_numpy(float)), values))
