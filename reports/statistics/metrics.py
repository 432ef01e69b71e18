"""How is a strategy scored? Pure functions from numbers to numbers, each with its source."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reports.statistics.arrays import Floats


def chance_error(kind: str, num_classes: int) -> float:
    """Error of a constant prediction among ``num_classes`` equally frequent ones: 1 - 1/K; for multilabel tasks nan.

    Where classes are not equally frequent, runs count it and record it as ``constant_error``.
    """
    return math.nan if kind == "multilabel" or num_classes < 1 else 1 - 1 / num_classes


def chance_normalised(error: ArrayLike, chance: ArrayLike) -> Floats:
    """Error in units of the best constant prediction's: 0 is perfect, above 1 is worse than that constant."""
    guess = np.asarray(chance, float)
    return np.asarray(error, float) / np.where(guess > 0, guess, np.nan)


SLACK = 0.02
"""Costs that differ by a smaller share count as equal: runs stop within one step of their budget, not at the FLOP."""


def pareto_front(cost: ArrayLike, error: ArrayLike, *, slack: float = SLACK) -> NDArray[np.bool_]:
    """Which points are not dominated: no other is as cheap and as right, and better in one of the two."""
    c, e = np.asarray(cost, float), np.asarray(error, float)
    ok = np.isfinite(c) & np.isfinite(e)
    front = np.zeros(len(c), dtype=bool)
    for i in np.flatnonzero(ok):
        as_good = ok & (c <= c[i] * (1 + slack)) & (e <= e[i])
        front[i] = not (as_good & ((c < c[i] / (1 + slack)) | (e < e[i]))).any()
    return front


def paired_front(cost: ArrayLike, error: ArrayLike, *, slack: float = SLACK) -> NDArray[np.bool_]:
    """Which cells are not dominated, of ``cost`` and ``error`` (cells, tasks), nan where a cell could not pay for one.

    As :func:`pareto_front` of means, but two cells are compared on the tasks that both have, so that leaving out hard
    tasks is no gain. Two cells without a common task do not dominate each other.
    """
    c, e = np.asarray(cost, float), np.asarray(error, float)
    there = np.isfinite(c) & np.isfinite(e)
    paid = there.astype(float)
    shared = paid @ paid.T
    # (i, j): the mean of i over the tasks that i and j share.
    mean_c, mean_e = (np.where(there, x, 0.0) @ paid.T / np.maximum(shared, 1) for x in (c, e))
    as_good = (mean_c * (1 + slack) >= mean_c.T) & (mean_e + 1e-12 >= mean_e.T)
    better = (mean_c / (1 + slack) > mean_c.T) | (mean_e - 1e-12 > mean_e.T)
    return np.asarray(there.any(axis=1) & ~((shared > 0) & as_good & better).any(axis=1))


def between(error: ArrayLike, frozen: ArrayLike, best: ArrayLike, *, least: float = 0.01) -> Floats:
    """Where an error lies between the frozen head's, 0, and the best known one, 1; below 0 and above 1 as it comes.

    nan where the two ends are within ``least`` of each other. The ends do not depend on the strategies that are
    compared, so that adding a strategy does not change the scores of the others.
    """
    e, f, b = (np.asarray(x, float) for x in (error, frozen, best))
    room = f - b
    shares: Floats = (f - e) / np.where(room >= least, room, np.nan)
    return shares


def accuracy_at(cost: ArrayLike, accuracy: ArrayLike, where: ArrayLike) -> Floats:
    """Accuracy at compute ``where``, linear in ln C between measured points; nan outside them, never extrapolated."""
    c, a = _sorted(cost, accuracy)
    if len(c) == 0:
        return np.full(np.shape(where), math.nan)
    x = np.log(np.asarray(where, float))
    inside = (x >= np.log(c[0]) - 1e-12) & (x <= np.log(c[-1]) + 1e-12)
    return np.where(inside, np.interp(x, np.log(c), a), math.nan)


