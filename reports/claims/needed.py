"""How much more would decide it? The seeds or tasks at which an inconclusive interval would come off its threshold."""

import math

import numpy as np

from reports.boards.evidence import WIDE, Finding
from reports.statistics.bootstrap import seed_means

MANY = 1000
"""So many seeds or more are no plan: the effect is then too small for its spread to be told."""


def needed(finding: Finding) -> str:
    """An estimate in words, for an inconclusive finding with an interval; empty for any other.

    The spread that was seen is split into that between tasks and that between the seeds of a task. More seeds shrink
    the second only; more tasks like these shrink both. Assumed is that the estimate stays where it is, and that the
    interval's half width goes with the root of what is averaged.
    """
    estimate, gains = finding.estimate, finding.gains
    if finding.verdict != "inconclusive" or estimate is None or gains is None or math.isnan(estimate.low):
        return ""
    kept = gains[~np.isnan(gains).all(axis=1)]
    tasks, seeds = len(kept), int((~np.isnan(kept)).any(axis=0).sum())
    half = (estimate.high - estimate.low) / 2
    distance = abs(estimate.value - finding.threshold)
    target = max(distance, WIDE) if finding.narrow else distance
    if tasks < 2 or not half > 0:
        return ""
    if not target > half / math.sqrt(MANY):
        return "estimate: more than a thousand times as much; the effect is too near the threshold to tell"
    between, within = spreads(kept)
    if (left := _seeds(between, within, seeds, target / half)) is not None:
        return f"estimate: {left} seeds on these {tasks} tasks (now {seeds})"
    more = math.ceil(tasks * (half / target) ** 2)
    each = f"{seeds} {'seed' if seeds == 1 else 'seeds'} each"
    return f"estimate: {more} tasks like these, {each} (now {tasks}); more seeds alone would not do"


def spreads(gains: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> tuple[float, float]:
    """Variance of the tasks' true means, and of the seeds within a task, from ``gains`` (tasks, seeds).

    One-way analysis of variance: the variance of the tasks' means holds that of the seeds over their number, which is
    taken off. With one seed only, all of it counts as between tasks.
    """
    count = (~np.isnan(gains)).sum(axis=1)
    several = gains[count > 1]
    within = float(np.nanmean(np.nanvar(several, axis=1, ddof=1))) if len(several) else 0.0
    total = float(np.var(seed_means(gains), ddof=1))
    return max(0.0, total - within / float(count.mean())), within


def _seeds(between: float, within: float, seeds: int, shrink: float) -> int | None:
    """Seeds at which the half width is ``shrink`` times what it is; None where no number of them below MANY does."""
    now = between + within / seeds
    left = now * shrink**2 - between
    if not left > 0 or not within > 0:
        return None
    count = math.ceil(within / left - 1e-9)
    return count if seeds < count < MANY else None
