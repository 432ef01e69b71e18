"""Image quality: one of 25 pictures, damaged in one of several ways; the class is how much of it is left."""

from dataclasses import dataclass

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import SIDE, blurred, coarse, finish, noise
from streams.emulation.draws import Draws, genes
from streams.emulation.scenes import GENES, place

REFERENCES = 25
KINDS = 8


@dataclass(frozen=True)
class Quality:
    """One damaged picture an image; class 0 is the best bucket of quality, the last the worst.

    Attributes:
        kinds: how many of the eight ways of damage occur.
    """

    world: str
    classes: int
    kinds: int = KINDS

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 3) for class indices (n,)."""
        n = len(labels)
        which = draws.integers(REFERENCES, n)
        pictures = place(
            genes(self.world, REFERENCES, GENES), np.arange(REFERENCES) % 3 == 0, Draws("references", self.world)
        )
        images = np.clip(pictures[which], 0, 1)
        amount = (labels.astype(np.float32) + draws.uniform(0.0, 1.0, n)) / np.float32(self.classes)
        kind = draws.integers(self.kinds, n)
        for k in range(self.kinds):
            mine = np.flatnonzero(kind == k)
            if len(mine):
                images[mine] = _damaged(images[mine], amount[mine][:, None, None, None], k, draws)
        return finish(images, draws, grain=0.0, light=0.0)


def _damaged(images: Array, amount: Array, kind: int, draws: Draws) -> Array:
    shape = images.shape
    if kind in (0, 1):
        # Noise of single pixels: in all channels alike, or in each its own.
        drawn = draws.bytes((shape[0], 1 if kind == 0 else 3, SIDE, SIDE)).astype(np.float32) / np.float32(255)
        return images + (drawn - np.float32(0.5)) * amount * np.float32(1.4)
    if kind == 2:
        soft = images
        for _ in range(8):
            soft = soft + (blurred(soft) - soft) * np.minimum(amount * np.float32(1.2), 1)
        return soft
    if kind == 3:
        rough = np.stack([noise(draws, shape[0], 20) for _ in range(3)], axis=1) - np.float32(0.5)
        return images + rough * amount * np.float32(1.4)
    if kind == 4:
        return images + (coarse(images, 8) - images) * amount
    if kind == 5:
        levels = np.float32(24) - np.float32(22) * np.minimum(amount, 1)
        return np.floor(images * levels + np.float32(0.5)) / levels
    if kind == 6:
        return np.float32(0.5) + (images - np.float32(0.5)) * (np.float32(1) - np.float32(0.85) * amount)
    hit = draws.bytes((shape[0], 1, SIDE, SIDE)).astype(np.float32) / np.float32(255) < amount * np.float32(0.3)
    return np.where(hit, draws.chance(0.5, (shape[0], 1, SIDE, SIDE)).astype(np.float32), images)
