"""OCR: characters written by hand or set in type, on plain or cluttered ground; and music, to tell its writer."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import (
    blank,
    capsule,
    coarse,
    cosine,
    finish,
    fractal,
    hsv,
    paint,
    sine,
    soft,
)
from streams.emulation.draws import Draws, genes
from streams.emulation.music import music
from streams.emulation.strokes import character_strokes, radical_strokes


@dataclass(frozen=True)
class Glyphs:
    """One character an image; the class is the character.

    Attributes:
        alphabet: digits, letters, characters (62), balanced (47), radicals (two parts of a few strokes each), or music:
            bars of notes, where the class is the writer.
        ground: black, white, paper, color (a blurred colourful scene) or scene (with neighbours cut off at the sides).
        turn: largest rotation in turns.
        wobble: how far points of a stroke move, relative to the image.
        resolution: what a side of 64 pixels is taken from: 16, 32 or 64.
        inked: only black and white pixels.
        variants: how many typefaces of other widths, slants and weights there are; 0 means that each image has its own.
    """

    world: str
    classes: int
    alphabet: str = "digits"
    ground: Literal["black", "white", "paper", "color", "scene"] = "black"
    turn: float = 0.03
    wobble: float = 0.14
    weight: float = 0.09
    resolution: int = 32
    inked: bool = False
    variants: int = 0

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 1 or 3) for class indices (n,)."""
        n = len(labels)
        if self.alphabet == "music":
            return music(genes(self.world, self.classes, 8)[labels], draws)
        images = self._ground(n, draws)
        alpha = self._ink(labels, draws)
        if self.ground == "scene":
            for side in (-1.3, 1.3):
                neighbors = draws.integers(self.classes, n)
                beside = self._ink(neighbors, draws, shift=side)
                alpha = np.maximum(alpha, beside)
        if self.ground in ("color", "scene"):
            paint(images, alpha, self._contrasting(images, draws))
        else:
            dark = self.ground in ("white", "paper")
            value = draws.uniform(0.0, 0.25, n) if dark else draws.uniform(0.8, 1.0, n)
            paint(images, alpha, np.repeat(value[:, None], 3, axis=1))
        if self.resolution < 64:
            images = coarse(images, 64 // self.resolution)
        if self.inked:
            images = soft(images - np.float32(0.45), 50.0)
        grain = {"black": 0.0, "white": 0.0, "paper": 0.1, "color": 0.1, "scene": 0.15}[self.ground]
        grey = self.ground not in ("color", "scene")
        return finish(images, draws, grain=grain, light=0.0 if self.inked else 0.15, grey=grey)

    def _ground(self, n: int, draws: Draws) -> Array:
        if self.ground in ("black", "white"):
            return blank(np.full((n, 3), self.ground == "white", np.float32))
        if self.ground == "paper":
            images = blank(np.repeat(draws.uniform(0.75, 0.95, (n, 1)), 3, axis=1))
            return images + (fractal(draws, n, 3)[:, None] - np.float32(0.5)) * np.float32(0.25)
        ends = [hsv(draws.uniform(0, 1, n), draws.uniform(0.2, 0.8, n), draws.uniform(0.2, 0.9, n)) for _ in range(3)]
        images = blank(ends[0])
        sharpness = 6.0 if self.ground == "color" else 2.0
        for color in ends[1:]:
            paint(images, soft(fractal(draws, n, 4) - np.float32(0.5), sharpness), color)
        return images

    def _contrasting(self, images: Array, draws: Draws) -> Array:
        """Ink that is seen: the ground inverted (as MNIST-M does) or a colour on the other side of mid-grey."""
        if self.ground == "color":
            return np.float32(1) - images
        middle = images[:, 1, 32, 32]
        value = np.where(middle > 0.5, draws.uniform(0.0, 0.3, len(images)), draws.uniform(0.7, 1.0, len(images)))
        return hsv(draws.uniform(0, 1, len(images)), draws.uniform(0, 0.5, len(images)), value)

    def _ink(self, labels: Array, draws: Draws, shift: float = 0.0) -> Array:
        n = len(labels)
        points, pens = self._strokes()
        path = points[labels] + draws.bell(self.wobble, (n, points.shape[1], 2))
        face = self._faces(n, draws)
        slant, weight, width, height = face.T
        x = path[..., 0] * width[:, None] - path[..., 1] * slant[:, None]
        y = path[..., 1] * height[:, None]
        turns = draws.bell(self.turn, n) if self.turn < 0.4 else draws.uniform(-0.5, 0.5, n)
        c, s = cosine(turns)[:, None], sine(turns)[:, None]
        moved = draws.bell(0.1, (n, 2))
        x, y = x * c - y * s + moved[:, :1] + np.float32(shift), x * s + y * c + moved[:, 1:]
        alpha = np.zeros((n, 64, 64), np.float32)
        drawn = pens[labels]
        for k in range(drawn.shape[1]):
            # Characters differ in length: only images that have a k-th segment are painted.
            which = np.flatnonzero(drawn[:, k])
            if len(which):
                line = capsule(x[which, k], y[which, k], x[which, k + 1], y[which, k + 1], weight[which])
                alpha[which] = np.maximum(alpha[which], line)
        return alpha

    def _strokes(self) -> tuple[Array, Array]:
        if self.alphabet == "radicals":
            return radical_strokes(self.world, self.classes)
        points, pens = character_strokes(self.alphabet)
        return points[: self.classes], pens[: self.classes]

    def _faces(self, n: int, draws: Draws) -> Array:
        """(n, 4): slant, weight, width and height of the strokes."""
        if self.variants:
            face = genes(f"{self.world} typefaces", self.variants, 4)[draws.integers(self.variants, n)]
        else:
            face = draws.uniform(0, 1, (n, 4))
        low = np.array([-0.25, 0.6 * self.weight, 0.65, 0.8], np.float32)
        high = np.array([0.45, 1.5 * self.weight, 1.05, 1.05], np.float32)
        return low + face * (high - low)
