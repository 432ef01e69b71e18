"""Fine-grained families: birds, cars, planes, pets, butterflies, flowers, food; classes that differ little."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streams.data.prepared import Array
from streams.emulation.builds import BUILDS, SLOTS
from streams.emulation.canvas import at, ellipse, finish, hsv, noise, paint, placed, soft, wave
from streams.emulation.draws import Draws, genes
from streams.emulation.grounds import Ground, ground
from streams.emulation.parts import Parts, chosen, paint_parts, posed, template_parts
from streams.emulation.textures import GENES, surface

Build = Literal["bird", "car", "plane", "face", "butterfly", "beast", "flower", "food"]
COUNT = 160


@dataclass(frozen=True)
class FineGrained:
    """One animal, vehicle, flower or dish an image; the class is its species, model or recipe.

    Attributes:
        apart: how far classes are from one another in proportions and colours, 0..1.
        spread: how far individuals are from their class.
        places: grounds an image is taken at (0: each its own), of which the share ``place_range`` is shown.
        night: share of images in grey, as an infrared camera gives them.
    """

    world: str
    classes: int
    build: Build = "bird"
    apart: float = 0.5
    spread: float = 0.08
    ground: Ground = "outdoor"
    yaw: tuple[float, float] = (-0.07, 0.07)
    scale: tuple[float, float] = (0.75, 1.0)
    place: float = 0.15
    places: int = 0
    place_range: tuple[float, float] = (0.0, 1.0)
    night: float = 0.0
    grain: float = 0.08

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 3) for class indices (n,)."""
        n = len(labels)
        species = np.float32(0.5) + (genes(self.world, self.classes, COUNT)[labels] - np.float32(0.5)) * np.float32(
            self.apart
        )
        return self.render_species(species + draws.bell(2 * self.spread, (n, COUNT)), draws)

    def render_species(self, g: Array, draws: Draws) -> Array:
        """Images of individuals with genes ``g`` (n, 160)."""
        n = len(g)
        images = self._ground(n, draws)
        x, y = draws.bell(self.place, n), draws.bell(self.place, n)
        scale = draws.uniform(*self.scale, n)
        if self.build == "flower":
            _flower(images, g, draws, x, y, scale)
        elif self.build == "food":
            _dish(images, g, draws, x, y, scale)
        else:
            parts = built((self.build,), np.zeros(n, np.int64), g)
            # A drawing order that suits the build is in its table; turning must not undo it by much.
            parts = posed(parts, draws.uniform(*self.yaw, n))
            mirror = np.where(draws.chance(0.5, n), np.float32(-1), np.float32(1))
            light = draws.bell(0.4, (n, 2)) + np.array([0, -0.25], np.float32)
            paint_parts(images, parts, x=x, y=y, scale=scale, roll=draws.bell(0.03, n), mirror=mirror, light=light)
        dark = np.flatnonzero(draws.uniform(0, 1, n) < self.night)
        images[dark] = (images[dark, 1] * np.float32(0.7))[:, None]
        return finish(images, draws, grain=self.grain)

    def _ground(self, n: int, draws: Draws) -> Array:
        if not self.places:
            return ground(self.ground, n, draws)
        low, high = (round(share * self.places) for share in self.place_range)
        known = ground(self.ground, self.places, Draws("places", self.world))
        return known[low + draws.integers(high - low, n)]


def built(builds: Sequence[str], classes: Array, g: Array) -> Parts:
    """Things with genes ``g`` (n, 160); class i is of build i % len(builds)."""
    most = max(len(BUILDS[build]) for build in builds)
    kinds = []
    for build in builds:
        rows = BUILDS[build]
        # Builds differ in parts: missing ones are specks inside the first part.
        speck = (*rows[0][:3], 0.01, 0.01, 0.01, *rows[0][6:])
        colors = coat(g) if build in ("face", "beast") else palette(g)
        kinds.append(template_parts([*[speck] * (most - len(rows)), *rows], colors, g[:, 30:], 0.6))
    return chosen(kinds, classes % len(builds))


def palette(g: Array) -> Array:
    """Colours (n, 7, 3) from the first genes: four kin to one main colour or not, and black and white at the end."""
    n = len(g)
    main = g[:, :1] * np.float32(3)
    hue = np.where(g[:, 1:6] < 0.5, main + np.float32(0.1) * (g[:, 6:11] - np.float32(0.5)), g[:, 6:11])
    colors = hsv(
        hue, np.float32(0.15) + np.float32(0.75) * g[:, 11:16], np.float32(0.15) + np.float32(0.8) * g[:, 16:21]
    )
    ends = np.repeat(np.array([[[0.05] * 3, [0.95] * 3]], np.float32), n, axis=0)
    return np.concatenate([np.clip(colors, 0, 1), ends], axis=1)[:, :SLOTS]


