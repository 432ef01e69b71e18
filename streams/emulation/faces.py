"""Faces: a head with hair, eyes, brows, nose and mouth, turned and lit; who it is, what it has, or where it looks."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import X, Y, at, blurred, coarse, ellipse, finish, hsv, noise, paint, placed, sine, soft
from streams.emulation.draws import Draws, genes
from streams.emulation.grounds import Ground, ground

GENES = 24
_BINS = 5


@dataclass(frozen=True)
class Faces:
    """One head an image.

    Attributes:
        asked: identity (a class a person), attributes (label 2k: gene k is high, 2k + 1: it is low) or pose (five bins
            each of yaw, pitch and roll, one-hot).
        yaw, pitch: range in turns. roll: largest, in turns.
        side_light: how strongly light comes from the side.
        mimic: how much expression varies.
        people: persons shown where identity is not asked; of them the share ``people_range``.
    """

    world: str
    classes: int
    asked: Literal["identity", "attributes", "pose"] = "identity"
    yaw: tuple[float, float] = (-0.06, 0.06)
    pitch: float = 0.03
    roll: float = 0.02
    side_light: float = 0.2
    mimic: float = 0.3
    spread: float = 0.03
    ground: Ground = "plain"
    grey: bool = False
    grain: float = 0.06
    resolution: int = 64
    people: int = 24
    people_range: tuple[float, float] = (0.0, 1.0)

    def rows(self, n: int, draws: Draws) -> Array:
        """Labels (n, classes) of 0 and 1 for tasks with several labels."""
        rows = np.zeros((n, self.classes), np.uint8)
        if self.asked == "pose":
            # Yaw runs fastest, pitch slower; roll goes through all bins with each of them.
            i = np.arange(n)
            for axis, step in enumerate((i, i // _BINS, i + i // _BINS + i // _BINS**2)):
                rows[i, axis * _BINS + step % _BINS] = 1
            return rows
        for k in range(self.classes // 2):
            # Every label is seen in every stretch of as many images as there are genes.
            level = np.where((np.arange(n) + k) % 6 < 2, (np.arange(n) + k) % 6, draws.integers(5, n))
            rows[:, 2 * k] = level == 0
            rows[:, 2 * k + 1] = level == 1
        return rows

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 1 or 3) for class indices (n,) or rows of labels."""
        n = len(labels)
        yaw, pitch, roll = draws.uniform(*self.yaw, n), draws.bell(self.pitch, n), draws.bell(self.roll, n)
        if self.asked == "identity":
            g = genes(self.world, self.classes, GENES)[labels]
        elif self.asked == "attributes":
            k = np.arange(self.classes) // 2
            level = labels[:, ::2].astype(np.float32) - labels[:, 1::2]
            g = draws.uniform(0.35, 0.65, (n, GENES))
            g[:, : k[-1] + 1] = np.where(level != 0, np.float32(0.5) + level * np.float32(0.45), g[:, : k[-1] + 1])
        else:
            low, high = (round(share * self.people) for share in self.people_range)
            g = genes(self.world, self.people, GENES)[low + draws.integers(high - low, n)]
            step = [labels[:, 5 * axis : 5 * axis + 5].argmax(axis=1) for axis in range(3)]
            at_bin = [(s.astype(np.float32) - 2 + draws.uniform(-0.4, 0.4, n)) / np.float32(2.4) for s in step]
            yaw, pitch, roll = at_bin[0] * np.float32(0.16), at_bin[1] * np.float32(0.1), at_bin[2] * np.float32(0.09)
        g = np.clip(g + draws.bell(3 * self.spread, g.shape), 0, 1)
        images = ground(self.ground, n, draws)
        _paint_heads(images, g, draws, yaw, pitch, roll, draws.bell(self.mimic, n))
        side = draws.bell(2 * self.side_light, n)
        images = images * (np.float32(1) + at(side) * X + at(draws.bell(self.side_light, n)) * Y)[:, None]
        if self.resolution < 64:
            images = coarse(images, 64 // self.resolution)
        return finish(images, draws, grain=self.grain, grey=self.grey)


@dataclass(frozen=True)
class _Head:
    """Where the heads of n images are and how they are turned; the arrays are (n,).

    Attributes:
        g: genes (n, GENES).
        x, y, wide, tall: centre and half-axes. size: of features, as the whole.
        slide_x, slide_y: how far features slide as the face turns inside the outline of the head.
        away: how much narrower a turned face is. roll: in turns.
        skin, hair: colours (n, 3).
    """

    g: Array
    x: Array
    y: Array
    size: Array
    wide: Array
    tall: Array
    slide_x: Array
    slide_y: Array
    away: Array
    roll: Array
    skin: Array
    hair: Array

    def spot(self, dx: Array, dy: Array) -> tuple[Array, Array]:
        """Where on the image a feature is that lies at (dx, dy) on the face."""
        s = sine(self.roll)
        px, py = dx * self.wide * self.away + self.slide_x, dy * self.tall + self.slide_y
        return self.x + px - py * s, self.y + px * s + py

    def feature(self, dx: Array, dy: Array, a: Array, b: Array, turns: Array | float = 0.0) -> Array:
        """The mask of an ellipse on the face."""
        return ellipse(*self.spot(dx, dy), a * self.away, b, self.roll + turns)


def _paint_heads(images: Array, g: Array, draws: Draws, yaw: Array, pitch: Array, roll: Array, mimic: Array) -> None:
    head = _head(g, draws, yaw, pitch, roll)
    shirt = hsv(draws.uniform(0, 1, len(g)), draws.uniform(0, 0.8, len(g)), draws.uniform(0.2, 0.9, len(g)))
    _paint_behind(images, head, shirt)
    _paint_face(images, head, draws)
    _paint_eyes(images, head, mimic)
    _paint_nose_and_mouth(images, head, mimic)
    images[:] = blurred(images)


def _head(g: Array, draws: Draws, yaw: Array, pitch: Array, roll: Array) -> _Head:
    n = len(g)
    x, y = draws.bell(0.08, n), draws.bell(0.08, n) + np.float32(0.05)
    size = draws.uniform(0.85, 1.0, n)
    wide = size * (np.float32(0.46) + np.float32(0.16) * g[:, 0])
    tall = size * (np.float32(0.62) + np.float32(0.14) * g[:, 1])
    skin = hsv(
        np.float32(0.04) + np.float32(0.04) * g[:, 2],
        np.float32(0.25) + np.float32(0.35) * g[:, 3],
        np.float32(0.4) + np.float32(0.55) * g[:, 4],
    )
    hair = hsv(
        np.float32(0.02) + np.float32(0.12) * g[:, 5],
        np.float32(0.7) * g[:, 6],
        np.float32(0.05) + np.float32(0.8) * g[:, 7] * g[:, 7],
    )
    slide_x, slide_y = sine(yaw) * wide * np.float32(0.9), -sine(pitch) * tall * np.float32(0.9)
    away = np.sqrt(np.float32(1.05) - sine(yaw) ** 2)
    return _Head(g, x, y, size, wide, tall, slide_x, slide_y, away, roll, skin, hair)


def _paint_behind(images: Array, head: _Head, shirt: Array) -> None:
    """Hair behind the head, shirt and neck."""
    g, x, y, wide, tall = head.g, head.x, head.y, head.wide, head.tall
    back = np.float32(1.12) + np.float32(0.25) * g[:, 8]
    long = np.float32(0.95) + np.float32(0.5) * np.maximum(g[:, 9] - np.float32(0.4), 0) * np.float32(2)
    down = y - np.float32(0.08) * tall + (long - 1) * tall * np.float32(0.5)
    paint(images, ellipse(x - head.slide_x * np.float32(0.3), down, wide * back, tall * long, head.roll), head.hair)
    paint(images, ellipse(x, y + tall * np.float32(1.35), wide * np.float32(1.7), tall * np.float32(0.6)), shirt)
    neck = ellipse(x, y + tall * np.float32(0.85), wide * np.float32(0.5), tall * np.float32(0.4))
    paint(images, neck, head.skin * np.float32(0.85))


def _paint_face(images: Array, head: _Head, draws: Draws) -> None:
    """Skin, fringe and beard."""
    g = head.g
    u, v = placed(head.x, head.y, head.wide, head.tall, head.roll)
    jaw = np.float32(1) + at(np.float32(0.35) * g[:, 10]) * np.maximum(v, 0)
    uu = u * jaw
    inside = np.float32(1) - uu * uu - v * v
    mottled = (noise(draws, len(g), 6) - np.float32(0.5)) * np.float32(0.1)
    tone = np.float32(0.85) + np.float32(0.2) * inside + mottled
    paint(images, soft(inside, 8.0), head.skin[:, :, None, None] * tone[:, None])
    line = at(np.float32(-0.45) - np.float32(0.4) * g[:, 11] + head.slide_y) + at(g[:, 12] - np.float32(0.5)) * u
    fringe = soft(np.minimum(inside + np.float32(0.2), line - v), 10.0)
    paint(images, fringe, head.hair)
    beard = np.maximum(g[:, 13] - np.float32(0.6), 0) * np.float32(2.5)
    lower = soft(np.minimum(inside, v - at(np.float32(0.3) + head.slide_y)), 8.0) * at(beard)
    paint(images, lower, head.hair * np.float32(0.8))


def _paint_eyes(images: Array, head: _Head, mimic: Array) -> None:
    """Eyes, and brows that lift with the expression."""
    g, size, one = head.g, head.size, np.ones(len(head.g), np.float32)
    apart = np.float32(0.3) + np.float32(0.16) * g[:, 14]
    wide = size * (np.float32(0.06) + np.float32(0.05) * g[:, 15])
    tall = size * (np.float32(0.03) + np.float32(0.03) * g[:, 16])
    white = np.full((len(g), 3), 0.92, np.float32)
    iris = hsv(np.float32(0.05) + np.float32(0.55) * g[:, 17], np.float32(0.6), np.float32(0.35))
    brow = np.clip(head.hair * np.float32(0.6), 0, 1)
    for side in (np.float32(-1), np.float32(1)):
        paint(images, head.feature(side * apart, one * np.float32(-0.15), wide, tall), white)
        paint(images, head.feature(side * apart, one * np.float32(-0.15), tall, tall), iris)
        thick = size * (np.float32(0.012) + np.float32(0.03) * g[:, 18])
        lift = np.float32(-0.3) - np.float32(0.06) * g[:, 19] - np.float32(0.05) * mimic
        turns = side * (g[:, 19] - np.float32(0.5)) * np.float32(0.08)
        paint(images, head.feature(side * apart, lift, wide * np.float32(1.4), thick, turns), brow)


def _paint_nose_and_mouth(images: Array, head: _Head, mimic: Array) -> None:
    """The nose, and a mouth that bends with the expression."""
    g, size, middle = head.g, head.size, np.zeros(len(head.g), np.float32)
    down = np.float32(0.1) + np.float32(0.06) * g[:, 20]
    broad = size * (np.float32(0.05) + np.float32(0.06) * g[:, 21])
    paint(images, head.feature(middle, down, broad, size * np.float32(0.13)), head.skin * np.float32(0.78))
    mouth_x, mouth_y = head.spot(middle, np.float32(0.42) + np.float32(0.06) * g[:, 20])
    wide = size * (np.float32(0.13) + np.float32(0.12) * g[:, 22]) * head.away
    u, v = placed(mouth_x, mouth_y, wide, size * (np.float32(0.03) + np.float32(0.04) * g[:, 23]), head.roll)
    bent = v + at(mimic * np.float32(2.5)) * (u * u - np.float32(0.4))
    lips = hsv(middle, np.float32(0.3) + np.float32(0.4) * g[:, 23], np.float32(0.35) + np.float32(0.4) * g[:, 4])
    paint(images, soft(np.float32(1) - u * u - bent * bent, 6.0), lips)
