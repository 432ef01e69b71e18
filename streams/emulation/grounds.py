"""What lies behind a thing? Black, white, a plain wall, clutter, or a rough outdoor scene."""

from typing import Literal

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import X, Y, at, blank, fractal, hsv, noise, paint, soft
from streams.emulation.draws import Draws

Ground = Literal["black", "white", "plain", "clutter", "outdoor"]


def ground(kind: Ground, n: int, draws: Draws) -> Array:
    """Images (n, 3, 64, 64) of nothing in particular."""
    if kind in ("black", "white"):
        return blank(np.full((n, 3), kind == "white", np.float32))
    if kind == "plain":
        images = blank(hsv(draws.uniform(0, 1, n), draws.uniform(0, 0.4, n), draws.uniform(0.35, 0.95, n)))
        slope = X * at(draws.bell(0.3, n)) + Y * at(draws.bell(0.3, n)) + noise(draws, n, 3) * np.float32(0.15)
        return images + slope[:, None]
    if kind == "clutter":
        images = blank(_color(draws, n))
        for cells in (2, 3, 6):
            paint(images, soft(fractal(draws, n, cells, 2) - at(draws.uniform(0.45, 0.6, n)), 10.0), _color(draws, n))
        return images + (noise(draws, n, 30)[:, None] - np.float32(0.5)) * np.float32(0.25)
    sky = hsv(draws.uniform(0.5, 0.65, n), draws.uniform(0, 0.5, n), draws.uniform(0.6, 1, n))
    earth = hsv(draws.uniform(0.05, 0.4, n), draws.uniform(0.2, 0.7, n), draws.uniform(0.25, 0.7, n))
    images = blank(sky)
    horizon = Y - at(draws.uniform(-0.7, 0.3, n)) + (noise(draws, n, 5, 1) - np.float32(0.5)) * np.float32(0.5)
    paint(images, soft(horizon, 10.0), earth)
    leaves = soft(fractal(draws, n, 7, 3) - at(draws.uniform(0.5, 0.7, n)), 8.0)
    paint(images, leaves, hsv(draws.uniform(0.15, 0.4, n), draws.uniform(0.2, 0.6, n), draws.uniform(0.15, 0.5, n)))
    return images + (noise(draws, n, 24)[:, None] - np.float32(0.5)) * np.float32(0.25)


def _color(draws: Draws, n: int) -> Array:
    return hsv(draws.uniform(0, 1, n), draws.uniform(0.05, 0.6, n), draws.uniform(0.15, 0.9, n))
