"""Medicine: chest films, mammograms, skin lesions, and stained tissue, with findings of different place and look."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import (
    X,
    Y,
    at,
    blank,
    blurred,
    coarse,
    ellipse,
    finish,
    fractal,
    hsv,
    noise,
    paint,
    placed,
    soft,
    wave,
)
from streams.emulation.draws import Draws, genes

GENES = 12


@dataclass(frozen=True)
class Medical:
    """One patient an image; the class is the finding. With several labels the last one stands for no finding.

    Attributes:
        organ: chest and breast (X-ray, grey), skin, or tissue.
        strength: how plain findings are, 0..1.
        healthy: whether class 0 has no finding.
    """

    world: str
    classes: int
    organ: Literal["chest", "breast", "skin", "tissue"] = "chest"
    strength: float = 0.6
    spread: float = 0.1
    healthy: bool = True
    resolution: int = 64

    def rows(self, n: int, draws: Draws) -> Array:
        """Labels (n, classes): none, or one to three findings."""
        rows = np.zeros((n, self.classes), np.uint8)
        first = np.arange(n) % self.classes
        rows[np.arange(n), first] = 1
        for _ in range(2):
            more = draws.integers(self.classes - 1, n)
            rows[np.arange(n), more] |= draws.chance(0.3, n).astype(np.uint8) & (first < self.classes - 1)
        return rows

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 1 or 3) for class indices (n,) or rows of labels (n, classes)."""
        n = len(labels)
        found = genes(self.world, self.classes, GENES)
        if labels.ndim == 2:
            order = np.argsort(-labels[:, :-1].astype(np.int64), axis=1, kind="stable")[:, :3]
            shown = [(order[:, k], labels[np.arange(n), order[:, k]].astype(np.float32)) for k in range(3)]
        else:
            shown = [(labels, (labels > 0).astype(np.float32) if self.healthy else np.ones(n, np.float32))]
        findings = [
            (np.clip(found[which] + draws.bell(3 * self.spread, (n, GENES)), 0, 1), present) for which, present in shown
        ]
        if self.organ in ("chest", "breast"):
            film = (_chest if self.organ == "chest" else _breast)(n, draws)
            for g, present in findings:
                film += self._shadow(g, present, draws)
            images = film[:, None]
            return finish(images.repeat(3, 1), draws, grain=0.06, light=0.15, grey=True)
        images = (_skin if self.organ == "skin" else _tissue)(findings[0][0], draws, self.strength)
        if self.resolution < 64:
            images = coarse(images, 64 // self.resolution)
        return finish(images, draws, grain=0.05, light=0.15)

    def _shadow(self, g: Array, present: Array, draws: Draws) -> Array:
        """What a finding adds to a film: one to four soft or sharp spots, or a veil, on one side or both."""
        n = len(g)
        total = np.zeros((n, 64, 64), np.float32)
        side = np.where(draws.chance(0.5, n), np.float32(-1), np.float32(1))
        spots = np.float32(1) + np.floor(g[:, 0] * np.float32(3.99))
        for k in range(4):
            x = side * (np.float32(0.42) + draws.bell(0.25, n))
            y = (g[:, 1] - np.float32(0.5)) * np.float32(1.1) + draws.bell(0.2, n)
            a, b = (
                np.float32(0.08) + np.float32(0.3) * g[:, 2] * g[:, 2],
                np.float32(0.08) + np.float32(0.35) * g[:, 3] * g[:, 3],
            )
            u, v = placed(x, y, a, b)
            mask = soft(np.float32(1) - u * u - v * v, at(np.float32(0.6) + np.float32(5) * g[:, 4]))
            total += mask * at((spots > k).astype(np.float32))
            side = np.where(g[:, 5] > 0.5, -side, side)
        ragged = np.float32(1) + at(np.float32(1.5) * g[:, 6]) * (noise(draws, n, 10) - np.float32(0.5))
        sign = np.where(g[:, 7] > 0.25, np.float32(1), np.float32(-0.7))
        return total * ragged * at(present * sign * np.float32(0.6 * self.strength))


def _chest(n: int, draws: Draws) -> Array:
    x, y = draws.bell(0.08, n), draws.bell(0.08, n)
    film = np.full((n, 64, 64), 0.08, np.float32)
    body = ellipse(x, y + np.float32(0.25), draws.uniform(0.85, 1.0, n), draws.uniform(1.05, 1.25, n), edge=5.0)
    film += body * at(draws.uniform(0.5, 0.65, n))
    tall, wide = draws.uniform(0.6, 0.75, n), draws.uniform(0.28, 0.36, n)
    for side in (np.float32(-1), np.float32(1)):
        lung = ellipse(x + side * np.float32(0.42), y, wide, tall, side * np.float32(-0.02), edge=5.0)
        film -= lung * (np.float32(0.38) + (noise(draws, n, 9) - np.float32(0.5)) * np.float32(0.2))
        ribs = np.maximum(
            wave(at(draws.uniform(2.6, 3.2, n)) * (Y + np.float32(0.4) * X * X) + at(draws.uniform(0, 1, n))), 0
        )
        film += lung * ribs * np.float32(0.1)
    film += ellipse(x, y, draws.uniform(0.08, 0.12, n), np.full(n, 1.2, np.float32), edge=3.0) * np.float32(0.2)
    heart = ellipse(
        x + np.float32(0.15), y + np.float32(0.35), draws.uniform(0.25, 0.34, n), draws.uniform(0.25, 0.34, n), edge=4.0
    )
    return film + heart * np.float32(0.25)


def _breast(n: int, draws: Draws) -> Array:
    side = np.where(draws.chance(0.5, n), np.float32(-1), np.float32(1))
    shape = ellipse(side, draws.bell(0.1, n), draws.uniform(1.3, 1.7, n), draws.uniform(0.75, 0.95, n), edge=6.0)
    dense = fractal(draws, n, 4, 4) * at(draws.uniform(0.2, 0.6, n))
    ducts = np.maximum(noise(draws, n, 24, 8) - np.float32(0.55), 0)
    return shape * (np.float32(0.2) + dense + ducts * np.float32(0.8))


def _skin(g: Array, draws: Draws, strength: float) -> Array:
    n = len(g)
    images = blank(hsv(draws.uniform(0.03, 0.07, n), draws.uniform(0.25, 0.5, n), draws.uniform(0.65, 0.95, n)))
    images += (fractal(draws, n, 8)[:, None] - np.float32(0.5)) * np.float32(0.15)
    u, v = placed(
        draws.bell(0.2, n),
        draws.bell(0.2, n),
        draws.uniform(0.3, 0.75, n),
        draws.uniform(0.3, 0.75, n),
        draws.uniform(0, 1, n),
    )
    apart = np.float32(0.5) + (g - np.float32(0.5)) * np.float32(strength)
    ragged = (fractal(draws, n, 6, 3) - np.float32(0.5)) * at(np.float32(3.5) * apart[:, 0])
    lesion = soft(np.float32(1) - u * u - v * v + ragged, at(np.float32(1) + np.float32(5) * apart[:, 1]))
    color = hsv(
        np.float32(0.01) + np.float32(0.06) * apart[:, 2],
        np.float32(0.4) + np.float32(0.4) * apart[:, 3],
        np.float32(0.15) + np.float32(0.45) * apart[:, 4],
    )
    blotches = (noise(draws, n, 6) - np.float32(0.5)) * at(np.float32(1.8) * apart[:, 5])
    net = wave(u * 6) * wave(v * 6) * at(np.float32(0.35) * apart[:, 6])
    paint(images, lesion, color[:, :, None, None] * (np.float32(1) + blotches + net)[:, None])
    for _ in range(3):
        hair = soft(
            np.float32(0.02)
            - np.abs(
                Y - X * at(draws.bell(1.5, n)) - at(draws.bell(1.5, n)) - wave(X * np.float32(0.4)) * np.float32(0.2)
            ),
            30.0,
        )
        paint(images, hair * at(draws.chance(0.3, n).astype(np.float32)), np.full((n, 3), 0.15, np.float32))
    return images


def _tissue(g: Array, draws: Draws, strength: float) -> Array:
    """Pink ground and violet nuclei; class genes set size, number, crowding, stain and fibers."""
    n = len(g)
    g = np.float32(0.5) + (g - np.float32(0.5)) * np.float32(strength)
    images = blank(
        hsv(
            np.float32(0.86) + np.float32(0.08) * g[:, 0],
            np.float32(0.15) + np.float32(0.4) * g[:, 1],
            draws.uniform(0.75, 0.95, n),
        )
    )
    fibers = noise(draws, n, 5, 20) * at(g[:, 2]) + fractal(draws, n, 8) * at(np.float32(1) - g[:, 2])
    images += ((fibers - np.float32(0.5)) * np.float32(0.5))[:, None]
    white = soft(fractal(draws, n, 5, 2) - at(np.float32(0.95) - np.float32(0.5) * g[:, 3]), 8.0)
    paint(images, white, np.full((n, 3), 0.93, np.float32))
    # Nuclei sit on a bent grid: as many as its cells, of which some are empty.
    cells = at(np.float32(2) + np.float32(4) * g[:, 4])
    u = (X + (noise(draws, n, 7) - np.float32(0.5)) * np.float32(0.7)) * cells
    v = (Y + (noise(draws, n, 7) - np.float32(0.5)) * np.float32(0.7)) * cells
    du, dv = u - np.floor(u) - np.float32(0.5), v - np.floor(v) - np.float32(0.5)
    radius = at(np.float32(0.05) + np.float32(0.13) * g[:, 5])
    there = noise(draws, n, 6) - at(np.float32(0.65) - np.float32(0.4) * g[:, 6])
    nuclei = soft(np.minimum(radius - du * du - dv * dv, there * np.float32(0.3)), 30.0)
    dark = hsv(
        np.float32(0.7) + np.float32(0.1) * g[:, 7],
        np.float32(0.4) + np.float32(0.4) * g[:, 8],
        np.float32(0.3) + np.float32(0.3) * g[:, 9],
    )
    paint(images, nuclei, dark)
    return blurred(images)
