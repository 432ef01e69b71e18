"""Scenes: sky, hills, skylines, woods, fields, water and streets, or rooms; also as paintings in a style."""

from dataclasses import dataclass

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import (
    SIDE,
    X,
    Y,
    at,
    blank,
    blurred,
    box,
    finish,
    fractal,
    hsv,
    noise,
    paint,
    soft,
    tent,
    wave,
)
from streams.emulation.draws import Draws, genes
from streams.emulation.labels import label_rows
from streams.emulation.objects import Objects

GENES = 28


@dataclass(frozen=True)
class Scenes:
    """One place an image; the class is the kind of place. With several labels: what is to be seen in it.

    Attributes:
        spread: how much places of one kind differ. indoor: share of kinds that are rooms.
    """

    world: str
    classes: int
    spread: float = 0.12
    indoor: float = 0.4
    grey: bool = False
    grain: float = 0.08

    def rows(self, n: int, draws: Draws) -> Array:
        """Labels (n, classes) of 0 and 1 for tasks with several labels."""
        return label_rows(n, self.classes, draws, extra=0.3)

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 1 or 3) for class indices (n,) or rows of labels (n, classes)."""
        if labels.ndim == 2:
            seen = Objects(self.world, self.classes, ground="outdoor", scale=(0.7, 0.9), spread=self.spread / 2)
            return seen.render(labels, draws)
        kinds = genes(self.world, self.classes, GENES)[labels]
        rooms = kinds[:, 0] < self.indoor
        g = np.clip(kinds + draws.bell(3 * self.spread, kinds.shape), 0, 1)
        g[:, 6] = kinds[:, 6]
        return finish(place(g, rooms, draws), draws, grain=self.grain, light=0.2, grey=self.grey)


def place(g: Array, rooms: Array, draws: Draws) -> Array:
    """Images (n, 3, 64, 64) of rooms and of places outdoors with genes ``g`` (n, 28)."""
    images = np.empty((len(g), 3, SIDE, SIDE), np.float32)
    for which, painter in ((np.flatnonzero(rooms), _room), (np.flatnonzero(~rooms), _outdoors)):
        if len(which):
            images[which] = painter(g[which], draws)
    return images


def _outdoors(g: Array, draws: Draws) -> Array:
    n = len(g)
    images = blank(
        hsv(
            np.float32(0.5) + np.float32(0.2) * g[:, 1],
            np.float32(0.6) * g[:, 2],
            np.float32(0.45) + np.float32(0.55) * g[:, 3],
        )
    )
    clouds = soft(fractal(draws, n, 3) - at(np.float32(0.75) - np.float32(0.35) * g[:, 4]), 5.0)
    paint(images, clouds, np.full((n, 3), 0.95, np.float32))
    horizon = at(np.float32(-0.5) + np.float32(0.8) * g[:, 5])
    # What stands against the sky: nothing, hills, a skyline of towers, or trees, by gene 6.
    kind = np.floor(g[:, 6] * np.float32(4)).astype(np.int64)
    height = np.float32(0.15) + np.float32(0.7) * g[:, 7]
    hills = noise(draws, n, 3, 1)[:, :1] * np.float32(0.7) + noise(draws, n, 12, 1)[:, :1] * np.float32(0.3)
    blocks = draws.uniform(0, 1, (n, 1, 16))
    towers = np.repeat(blocks, 4, axis=2)
    trees = noise(draws, n, 20, 1)[:, :1] * np.float32(0.5) + np.float32(0.5)
    profile = np.stack([np.zeros_like(hills), hills, towers, trees])[kind, np.arange(n)]
    behind = soft(Y - horizon + at(height) * profile, 20.0)
    hue = np.choose(
        kind,
        [g[:, 8], np.float32(0.3) + np.float32(0.3) * g[:, 8], g[:, 8], np.float32(0.2) + np.float32(0.2) * g[:, 8]],
    )
    far = hsv(
        hue.astype(np.float32),
        np.float32(0.1) + np.float32(0.5) * g[:, 9],
        np.float32(0.2) + np.float32(0.5) * g[:, 10],
    )
    detail = np.where(
        (kind == 2)[:, None, None],
        (np.maximum(wave(X * 12), wave(Y * 12)) > 0.5) * np.float32(0.35),
        (noise(draws, n, 24) - np.float32(0.5)) * np.float32(0.8),
    )
    paint(images, behind, far[:, :, None, None] * (np.float32(1) + detail)[:, None])
    depth = np.maximum(Y - horizon, np.float32(0.02))
    ground = soft(Y - horizon, 20.0)
    near = hsv(
        np.float32(0.05) + np.float32(0.6) * g[:, 11],
        np.float32(0.1) + np.float32(0.6) * g[:, 12],
        np.float32(0.25) + np.float32(0.6) * g[:, 13],
    )
    waves = wave(np.float32(1) / np.maximum(depth, np.float32(0.12)) + noise(draws, n, 8) * np.float32(2)) * at(
        np.maximum(g[:, 14] - np.float32(0.5), 0)
    )
    rows = wave(X / depth * at(np.float32(0.5) + g[:, 15])) * at(np.maximum(g[:, 16] - np.float32(0.6), 0))
    rough = (noise(draws, n, 10, 40) - np.float32(0.5)) * at(g[:, 17])
    paint(images, ground, near[:, :, None, None] * (np.float32(1) + waves + rows + rough)[:, None])
    road = soft(
        np.minimum(
            at(np.maximum(g[:, 18] - np.float32(0.4), 0))
            - np.abs(X - at(draws.bell(0.2, n))) / (depth + 1)
            + depth * np.float32(0.3)
            - np.float32(0.15),
            ground - np.float32(0.5),
        ),
        20.0,
    )
    paint(images, road * at((g[:, 18] > 0.5).astype(np.float32)), np.full((n, 3), 0.35, np.float32))
    trunks = soft(
        at(np.maximum(g[:, 19] - np.float32(0.65), 0)) * np.float32(2.5)
        - tent(X * at(np.float32(1) + np.float32(2) * g[:, 20]) + at(draws.uniform(0, 1, n))),
        10.0,
    )
    paint(
        images,
        trunks * soft(np.float32(0.8) - Y, 10.0),
        hsv(np.float32(0.07) + np.zeros(n, np.float32), np.float32(0.4), np.float32(0.1) + np.float32(0.4) * g[:, 21]),
    )
    return images


def _room(g: Array, draws: Draws) -> Array:
    n = len(g)
    walls = hsv(g[:, 1], np.float32(0.5) * g[:, 2], np.float32(0.4) + np.float32(0.55) * g[:, 3])
    images = blank(walls)
    x, y = draws.bell(0.3, n), draws.bell(0.2, n)
    back_x, back_y = np.float32(0.3) + np.float32(0.4) * g[:, 4], np.float32(0.25) + np.float32(0.35) * g[:, 5]
    u, v = (X - at(x)) / at(back_x), (Y - at(y)) / at(back_y)
    floor = soft(np.minimum(v - np.float32(1), v - np.abs(u)), 12.0)
    ceiling = soft(np.minimum(-v - np.float32(1), -v - np.abs(u)), 12.0)
    side = soft(np.minimum(np.abs(u) - np.float32(1), np.abs(u) - np.abs(v)), 12.0)
    paint(images, side, walls * np.float32(0.8))
    tiles = wave(u / np.maximum(np.abs(v), 1) * 3) * wave(np.float32(4) / np.maximum(np.abs(v), np.float32(0.5)))
    boards = hsv(
        np.float32(0.02) + np.float32(0.6) * g[:, 6],
        np.float32(0.6) * g[:, 7],
        np.float32(0.2) + np.float32(0.6) * g[:, 8],
    )
    paint(images, floor, boards[:, :, None, None] * (np.float32(1) + at(np.float32(0.5) * g[:, 9]) * tiles)[:, None])
    paint(images, ceiling, np.repeat((np.float32(0.6) + np.float32(0.4) * g[:, 10])[:, None], 3, 1))
    for k in range(4):
        mine = g[:, 11 + 4 * k : 15 + 4 * k]
        across, down = (
            (mine[:, 0] - np.float32(0.5)) * np.float32(1.5) + draws.bell(0.2, n),
            np.float32(0.9) * mine[:, 1] - np.float32(0.2),
        )
        color = hsv(
            mine[:, 2] + draws.bell(0.1, n),
            np.float32(0.2) + np.float32(0.6) * mine[:, 3],
            np.float32(0.25) + np.float32(0.6) * mine[:, 2],
        )
        wide, tall = np.float32(0.08) + np.float32(0.35) * mine[:, 3], np.float32(0.08) + np.float32(0.3) * mine[:, 2]
        paint(images, box(across, down, wide, tall), color)
        paint(images, box(across, down - tall, wide, tall * np.float32(0.15)), np.clip(color * np.float32(1.4), 0, 1))
    return images + (noise(draws, n, 12)[:, None] - np.float32(0.5)) * np.float32(0.15)


@dataclass(frozen=True)
class Paintings:
    """A scene of any kind as a painting; the class is the style: palette, contrast, size and direction of the brush."""

    world: str
    classes: int
    spread: float = 0.08

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 3) for class indices (n,)."""
        n = len(labels)
        style = genes(self.world, self.classes, 12)[labels]
        style = np.clip(style + draws.bell(3 * self.spread, style.shape), 0, 1)
        images = place(draws.uniform(0, 1, (n, GENES)), draws.chance(0.3, n), draws)
        things = Objects(f"{self.world} things", 50, ground="white", styles=("photo",))
        sitter = things.render(draws.integers(50, n), draws).astype(np.float32) / np.float32(255)
        shown = soft(np.float32(0.9) - sitter.min(axis=-1), 20.0) * at(
            (draws.uniform(0, 1, n) < 0.6).astype(np.float32)
        )
        paint(images, shown, np.moveaxis(sitter, -1, 1))
        images = np.where((style[:, 0] > 0.5)[:, None, None, None], blurred(blurred(images)), images)
        levels = np.float32(3) + np.float32(20) * style[:, 1:2, None, None]
        flat = np.floor(images * levels + np.float32(0.5)) / levels
        grey = ((images[:, 0] + images[:, 1] + images[:, 2]) / np.float32(3))[:, None]
        vivid = np.float32(1.8) * style[:, 2][:, None, None, None]
        images = grey + (flat - grey) * vivid
        tint = hsv(style[:, 3], np.float32(0.6), np.float32(1))[:, :, None, None]
        amount = np.float32(0.5) * style[:, 4][:, None, None, None]
        images = images * (np.float32(1) - amount) + images * tint * amount
        images = (
            (images - np.float32(0.5)) * (np.float32(0.5) + style[:, 5])[:, None, None, None]
            + np.float32(0.35)
            + np.float32(0.3) * style[:, 6][:, None, None, None]
        )
        across, down = noise(draws, n, 10, 36), noise(draws, n, 36, 10)
        strokes = np.where((style[:, 7] > 0.5)[:, None, None], across, down) - np.float32(0.5)
        images = images + (strokes * at(np.float32(0.9) * style[:, 8] * style[:, 8]))[:, None]
        return finish(images, draws, grain=0.05)
