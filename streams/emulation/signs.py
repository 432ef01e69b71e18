"""Traffic signs: a plate of some shape with a coloured rim and a symbol, tilted, in any weather."""

from dataclasses import dataclass

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import at, blurred, capsule, coarse, finish, noise, paint, placed, soft
from streams.emulation.draws import Draws, genes
from streams.emulation.grounds import ground
from streams.emulation.strokes import character_strokes

_COLORS = np.array(
    [[0.75, 0.1, 0.1], [0.1, 0.25, 0.65], [0.95, 0.95, 0.95], [0.95, 0.8, 0.15], [0.1, 0.1, 0.1]], np.float32
)
_LOOKS = ((0, 2, 4), (1, 1, 2), (2, 3, 4), (0, 3, 4), (0, 0, 2), (2, 2, 4))
"""Rim, plate and symbol, as indices of colours."""


@dataclass(frozen=True)
class TrafficSigns:
    """One sign an image; the class is its shape, colours and symbol."""

    world: str
    classes: int
    blur: float = 0.4
    grain: float = 0.12

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 3) for class indices (n,)."""
        n = len(labels)
        g = genes(self.world, self.classes, 8)[labels]
        images = ground("outdoor", n, draws)
        x, y, size = draws.bell(0.2, n), draws.bell(0.2, n), draws.uniform(0.55, 0.85, n)
        tilt, squeeze = draws.bell(0.03, n), draws.uniform(0.75, 1.0, n)
        u, v = placed(x, y, size * squeeze, size, tilt)
        inside = _plate(np.floor(g[:, 0] * np.float32(6)).astype(np.int64), u, v)
        rim, plate, ink = (
            _COLORS[np.array(_LOOKS)[np.floor(g[:, 1] * np.float32(6)).astype(np.int64), k]] for k in range(3)
        )
        paint(images, soft(inside, 12.0), rim)
        paint(images, soft(inside - np.float32(0.2), 12.0), plate)
        points, pens = character_strokes("characters")
        symbol = np.floor(g[:, 2] * np.float32(62)).astype(np.int64)
        path = points[symbol] * np.float32(0.5)
        px, py = x[:, None] + path[..., 0] * (size * squeeze)[:, None], y[:, None] + path[..., 1] * size[:, None]
        for k in range(pens.shape[1]):
            shown = np.flatnonzero(pens[symbol, k])
            if len(shown):
                part = images[shown]
                line = capsule(
                    px[shown, k], py[shown, k], px[shown, k + 1], py[shown, k + 1], size[shown] * np.float32(0.08)
                )
                paint(part, line, ink[shown])
                images[shown] = part
        far = np.flatnonzero(draws.uniform(0, 1, n) < self.blur)
        images[far] = blurred(coarse(images[far], 4))
        dull = at(draws.uniform(0.35, 1.1, n))[:, None]
        shade = np.float32(1) - at(draws.uniform(0, 0.6, n)) * soft(noise(draws, n, 2) - np.float32(0.5), 10.0)
        return finish(images * dull * shade[:, None], draws, grain=self.grain, light=0.2)


def _plate(kind: Array, u: Array, v: Array) -> Array:
    """A field that is positive on the plate: disc, triangle either way, square, diamond or octagon."""
    au, av = np.abs(u), np.abs(v)
    disc = np.float32(1) - np.sqrt(u * u + v * v)
    up = np.minimum(np.float32(0.8) - v, (np.float32(0.95) + v - np.float32(1.75) * au) * np.float32(0.5))
    down = np.minimum(np.float32(0.8) + v, (np.float32(0.95) - v - np.float32(1.75) * au) * np.float32(0.5))
    square = np.float32(0.85) - np.maximum(au, av)
    diamond = (np.float32(1.1) - au - av) * np.float32(0.7)
    octagon = np.minimum(np.float32(0.9) - np.maximum(au, av), (np.float32(1.27) - au - av) * np.float32(0.7))
    return np.stack([disc, up, down, square, diamond, octagon])[kind, np.arange(len(kind))]
