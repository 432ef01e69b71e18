"""Objects: things of a few solid parts, turned, lit, scaled, on plain or cluttered ground, photographed or drawn."""

from dataclasses import dataclass

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import blurred, coarse, finish, noise
from streams.emulation.draws import Draws, genes
from streams.emulation.fine_grained import COUNT, built
from streams.emulation.grounds import Ground, ground
from streams.emulation.labels import label_rows
from streams.emulation.parts import Parts, Style, paint_parts, posed, random_parts, subset
from streams.emulation.species import attributes, species_genes

PARTS = 6


@dataclass(frozen=True)
class Objects:
    """One thing an image, or for several labels one thing a label; the class is how its parts are put together.

    Attributes:
        yaw: range of the view around the upright axis, in turns.
        pitch: largest tip to either side, in turns.
        scale, place: range of the size; how far off the centre.
        light: range of the side from which light comes, -1..1.
        spread: how much things of one class differ.
        models: distinct things a class has (0: each image its own), of which the share ``model_range`` is shown.
        styles: photo, cartoon, sketch, silhouette, art or clipart, drawn for each image.
        stock: class i is thing ``stock + i`` of the world.
        builds: builds of :mod:`.builds` that classes take in turn, instead of parts put together at random.
        apart: how far classes of one build are from one another, 0..1.
        absent: class 0 shows the ground alone.
        species: labels are attributes of this many species of the build, of which the share ``species_range`` is shown.
    """

    world: str
    classes: int
    ground: Ground = "clutter"
    yaw: tuple[float, float] = (-0.08, 0.08)
    pitch: float = 0.02
    roll: float = 0.02
    scale: tuple[float, float] = (0.7, 1.0)
    place: float = 0.15
    light: tuple[float, float] = (-0.5, 0.5)
    spread: float = 0.12
    models: int = 0
    model_range: tuple[float, float] = (0.0, 1.0)
    styles: tuple[Style, ...] = ("photo",)
    grey: bool = False
    grain: float = 0.08
    resolution: int = 64
    stock: int = 0
    builds: tuple[str, ...] = ()
    apart: float = 0.6
    absent: bool = False
    species: int = 0
    species_range: tuple[float, float] = (0.0, 1.0)

    def rows(self, n: int, draws: Draws) -> Array:
        """Labels (n, classes) of 0 and 1 for tasks with several labels."""
        if not self.species:
            return label_rows(n, self.classes, draws, extra=0.25)
        low, high = (round(share * self.species) for share in self.species_range)
        return attributes(self.world, self.species, self.classes)[low + np.arange(n) % (high - low)]

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 1 or 3) for class indices (n,) or rows of labels (n, classes)."""
        n = len(labels)
        if self.species:
            of_each = attributes(self.world, self.species, self.classes)
            known = {row.tobytes(): k for k, row in enumerate(of_each)}
            labels = np.array([known[row.tobytes()] for row in labels])
        elif labels.ndim == 2:
            return self._several(labels, draws)
        images = ground(self.ground, n, draws)
        there = np.flatnonzero(labels > 0) if self.absent else np.arange(n)
        part = images[there]
        scale, spots = draws.uniform(*self.scale, len(there)), draws.bell(self.place, (len(there), 2))
        self._paint(part, labels[there], draws, scale=scale, spots=spots)
        images[there] = part
        return self._finished(images, draws)

    def _several(self, rows: Array, draws: Draws) -> Array:
        n = len(rows)
        images = ground(self.ground, n, draws)
        order = np.argsort(-(rows * draws.uniform(0.5, 1, rows.shape)), axis=1, kind="stable")[:, :3]
        for slot in range(order.shape[1]):
            labels = order[:, slot]
            shown = np.flatnonzero(rows[np.arange(n), labels])
            crowd = rows[shown].sum(axis=1).astype(np.float32)
            size = draws.uniform(*self.scale, len(shown)) * (np.float32(1.1) - np.float32(0.2) * crowd)
            spots = draws.bell(0.2, (len(shown), 2))
            spots[:, 0] += np.where(crowd > 1, np.float32((-0.45, 0.45, 0.0)[slot]), 0)
            spots[:, 1] += np.where(crowd > 2, np.float32((-0.2, -0.2, 0.45)[slot]), 0)
            part = images[shown]
            self._paint(part, labels[shown], draws, scale=size, spots=spots)
            images[shown] = part
        return self._finished(images, draws)

    def _paint(self, images: Array, labels: Array, draws: Draws, *, scale: Array, spots: Array) -> None:
        n = len(labels)
        parts = self._things(labels, draws)
        side = draws.uniform(*self.light, n)
        light = np.stack([side, np.float32(-0.2) - np.abs(side) * np.float32(0.3)], axis=1)
        roll = draws.bell(self.roll, n)
        pick = draws.integers(len(self.styles), n)
        for k, style in enumerate(self.styles):
            which = np.flatnonzero(pick == k)
            if not len(which):
                continue
            part = images[which]
            if style in ("sketch", "clipart"):
                part[:] = 1
            elif style == "silhouette":
                part[:] = 0
            paint_parts(
                part,
                subset(parts, which),
                x=spots[which, 0],
                y=spots[which, 1],
                scale=scale[which],
                roll=roll[which],
                light=light[which],
                style=style,
            )
            if style == "art":
                part = blurred(blurred(part)) + (
                    noise(draws, len(which), 12, 30)[:, None] - np.float32(0.5)
                ) * np.float32(0.5)
            images[which] = part

    def _things(self, labels: Array, draws: Draws) -> Parts:
        n = len(labels)
        if self.builds:
            known = self.stock + self.classes
            if self.species:
                own = species_genes(self.world, self.species)
            else:
                own = np.float32(0.5) + (genes(self.world, known, COUNT) - np.float32(0.5)) * np.float32(self.apart)
            g = own[self.stock + labels] + draws.bell(2 * self.spread, (n, COUNT))
            return posed(built(self.builds, self.stock + labels, g), draws.uniform(*self.yaw, n))
        g = genes(self.world, self.stock + self.classes, 16 * PARTS)[self.stock + labels]
        if self.models:
            low, high = (round(share * self.models) for share in self.model_range)
            model = low + draws.integers(high - low, n)
            own = genes(f"{self.world} models", (self.stock + self.classes) * self.models, 16 * PARTS)
            g = g + (own[(self.stock + labels) * self.models + model] - np.float32(0.5)) * np.float32(2 * self.spread)
        else:
            g = g + draws.bell(2 * self.spread, g.shape)
        parts = random_parts(g, PARTS)
        return posed(parts, draws.uniform(*self.yaw, n), draws.bell(self.pitch, n))

    def _finished(self, images: Array, draws: Draws) -> Array:
        if self.resolution < 64:
            images = coarse(images, 64 // self.resolution)
        return finish(images, draws, grain=self.grain, grey=self.grey)
