"""How are two ways of doing the same compared on a noisy machine? In turn, pair by pair, by their ratios."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Clock = Callable[[], float]


@dataclass(frozen=True)
class Ratio:
    """Time of ``theirs`` over time of ``ours``, pair by pair.

    Attributes:
        median, low, high: over ``n`` pairs.
        ours, theirs: median seconds.
    """

    median: float
    low: float
    high: float
    n: int
    ours: float
    theirs: float


@dataclass(frozen=True)
class Line:
    """One line of the table: ``ratio`` is what is said to be ``aim``; ``note`` what limits it or what it rests on."""

    row: str
    what: str
    ratio: Ratio | None
    aim: str = ""
    note: str = ""


def in_turn(
    ours: Callable[[], object], theirs: Callable[[], object], *, pairs: int, clock: Clock = time.process_time
) -> Ratio:
    """Run both once to warm up, then ``pairs`` times in turn, the order changing; by default CPU seconds."""
    ours()
    theirs()
    times: list[tuple[float, float]] = []
    for index in range(pairs):
        measured = {}
        for who in ((ours, theirs), (theirs, ours))[index % 2]:
            gc.collect()
            begun = clock()
            who()
            measured[who] = clock() - begun
        times.append((measured[ours], measured[theirs]))
    ratios = [b / a for a, b in times]
    return Ratio(
        median(ratios), min(ratios), max(ratios), pairs, median(a for a, _ in times), median(b for _, b in times)
    )
