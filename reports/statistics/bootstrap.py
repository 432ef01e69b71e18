"""How sure is a mean over tasks and seeds? Stratified bootstrap intervals, the same draws for everything compared."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RESAMPLES = 2000
LEVEL = 0.95


class Interval(NamedTuple):
    """An estimate and its percentile interval; ``n`` values of ``tasks`` tasks went into it."""

    value: float
    low: float
    high: float
    n: int
    tasks: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}], n={self.n}"


@dataclass(frozen=True)
class Draws:
    """Resamples of a tasks x seeds table: tasks with replacement, then within each task its seeds with replacement.

    Stratified as in rliable (arXiv 2108.13264): a seed is drawn only from its own task. Drawing the tasks as well makes
    the interval speak about other tasks like these, not about these alone. One object serves all strategies, so that
    differences between them are paired. From few tasks intervals are too narrow: n always stands beside them.
    """

    tasks: int
    seeds: int
    resamples: int = RESAMPLES

    @cached_property
    def _drawn(self) -> tuple[NDArray[np.int64], Floats]:
        """Tasks drawn, (resamples, tasks); and how often each seed of each of those, (resamples, tasks, seeds)."""
        random = np.random.default_rng(20221122)
        tasks = random.integers(self.tasks, size=(self.resamples, self.tasks))
        seeds = random.multinomial(self.seeds, np.full(self.seeds, 1 / self.seeds), (self.resamples, self.tasks))
        return tasks, seeds.astype(float)

    def means(self, values: Floats) -> Floats:
        """Resampled means, (resamples,), of ``values`` (tasks, seeds): over seeds in a task, then over tasks.

        nan where a seed is missing; a draw that finds only missing seeds of a task takes the mean of those that are
        there. Tasks without any value do not count.
        """
        there = np.asarray(~np.isnan(values))
        kept: NDArray[np.bool_] = np.asarray(there.any(axis=1))
        if not kept.any():
            return np.full(self.resamples, math.nan)
        tasks, seeds = self._drawn
        filled = np.where(there, values, 0.0)
        plain = filled.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        total = (seeds * filled[tasks]).sum(axis=2)
        count = (seeds * there[tasks]).sum(axis=2)
        mean = np.where(count > 0, total / np.maximum(count, 1), plain[tasks])
        weight = kept[tasks]
        drawn = weight.sum(axis=1)
        means: Floats = np.where(drawn > 0, (weight * mean).sum(axis=1) / np.maximum(drawn, 1), plain[kept].mean())
        return means

    def interval(self, values: Floats, *, level: float = LEVEL) -> Interval:
        """Mean of ``values`` (tasks, seeds), over seeds within a task and then over tasks, and its interval."""
        return percentile(mean_of(values), self.means(values), values, level=level)


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


def percentile(value: float, resampled: Floats, values: Floats, *, level: float = LEVEL) -> Interval:
    """The percentile interval of ``resampled`` around ``value``; n counted from ``values`` (tasks, seeds)."""
    n, tasks = int((~np.isnan(values)).sum()), int((~np.isnan(values)).any(axis=1).sum())
    good = resampled[~np.isnan(resampled)]
    # One value has no spread to resample: an interval of width zero would claim certainty.
    if n < 2 or not good.size:
        return Interval(value, math.nan, math.nan, n, tasks)
    low, high = np.quantile(good, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), n, tasks)
