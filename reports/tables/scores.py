"""How good is a strategy over all budgets? One row each: area, hypervolume, compute to accuracy, compute gain."""

import math

import numpy as np
import pandas as pd

from reports.boards.board import ENOUGH, Board
from reports.reading.frame import REFERENCE
from reports.statistics import metrics
from reports.statistics.arrays import Floats
from reports.statistics.student import HERE, Estimate, by_seed, of_units, seed_means
from reports.tables.table import Column, Table

SHARES = (0.90, 0.95, 0.99)
"""Targets, as shares of the best accuracy of the dense net at any budget; fixed before anything was run."""

GAIN_SHARE = 0.95

FROM_SCRATCH = "finetune(init=scratch)"
"""What is learnt without any earlier task: the reference of forward transfer."""


def scores_table(board: Board, curves: pd.DataFrame) -> Table:
    """Scores over the compute axis, from budgets that paid for enough tasks.

    Hypervolume and the compute to reach a target are over FLOPs charged, the area over the budgets given, so that a
    strategy that spends less is not judged on a shorter axis. Interpolated in ln C, never extrapolated.
    """
    whole = curves[~curves["apart"].astype(bool)]
    axis = _axis(whole)
    low, high = metrics.common_range([part[axis].to_numpy() for _, part in whole.groupby("strategy")])
    ends = float(whole["flops"].min()), float(whole["flops"].max())
    reference = whole[whole["strategy"] == board.reference] if board.reference else whole.iloc[:0]
    best = float((1 - reference["error"]).max()) if len(reference) else math.nan
    alone = whole[whole["strategy"] == FROM_SCRATCH]
    scratch = metrics.area_under_curve(alone[axis], 1 - alone["error"], low, high)
    rows = []
    for label in board.labels:
        part = whole[whole["strategy"] == label]
        cost, accuracy = part["flops"].to_numpy(float), 1 - part["error"].to_numpy(float)
        area = metrics.area_under_curve(part[axis], accuracy, low, high)
        bounds = _area(board, label, part, axis, low, high)
        gain, tasks = _gain(board, label)
        known = len(part) > 0 and not math.isnan(best)
        rows.append(
            {
                "strategy": label,
                "area": area,
                "area_low": bounds.low,
                "area_high": bounds.high,
                "forward": metrics.forward_transfer(area, scratch),
                "hypervolume": metrics.hypervolume(cost, 1 - accuracy, low=ends[0], high=ends[1])
                if len(part)
                else math.nan,
                **{
                    f"to_{share:.0%}": metrics.compute_to_accuracy(cost, accuracy, share * best) if known else math.nan
                    for share in SHARES
                },
                "gain": gain,
                "gain_tasks": tasks,
                "budgets": len(part),
                "n": int(part["n"].sum()),
                "tasks": len(board.tasks),
                "seeds": int(part["seeds"].max()) if len(part) else 0,
            }
        )
    return Table(
        "scores",
        "Scores over all budgets",
        _caption(axis, (low, high), ends, best),
        pd.DataFrame(rows),
        (
            Column("strategy", "Strategy"),
            Column("area", f"Area under accuracy [95% {HERE}]", "error", low="area_low", high="area_high"),
            Column("forward", "Forward transfer", "signed"),
            Column("hypervolume", "Hypervolume", "error"),
            *(Column(f"to_{share:.0%}", f"FLOPs to {share:.0%}", "flops") for share in SHARES),
            Column("gain", "Compute gain", "number"),
            Column("gain_tasks", "over tasks", "count"),
            Column("budgets", "Budgets", "count"),
            Column("tasks", "Tasks", "count"),
            Column("seeds", "Seeds", "count"),
            Column("n", "n", "count"),
        ),
        filters={"strategy": "strategy"},
    )


def _axis(whole: pd.DataFrame) -> str:
    """The budgets given, where every run had one in FLOPs; what was charged elsewhere."""
    return "budget_flops" if len(whole) and bool(np.isfinite(whole["budget_flops"].to_numpy(float)).all()) else "flops"


