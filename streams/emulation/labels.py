"""Which labels do emulated images get? Classes in turn; for several labels one in turn and others at random."""

import numpy as np

from streams.data.prepared import Array
from streams.emulation.draws import Draws


def class_labels(n: int, classes: int, draws: Draws) -> Array:
    """Class indices int64 (n,): every class as often as any other, give or take one, in random order."""
    return (np.arange(n) % classes)[draws.order(n)]


def label_rows(n: int, labels: int, draws: Draws, *, extra: float) -> Array:
    """Rows uint8 (n, labels): each label in turn, and up to two more, each with probability ``extra``."""
    rows = np.zeros((n, labels), np.uint8)
    everyone = np.arange(n)
    rows[everyone, everyone % labels] = 1
    for _ in range(2):
        rows[everyone, draws.integers(labels, n)] |= draws.chance(extra, n).astype(np.uint8)
    return rows