def area_under_curve(cost: ArrayLike, accuracy: ArrayLike, low: float, high: float) -> float:
    """Area under the accuracy-compute curve: 1/(ln high - ln low) times the integral of a(C) d ln C, by trapezoids.

    The same idea as LCA (A-GEM, arXiv 1812.00420), over ln C. nan if [low, high] is not inside the measured range.
    """
    c, a = _sorted(cost, accuracy)
    ends = accuracy_at(c, a, [low, high])
    if not high > low or np.isnan(ends).any():
        return math.nan
    inner = (c > low) & (c < high)
    x = np.log([low, *c[inner], high])
    y = np.asarray([ends[0], *a[inner], ends[1]])
    return float(np.sum((y[1:] + y[:-1]) / 2 * np.diff(x)) / (x[-1] - x[0]))


def common_range(costs: Sequence[ArrayLike]) -> tuple[float, float]:
    """The part of the compute axis that all curves cover: largest first point, smallest last point."""
    arrays = [np.asarray(cost, float) for cost in costs if np.size(cost)]
    if not arrays:
        return math.nan, math.nan
    return max(float(a.min()) for a in arrays), min(float(a.max()) for a in arrays)


def hypervolume(cost: ArrayLike, error: ArrayLike, *, low: float, high: float) -> float:
    """Area that a strategy's points dominate (Zitzler and Thiele), with ln C scaled so that [low, high] is [0, 1].

    The reference point is (1, 1): cost ``high``, error 1. Larger is better; at most 1.
    """
    c, e = np.asarray(cost, float), np.asarray(error, float)
    if not (high > low > 0):
        return math.nan
    x = (np.log(c) - math.log(low)) / (math.log(high) - math.log(low))
    area, bound = 0.0, 1.0
    for xi, ei in sorted(zip(np.clip(x, 0, None), e, strict=True)):
        if xi < 1 and ei < bound:
            area += (1 - xi) * (bound - ei)
            bound = ei
    return float(area)


def compute_to_accuracy(cost: ArrayLike, accuracy: ArrayLike, target: float) -> float:
    """Least compute at which the accuracy reaches ``target``, linear in ln C between points; inf if it never does.

    Time-to-accuracy of DAWNBench (arXiv 1806.01427), over compute. If the first point reaches
    it already, the result is its cost, an upper bound.
    """
    c, a = _sorted(cost, accuracy)
    for i, value in enumerate(a):
        if value >= target:
            if i == 0:
                return float(c[0])
            share = (target - a[i - 1]) / (value - a[i - 1])
            return float(math.exp(math.log(c[i - 1]) + share * (math.log(c[i]) - math.log(c[i - 1]))))
    return math.inf


def forward_transfer(area: float, reference: float) -> float:
    """(AUC - AUC_ref) / (1 - AUC_ref), of areas under accuracy curves: Continual World (arXiv 2105.10919)."""
    return (area - reference) / (1 - reference) if reference < 1 else math.nan


def compute_gain(reference: ArrayLike, mine: ArrayLike) -> float:
    """Geometric mean over tasks of C_reference / C_mine at one target (AlgoPerf's geometric-mean speed-up).

    Over the tasks where both reach it; nan if there is none. The caller states how many that are.
    """
    r, m = np.asarray(reference, float), np.asarray(mine, float)
    both = np.isfinite(r) & np.isfinite(m) & (m > 0)
    return float(np.exp(np.mean(np.log(r[both] / m[both])))) if both.any() else math.nan


def _sorted(cost: ArrayLike, value: ArrayLike) -> tuple[Floats, Floats]:
    c, v = np.asarray(cost, float), np.asarray(value, float)
    ok = np.isfinite(c) & np.isfinite(v) & (c > 0)
    order = np.argsort(c[ok], kind="stable")
    return c[ok][order], v[ok][order]
