"""Textures: surfaces of stripes, knots, bricks, spots and rough noise, under changing scale, turn, light and bend."""

from dataclasses import dataclass

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import X, Y, at, finish, fractal, hsv, noise, placed, tent, wave
from streams.emulation.draws import Draws, genes

GENES = 26


@dataclass(frozen=True)
class Textures:
    """One surface an image; the class is its structure and, unless ``grey``, its colours.

    Attributes:
        zoom: by how much the scale varies, as a factor up and down.
        turn: largest rotation in turns.
        bend: how far the surface is out of flat.
        spread: how much surfaces of one class differ, 0..1: samples of one material, or a word such as "striped".
        light: how strongly illumination varies and falls off.
        stock: class i of the set is surface ``stock + i`` of the world.
    """

    world: str
    classes: int
    grey: bool = False
    zoom: float = 1.15
    turn: float = 0.03
    bend: float = 0.05
    spread: float = 0.05
    light: float = 0.2
    grain: float = 0.08
    stock: int = 0

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 1 or 3)."""
        g = genes(self.world, self.stock + self.classes, GENES)[self.stock + labels]
        g = g + draws.bell(1.5 * self.spread, g.shape)
        g[:, :5] = genes(self.world, self.stock + self.classes, GENES)[self.stock + labels][:, :5]
        images = surface(g, draws, zoom=self.zoom, turn=self.turn, bend=self.bend)
        slope = X * at(draws.bell(self.light * 1.5, len(labels))) + Y * at(draws.bell(self.light * 1.5, len(labels)))
        images *= (np.float32(1) + slope)[:, None]
        return finish(images, draws, grain=self.grain, light=self.light, grey=self.grey)


def surface(g: Array, draws: Draws, *, zoom: float = 1.2, turn: float = 0.5, bend: float = 0.1) -> Array:
    """Images (n, 3, 64, 64) of surfaces with genes ``g`` (n, 26)."""
    n = len(g)
    scale = np.float32(1) + draws.uniform(0, zoom - 1, n)
    scale = np.where(draws.chance(0.5, n), scale, np.float32(1) / scale)
    u, v = placed(draws.uniform(-3, 3, n), draws.uniform(-3, 3, n), scale, scale, draws.uniform(-turn, turn, n))
    if bend:
        u = u + (noise(draws, n, 3) - np.float32(0.5)) * np.float32(2 * bend)
        v = v + (noise(draws, n, 3) - np.float32(0.5)) * np.float32(2 * bend)
    rough = fractal(draws, n, 6, 4) - np.float32(0.5)
    u = u + rough * at(g[:, 5] * np.float32(0.25))
    frequency = np.float32(1.2) + np.float32(5) * g[:, 6] * g[:, 6]
    pattern = _pattern(g, u, v, frequency)
    fine = noise(draws, n, 12, 12) * at(g[:, 12]) + noise(draws, n, 40, 40) * at(np.float32(1) - g[:, 12])
    streaks = noise(draws, n, 4, 32)
    value = pattern * at(np.float32(0.25) + np.float32(0.75) * g[:, 13])
    value += (fine - np.float32(0.5)) * at(np.float32(2.5) * g[:, 14])
    value += (streaks - np.float32(0.5)) * at(np.float32(2) * np.maximum(g[:, 15] - np.float32(0.6), 0))
    value += rough * at(g[:, 16] * np.float32(1.5))
    value = np.clip(value * at(np.float32(0.5) + np.float32(2) * g[:, 17]) + at(np.float32(0.25) + g[:, 18] / 2), 0, 1)
    first = hsv(g[:, 19], np.float32(0.7) * g[:, 20], np.float32(0.1) + np.float32(0.5) * g[:, 21])
    near = g[:, 19] + np.float32(0.3) * (g[:, 22] - np.float32(0.5))
    second = hsv(near, np.float32(0.6) * g[:, 23], np.float32(0.55) + np.float32(0.45) * g[:, 24])
    return first[:, :, None, None] + (second - first)[:, :, None, None] * value[:, None]


def _pattern(g: Array, u: Array, v: Array, frequency: Array) -> Array:
    """The regular part of a surface, in about -0.5..0.5: gene 0 picks one of six structures."""
    kind = np.floor(g[:, 0] * np.float32(6)).astype(np.int64)
    found = np.zeros(u.shape, np.float32)
    for k in range(6):
        which = np.flatnonzero(kind == k)
        if not len(which):
            continue
        f = at(frequency[which])
        squeeze = at(np.float32(0.5) + g[which, 7])
        p, q = u[which] * f, v[which] * f * squeeze
        match k:
            case 0:
                part = wave(p)
            case 1:
                part = wave(p) * wave(q)
            case 2:
                shifted = p + np.float32(0.5) * (np.floor(q) - np.float32(2) * np.floor(q / np.float32(2)))
                part = np.minimum(tent(shifted), tent(q)) * np.float32(4 * 0.9) - np.float32(0.9)
                part = np.clip(part, -1, 1)
            case 3:
                part = np.maximum(wave(p), wave(q)) * np.float32(1.4) - np.float32(0.6)
            case 4:
                dx, dy = p - np.floor(p) - np.float32(0.5), q - np.floor(q) - np.float32(0.5)
                part = np.clip((at(np.float32(0.03) + np.float32(0.15) * g[which, 8]) - dx * dx - dy * dy) * 14, -1, 1)
            case _:
                part = wave(p + wave(q * np.float32(0.5)) * at(g[which, 8]))
        found[which] = part
    return found * np.float32(0.5)