def _area(board: Board, label: str, part: pd.DataFrame, axis: str, low: float, high: float) -> Estimate:
    """The area, and Student's interval over the areas of single seeds."""
    value = metrics.area_under_curve(part[axis], 1 - part["error"], low, high)
    if math.isnan(value) or {(label, str(b)) for b in part["budget"]} <= board.unchanging:
        return Estimate(HERE, value, math.nan, 0)
    # The area is linear in the accuracies: its weights are the areas under unit vectors.
    weights = np.asarray([metrics.area_under_curve(part[axis], unit, low, high) for unit in np.eye(len(part))])
    seeds = [by_seed(board.values(label, str(budget))) for budget in part["budget"]]
    if len({len(one) for one in seeds}) != 1:
        return Estimate(HERE, value, math.nan, 0)
    units = of_units(HERE, weights @ (1 - np.stack(seeds)))
    return Estimate(HERE, value, units.error, units.freedom)


def _gain(board: Board, label: str) -> tuple[float, int]:
    """Geometric mean over tasks of C_dense / C_mine to 95% of the dense net's best in the task; and how many tasks."""
    if board.reference is None:
        return math.nan, 0
    dense, mine = _by_task(board, board.reference), _by_task(board, label)
    need, spent = [], []
    for (dense_cost, dense_accuracy), (cost, accuracy) in zip(dense, mine, strict=True):
        known = dense_accuracy[~np.isnan(dense_accuracy)]
        target = GAIN_SHARE * float(known.max()) if known.size else math.nan
        if math.isnan(target):
            continue
        need.append(metrics.compute_to_accuracy(dense_cost, dense_accuracy, target))
        spent.append(metrics.compute_to_accuracy(cost, accuracy, target))
    reached = int((np.isfinite(need) & np.isfinite(spent)).sum()) if need else 0
    # A mean over the few tasks on which it gets there would be one over those that are easy for it.
    if reached < ENOUGH * len(need) - 1e-9:
        return math.nan, reached
    return metrics.compute_gain(need, spent), reached


def _by_task(board: Board, label: str) -> list[tuple[Floats, Floats]]:
    """For each task, cost and accuracy over the budgets, both mean over seeds."""
    budgets = [budget for budget in board.budgets if (label, budget) in board.cells]

    def means(column: str) -> Floats:
        return np.stack([seed_means(board.values(label, budget, column)) for budget in budgets])

    if not budgets:
        return [(np.empty(0), np.empty(0)) for _ in range(len(board.tasks))]
    cost, error = means("flops"), means("error")
    return [(cost[:, place], 1 - error[:, place]) for place in range(len(board.tasks))]


def _caption(axis: str, area: tuple[float, float], ends: tuple[float, float], best: float) -> str:
    if math.isnan(area[0]):
        return "No strategy could pay for enough tasks yet: there is nothing to score."
    x = "budgets given" if axis == "budget_flops" else "FLOPs charged"
    text = (
        f"Only budgets that paid for enough tasks count. Area under the accuracy-compute curve over ln C of the {x}, "
        f"from "
        f"{area[0]:.3g} to {area[1]:.3g} FLOPs a task, as a mean accuracy. Forward transfer: (area - reference) / (1 - "
        f"reference), reference {FROM_SCRATCH}, where it was run. Hypervolume over charged FLOPs, ln C scaled "
        f"from {ends[0]:.3g} to {ends[1]:.3g}, reference point (1, 1). "
    )
    if math.isnan(best):
        return f"{text}Compute to accuracy and compute gain need dense {REFERENCE!r} in full; it was not run."
    return (
        f"{text}Compute to 90, 95 and 99% of {best:.3f}, the best mean accuracy of dense {REFERENCE!r}. Compute gain: "
        "geometric mean over tasks of the dense net's FLOPs over the strategy's to reach 95% of the dense net's best "
        f"in that task, where the strategy does in {ENOUGH:.0%} of them or more."
    )
