"""How sure is a mean over tasks and seeds? Student's t on means of seeds, or of clusters of tasks.

Two statements can be made of one table (tasks, seeds), and each number says which one it makes:

- :data:`HERE`, "on these tasks": seeds are drawn, tasks and test images are what they are. The unit is a seed, its mean
  taken over all tasks first.
- :data:`LIKE`, "on tasks like these": clusters of tasks are drawn as well. The unit is a cluster, its tasks' means over
  seeds averaged first; from :data:`FEWEST` clusters on.

How often such intervals hold the truth is measured by ``python -m bench.coverage``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from reports.statistics.arrays import Floats

LEVEL = 0.95
HERE, LIKE = "on these tasks", "on tasks like these"
MOST = 0.8
"""Share of the tasks that a seed must have to say how seeds differ."""

FEWEST = 5
"""Clusters of tasks below which nothing is said of other tasks."""

NOISE = 1e-9
"""Differences of errors below this are float noise: errors are shares of at most some thousand images."""


@dataclass(frozen=True)
class Estimate:
    """A mean, and how sure it is.

    Attributes:
        scope: :data:`HERE` or :data:`LIKE`.
        value: the mean. error: its standard error; nan where there are too few units.
        freedom: degrees of freedom of ``error``.
        n: results behind it, one a task and seed; the seeds of a strategy that none changes count once.
        tasks, seeds, clusters: over how many of each.
    """

    scope: str
    value: float
    error: float
    freedom: float
    n: int = 0
    tasks: int = 0
    seeds: int = 0
    clusters: int = 0

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.error)

    @property
    def low(self) -> float:
        return self.value - self.half

    @property
    def high(self) -> float:
        return self.value + self.half

    @property
    def half(self) -> float:
        """Half the width of the 95% interval."""
        return quantile(self.freedom) * self.error if self.known else math.nan

    @property
    def share(self) -> tuple[float, float]:
        """The interval of what is a share, such as an error: cut at 0 and 1, which none passes."""
        return max(0.0, self.low) if self.known else math.nan, min(1.0, self.high) if self.known else math.nan

    def above(self, threshold: float) -> float:
        """One-sided p of 'the mean is at most ``threshold``': small where it is above. nan without an interval."""
        if not self.known:
            return math.nan
        if self.error == 0:
            return 0.0 if self.value > threshold + NOISE else 1.0
        return float(1 - stdtr(self.freedom, (self.value - threshold) / self.error))

    def below(self, threshold: float) -> float:
        """One-sided p of 'the mean is at least ``threshold``'."""
        if not self.known:
            return math.nan
        if self.error == 0:
            return 0.0 if self.value < threshold - NOISE else 1.0
        return float(stdtr(self.freedom, (self.value - threshold) / self.error))

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] {self.scope}, n={self.n}"


@dataclass(frozen=True)
class Both:
    """One quantity with both statements. ``here`` is the board's, ``like`` the one beyond it."""

    here: Estimate
    like: Estimate


def quantile(freedom: float, level: float = LEVEL) -> float:
    """Half width of Student's two-sided interval in standard errors."""
    if freedom == math.inf:
        return float(ndtri((1 + level) / 2))
    return float(stdtrit(freedom, (1 + level) / 2)) if freedom > 0 else math.nan


def seed_means(values: Floats) -> Floats:
    """Mean over the seeds that are there, (tasks,), of ``values`` (tasks, seeds); nan for a task without any."""
    there = np.asarray(~np.isnan(values))
    count = there.sum(axis=1)
    total = np.where(there, values, 0.0).sum(axis=1)
    means: Floats = np.where(count > 0, total / np.maximum(count, 1), math.nan)
    return means


def mean_of(values: Floats) -> float:
    """Mean over tasks of the mean over the seeds that are there; tasks without any do not count."""
    means = seed_means(values)
    known = means[~np.isnan(means)]
    return float(known.mean()) if known.size else math.nan


def by_seed(values: Floats) -> Floats:
    """Means over tasks, (seeds,), of the seeds that have :data:`MOST` of the tasks that any has.

    A seed that misses a task is taken to be there as the others are: its mean is the mean of all, and how far it is off
    it on the tasks that it has. So it does not differ for being of other tasks.
    """
    mine = values[~np.isnan(values).all(axis=1)]
    if not len(mine):
        return np.empty(0)
    there = ~np.isnan(mine)
    off = np.where(there, mine - seed_means(mine)[:, None], 0.0)
    used = there.mean(axis=0) >= MOST - 1e-9
    return np.asarray(mean_of(mine) + off[:, used].sum(axis=0) / there[:, used].sum(axis=0))


