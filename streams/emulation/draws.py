"""Where do an emulation's random numbers come from? From the raw bits of PCG64, named, and the same everywhere.

NumPy promises that the raw bits of a bit generator stay what they are (NEP 19), not that ``Generator`` methods do; so
uniform numbers are made from the bits here.
"""

import hashlib

import numpy as np

from streams.data.prepared import Array

Shape = int | tuple[int, ...]


class Draws:
    """A sequence of random arrays, a pure function of ``names``."""

    def __init__(self, *names: object) -> None:
        text = "\x1f".join(map(str, names))
        self._bits = np.random.PCG64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))

    def _raw(self, shape: Shape) -> Array:
        raw: Array = self._bits.random_raw(int(np.prod(shape, dtype=np.int64)))
        return raw.reshape(shape)

    def uniform(self, low: float, high: float, shape: Shape) -> Array:
        """float32 in [low, high), on a grid of 2**-24 of the range."""
        unit = (self._raw(shape) >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
        return np.float32(low) + unit * np.float32(high - low)

    def bell(self, spread: float, shape: Shape) -> Array:
        """float32 in (-spread, spread), bell-shaped: the mean of three uniform numbers, deviation spread / 3."""
        raw = self._raw(shape)
        mask = np.uint64(0x1FFFFF)
        total = (raw & mask) + ((raw >> np.uint64(21)) & mask) + ((raw >> np.uint64(42)) & mask)
        return (total.astype(np.float32) * np.float32(2**-20 / 3) - np.float32(1)) * np.float32(spread)

    def integers(self, high: int, shape: Shape) -> Array:
        """int64 in [0, high)."""
        return (((self._raw(shape) >> np.uint64(32)) * np.uint64(high)) >> np.uint64(32)).astype(np.int64)

    def chance(self, probability: float, shape: Shape) -> Array:
        """True with ``probability``."""
        drawn: Array = self.uniform(0, 1, shape) < probability
        return drawn

    def bytes(self, shape: tuple[int, ...]) -> Array:
        """uint8, eight from each raw number."""
        count = int(np.prod(shape, dtype=np.int64))
        raw = self._raw((count + 7) // 8).astype("<u8")
        return raw.view(np.uint8)[:count].reshape(shape)

    def order(self, n: int) -> Array:
        """A permutation of ``range(n)``."""
        return np.argsort(self._raw(n), kind="stable")


def genes(world: str, classes: int, count: int) -> Array:
    """What the classes of ``world`` look like: float32 (classes, count) in [0, 1).

    Worlds are shared: the first classes of a larger set are those of a smaller one.
    """
    return Draws("genes", world).uniform(0, 1, (classes, count))
