"""Remote sensing: radar images of volcanoes under speckle, and small patches of ground seen from a satellite."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import SIDE, X, Y, at, coarse, finish, fractal, hsv, noise, placed, soft, wave
from streams.emulation.draws import Draws, genes


@dataclass(frozen=True)
class RemoteSensing:
    """One place an image; the class is whether there is a volcano (radar), or what covers the ground (land)."""

    world: str
    classes: int
    sensor: Literal["radar", "land"] = "radar"
    spread: float = 0.1

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 1 or 3) for class indices (n,)."""
        n = len(labels)
        if self.sensor == "land":
            g = genes(self.world, self.classes, 8)[labels] + draws.bell(3 * self.spread, (n, 8))
            color = hsv(
                g[:, 0], np.float32(0.2) + np.float32(0.5) * g[:, 1], np.float32(0.25) + np.float32(0.6) * g[:, 2]
            )
            mottled = np.float32(1) + (fractal(draws, n, 3, 2) - np.float32(0.5)) * at(np.float32(1.2) * g[:, 3])
            images = color[:, :, None, None] * mottled[:, None]
            neighbor = hsv(draws.uniform(0, 1, n), draws.uniform(0.2, 0.6, n), draws.uniform(0.3, 0.8, n))
            edge = soft(X * at(draws.bell(1, n)) + Y * at(draws.bell(1, n)) - at(draws.uniform(0.4, 1.5, n)), 8.0)
            images = images + edge[:, None] * (neighbor[:, :, None, None] - images) * np.float32(0.6)
            return finish(coarse(images, 16), draws, grain=0.03)
        film = np.float32(0.35) + (fractal(draws, n, 4, 4) - np.float32(0.5)) * np.float32(0.5)
        # Ridges and faults are everywhere; only a volcano has a bright and a dark side and a pit on top.
        for _ in range(2):
            ridge = np.abs(Y - X * at(draws.bell(2, n)) - at(draws.bell(1, n)) + noise(draws, n, 4) * np.float32(0.4))
            film += soft(np.float32(0.03) - ridge, 20.0) * at(draws.uniform(-0.3, 0.35, n))
        for k in range(2):
            size = draws.uniform(0.16, 0.45, n)
            u, v = placed(draws.bell(0.6, n), draws.bell(0.6, n), size, size)
            far = u * u + v * v
            cone = soft(np.float32(1) - far, 3.0)
            there = at((labels == 1) & ((k == 0) | draws.chance(0.3, n)))
            film += there * cone * (u * np.float32(-0.45) + soft(np.float32(0.05) - far, 20.0) * np.float32(0.5))
            film += (np.float32(1) - there) * cone * wave(far) * np.float32(0.12)
        speckle = draws.bytes((n, SIDE, SIDE)).astype(np.float32) / np.float32(255)
        film = film * (np.float32(0.55) + np.float32(0.9) * speckle)
        return finish(np.repeat(film[:, None], 3, 1), draws, grain=0.0, grey=True)