def by_cluster(values: Floats, clusters: Sequence[str]) -> Floats:
    """Means (clusters,) over the tasks of each cluster of their means over seeds; clusters without any are left out."""
    means = seed_means(values)
    names = np.asarray(clusters, dtype=object)
    found = [means[(names == name) & ~np.isnan(means)] for name in dict.fromkeys(clusters)]
    return np.asarray([part.mean() for part in found if part.size])


def unchanging(values: Floats) -> bool:
    """Whether no seed changes anything in ``values`` (tasks, seeds): two seeds or more agree on two tasks or more.

    On one task seeds may agree by chance.
    """
    there = ~np.isnan(values)
    several = there.sum(axis=1) > 1
    if several.sum() < 2:
        return False
    spans = np.nanmax(values[several], axis=1) - np.nanmin(values[several], axis=1)
    return bool((spans <= NOISE).all())


def of_units(scope: str, units: Floats, **counts: int) -> Estimate:
    """Student's t on the mean of ``units`` (n,); without an error where there is one unit only."""
    if not len(units):
        return Estimate(scope, math.nan, math.nan, 0, **counts)
    value, n = float(np.mean(units)), len(units)
    error = float(np.std(units, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    # What float arithmetic adds to equal units is no spread.
    return Estimate(scope, value, 0.0 if error <= NOISE else error, n - 1, **counts)


def coincidence_aside(one: Estimate, *, exact: bool = False) -> Estimate:
    """``one``, of seeds, without an interval where they are equal though seeds do change something (not ``exact``)."""
    return replace(one, error=math.nan) if one.error == 0 and not exact else one


def here(values: Floats, *, exact: bool = False) -> Estimate:
    """The mean of ``values`` (tasks, seeds), :data:`HERE`: t on the means of seeds over all tasks.

    Args:
        exact: no seed changes anything: the seeds count as one, and the number is what it is on these tasks. Without
            it, equal values of all seeds are a coincidence and give no interval.
    """
    there = ~np.isnan(values)
    tasks, seeds = int(there.any(axis=1).sum()), int(there.any(axis=0).sum())
    counts = {"tasks": tasks, "seeds": 1 if exact and tasks else seeds, "n": tasks if exact else int(there.sum())}
    value = mean_of(values)
    if exact and tasks:
        return Estimate(HERE, value, 0.0, math.inf, **counts)
    units = coincidence_aside(of_units(HERE, by_seed(values)))
    return Estimate(HERE, value, units.error, units.freedom, **counts)


def like(values: Floats, clusters: Sequence[str], *, exact: bool = False) -> Estimate:
    """The mean over clusters of ``values`` (tasks, seeds), :data:`LIKE`: t on the means of clusters.

    Every cluster counts the same, so that the value is not quite the mean over tasks where clusters differ in size.
    Without an error where there are fewer than :data:`FEWEST` clusters.
    """
    there = ~np.isnan(values)
    units = by_cluster(values, clusters)
    tasks = int(there.any(axis=1).sum())
    seeds = 1 if exact and tasks else int(there.any(axis=0).sum())
    found = of_units(LIKE, units, tasks=tasks, seeds=seeds, clusters=len(units), n=tasks if exact else int(there.sum()))
    if len(units) < FEWEST:
        return Estimate(**{**vars(found), "error": math.nan})
    return found


def both(values: Floats, clusters: Sequence[str], *, exact: bool = False) -> Both:
    """Both statements of ``values`` (tasks, seeds)."""
    return Both(here(values, exact=exact), like(values, clusters, exact=exact))


def welch(scope: str, first: Floats, second: Floats, **counts: int) -> Estimate:
    """Mean of the units ``first`` minus that of ``second``, their spreads apart: Welch's t, Satterthwaite's freedom."""
    value = float(np.mean(first) - np.mean(second)) if len(first) and len(second) else math.nan
    if min(len(first), len(second)) < 2:
        return Estimate(scope, value, math.nan, 0, **counts)
    parts = [float(np.var(units, ddof=1)) / len(units) for units in (first, second)]
    total = sum(parts)
    freedoms = [part**2 / (len(units) - 1) for part, units in zip(parts, (first, second), strict=True)]
    freedom = total**2 / sum(freedoms) if total > NOISE**2 else len(first) + len(second) - 2
    return Estimate(scope, value, math.sqrt(total) if total > NOISE**2 else 0.0, freedom, **counts)


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted for their number by Holm's step-down (1979); nan stay nan and do not count."""
    known = [place for place, value in enumerate(p) if not math.isnan(value)]
    adjusted, highest = list(map(float, p)), 0.0
    for rank, place in enumerate(sorted(known, key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(known) - rank) * p[place]))
        adjusted[place] = highest
    return adjusted