def coat(g: Array) -> Array:
    """Colours as :func:`palette`, but of fur: from black over browns and reds to cream."""
    hue = np.float32(0.03) + np.float32(0.09) * g[:, 1:6]
    value = np.float32(1.6) * (np.float32(0.4) * g[:, :1] + np.float32(0.6) * g[:, 16:21]) - np.float32(0.25)
    colors = hsv(hue, np.float32(0.1) + np.float32(0.7) * g[:, 11:16], np.clip(value, 0.08, 1))
    return np.concatenate([colors, palette(g)[:, 5:]], axis=1)


def around(u: Array, v: Array) -> Array:
    """The direction of (u, v) in turns, to within a few degrees, from exact operations."""
    slope = u / (np.abs(u) + np.abs(v) + np.float32(1e-6))
    quarter = np.where(v < 0, np.float32(3) + slope, np.float32(1) - slope)
    return quarter * np.float32(0.25)


def _flower(images: Array, g: Array, draws: Draws, x: Array, y: Array, scale: Array) -> None:
    """Two whorls of petals and a heart, on leaves, seen from a little aside."""
    n = len(g)
    colors = palette(g)
    leaf = soft(noise(draws, n, 4) - np.float32(0.55), 8.0)
    paint(images, leaf, hsv(draws.uniform(0.25, 0.38, n), draws.uniform(0.4, 0.8, n), draws.uniform(0.2, 0.5, n)))
    aside = draws.uniform(0.7, 1.0, n)
    u, v = placed(x, y, scale, scale * aside, draws.uniform(0, 1, n))
    distance = np.sqrt(u * u + v * v)
    direction = around(u, v)
    petals = np.float32(4) + np.floor(g[:, 22] * np.float32(9))
    for size, slot, depth in ((0.85, 0, 0.6), (0.55, 1, 0.4)):
        lobe = np.abs(wave(direction * at(petals / 2)))
        rim = at(np.float32(size) * (np.float32(0.75) + np.float32(0.5) * g[:, 24 + slot]))
        inside = (
            rim * (np.float32(1) - at(np.float32(depth) * (np.float32(0.2) + g[:, 26])) * (np.float32(1) - lobe))
            - distance
        )
        tone = np.float32(0.7) + np.float32(0.5) * distance + np.float32(0.2) * lobe
        paint(images, soft(inside, 12.0), colors[:, slot][:, :, None, None] * tone[:, None])
    heart = at(np.float32(0.12) + np.float32(0.25) * g[:, 28]) - distance
    speckled = np.float32(0.7) + np.float32(0.6) * noise(draws, n, 24)
    paint(images, soft(heart, 12.0), colors[:, 3][:, :, None, None] * speckled[:, None])


def _dish(images: Array, g: Array, draws: Draws, x: Array, y: Array, scale: Array) -> None:
    """A plate, what lies on it, and what is strewn over that."""
    n = len(g)
    colors = palette(g)
    plate = np.repeat(draws.uniform(0.6, 0.98, (n, 1)), 3, axis=1)
    flat = draws.uniform(0.65, 1.0, n)
    paint(images, ellipse(x, y, scale, scale * flat), plate)
    paint(images, ellipse(x, y, scale * 0.8, scale * flat * np.float32(0.8), edge=30.0), plate * np.float32(0.9))
    u, v = placed(
        x,
        y,
        scale * (np.float32(0.4) + np.float32(0.4) * g[:, 22]),
        scale * flat * (np.float32(0.4) + np.float32(0.4) * g[:, 23]),
    )
    heap = np.float32(1) - u * u - v * v + (noise(draws, n, 5) - np.float32(0.5)) * np.float32(1.2)
    stuff = surface(g[:, 100 : 100 + GENES], draws, zoom=1.4)
    warm = hsv(
        np.float32(0.02) + np.float32(0.3) * g[:, 0],
        np.float32(0.3) + np.float32(0.6) * g[:, 24],
        np.float32(0.3) + np.float32(0.65) * g[:, 25],
    )
    paint(images, soft(heap, 5.0), warm[:, :, None, None] * (np.float32(0.4) + stuff))
    size = np.float32(0.05) + np.float32(0.15) * g[:, 26]
    for k in range(6):
        shown = np.flatnonzero(g[:, 27] * np.float32(8) > k)
        spot_x, spot_y = x + draws.bell(0.6, n) * scale, y + draws.bell(0.5, n) * scale
        long = size * (np.float32(1) + np.float32(2) * np.maximum(g[:, 28] - np.float32(0.5), 0))
        mask = ellipse(spot_x[shown], spot_y[shown], long[shown], size[shown], draws.uniform(0, 1, n)[shown])
        part = images[shown]
        paint(part, mask, colors[shown, 1 + k % 2])
        images[shown] = part
