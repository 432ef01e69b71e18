"""May one look after every pair and stop when it is known? Intervals for a mean that hold at all times at once.

The t confidence sequence of a normal mean of unknown spread, by the method of mixtures: Lai (1976), as Wang and Ramdas
(arXiv 2310.03722) treat it. With the effect size, the mean over the spread, under a normal prior of variance ``PRIOR``,
the likelihood ratio of the t statistics against any one mean is a martingale that is 1 at the start; that it ever
passes 1/alpha has at most the chance alpha (Ville). The means that it has not passed at are the interval.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reports.statistics.arrays import Floats

PRIOR = 10.0
"""Variance of the effect size, in spreads between pairs: broad, for a mean over tasks differs little between seeds."""

ALPHA = 0.05
MARGIN = 0.01
LARGEST = 100_000

Answer = Literal["first", "second", "no difference", "open"]


def half_width(n: int | Floats, spread: float | Floats, *, alpha: float = ALPHA, prior: float = PRIOR) -> Floats:
    """Half the width of the interval after ``n`` pairs whose standard deviation (n - 1 below) is ``spread``.

    inf as long as nothing can be said.
    """
    n = np.asarray(n, float)
    growth = 1 + n * prior
    bound = np.exp((np.log(growth) / 2 - math.log(alpha)) * 2 / np.maximum(n, 1))
    known = (n > 1) & (bound < growth)
    u = np.where(known, (bound - 1) / np.where(known, 1 - bound / growth, 1), np.inf)
    # No spread at all leaves nothing open, however few the pairs.
    half: Floats = np.where(
        known, np.asarray(spread) * np.sqrt(np.where(known, u, 0) * (n - 1) / np.maximum(n, 1)), np.inf
    )
    return half


@dataclass(frozen=True)
class Look:
    """What is known after some pairs. ``value``: mean of the pairs' differences; positive: the first is better."""

    pairs: int
    value: float
    half: float
    spread: float
    margin: float
    exact: bool = False

    @property
    def low(self) -> float:
        return self.value - self.half

    @property
    def high(self) -> float:
        return self.value + self.half

    @property
    def answer(self) -> Answer:
        """Which is better, or that neither is by more than the margin; open as long as neither is known."""
        if self.low > 0:
            return "first"
        if self.high < 0:
            return "second"
        return "no difference" if -self.margin < self.low and self.high < self.margin else "open"

    @property
    def wanted(self) -> int:
        """Pairs at which it would be known if mean and spread stayed so; :data:`LARGEST` where that is more."""
        target = max(abs(self.value), self.margin - abs(self.value))
        if self.answer != "open" or math.isnan(self.spread):
            return self.pairs
        counts = np.unique(np.geomspace(max(2, self.pairs + 1), LARGEST, 400).astype(int))
        enough = np.flatnonzero(half_width(counts, self.spread) < target)
        return int(counts[enough[0]]) if len(enough) else LARGEST


def look(differences: Sequence[float] | Floats, *, margin: float = MARGIN, exact: bool = False) -> Look:
    """What ``differences`` (pairs,) say so far.

    Args:
        exact: no seed changes anything, so that one pair says all.
    """
    values = np.asarray(differences, float)
    n = len(values)
    if exact and n:
        return Look(n, float(values.mean()), 0.0, 0.0, margin, exact=True)
    spread = float(values.std(ddof=1)) if n > 1 else math.nan
    half = float(half_width(n, spread)) if n > 1 else math.inf
    return Look(n, float(values.mean()) if n else math.nan, half, spread, margin)


def looks(values: Floats, *, margin: float = MARGIN) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """When each row of ``values`` (repetitions, pairs) is decided, and how: (repetitions,) each.

    Returns:
        Pairs taken, all of them where it stays open; and the answer: 1 first, -1 second, 0 no difference, 9 open.
    """
    n = np.arange(1, values.shape[1] + 1)
    mean = np.cumsum(values, axis=1) / n
    squares = np.cumsum(values**2, axis=1) - n * mean**2
    spread = np.sqrt(np.maximum(squares, 0) / np.maximum(n - 1, 1))
    half = half_width(np.broadcast_to(n, values.shape).astype(float), spread)
    answer = np.where(mean - half > 0, 1, np.where(mean + half < 0, -1, 9))
    answer = np.where((answer == 9) & (mean - half > -margin) & (mean + half < margin), 0, answer)
    decided = answer != 9
    first = np.where(decided.any(axis=1), decided.argmax(axis=1), values.shape[1] - 1)
    return n[first], answer[np.arange(len(values)), first]
