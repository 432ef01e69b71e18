"""Actions: people of a trunk, a head and jointed limbs, doing something, alone, with a thing, or with one another."""

from dataclasses import dataclass

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import capsule, cosine, ellipse, finish, hsv, paint, sine
from streams.emulation.draws import Draws, genes
from streams.emulation.grounds import Ground, ground
from streams.emulation.labels import label_rows
from streams.emulation.parts import paint_parts, random_parts, subset

GENES = 24
_THING = 32


@dataclass(frozen=True)
class People:
    """One scene an image; the class is what is done: the joints' angles and the thing in the hands.

    With several labels an image shows what its first labels say, each by one person.

    Attributes:
        persons: 1, or 2 who act together.
        things: kinds of things; class i handles thing i % things (0: no thing), so that classes share things.
        spread: how much a pose varies.
    """

    world: str
    classes: int
    persons: int = 1
    things: int = 0
    spread: float = 0.12
    ground: Ground = "clutter"
    grain: float = 0.08

    def rows(self, n: int, draws: Draws) -> Array:
        """Labels (n, classes) of 0 and 1 for tasks with several labels."""
        return label_rows(n, self.classes, draws, extra=0.1)

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 3) for class indices (n,) or rows of labels (n, classes)."""
        n = len(labels)
        images = ground(self.ground, n, draws)
        if labels.ndim == 2:
            order = np.argsort(-labels.astype(np.int64), axis=1, kind="stable")
            doing = [order[:, 0], np.where(labels.sum(axis=1) > 1, order[:, 1], -1)]
        else:
            doing = [labels] * self.persons
        for k, actions in enumerate(doing):
            shown = np.flatnonzero(actions >= 0)
            part = images[shown]
            self._person(part, actions[shown], draws, k, len(doing))
            images[shown] = part
        return finish(images, draws, grain=self.grain)

    def _person(self, images: Array, actions: Array, draws: Draws, k: int, crowd: int) -> None:
        n = len(actions)
        g = genes(f"{self.world} {k}" if self.persons > 1 else self.world, self.classes, GENES)[actions]
        g = g + draws.bell(3 * self.spread, g.shape)
        size = draws.uniform(0.75, 1.0, n) * np.float32(0.8 if crowd > 1 else 1.0)
        apart = np.float32((k - (crowd - 1) / 2) * 0.75)
        x, y = apart + draws.bell(0.15, n), draws.bell(0.12, n) + np.float32(0.05)
        mirror = np.float32(-1 if k else 1)
        skin = hsv(draws.uniform(0.04, 0.08, n), draws.uniform(0.25, 0.6, n), draws.uniform(0.35, 0.95, n))
        shirt, trousers = (
            hsv(draws.uniform(0, 1, n), draws.uniform(0, 0.8, n), draws.uniform(0.1, 0.95, n)) for _ in range(2)
        )
        width = size * draws.uniform(0.055, 0.075, n)

        def limb(
            x0: Array, y0: Array, turns: Array, length: float, color: Array, thick: float = 1.0
        ) -> tuple[Array, Array]:
            x1 = x0 + mirror * sine(turns) * size * np.float32(length)
            y1 = y0 + cosine(turns) * size * np.float32(length)
            paint(images, capsule(x0, y0, x1, y1, width * np.float32(thick)), color)
            return x1, y1

        lean = (g[:, 0] - np.float32(0.5)) * np.float32(0.25)
        hip_x, hip_y = x, y + np.float32(0.15) * size + (g[:, 1] - np.float32(0.5)) * np.float32(0.3)
        for side, first in ((-1, 2), (1, 4)):
            thigh = np.float32(0.05 * side) + (g[:, first] - np.float32(0.5)) * np.float32(0.5)
            knee = limb(hip_x + np.float32(0.06 * side) * size, hip_y, thigh, 0.34, trousers, 1.2)
            limb(*knee, thigh - g[:, first + 1] * np.float32(0.3), 0.34, trousers)
        neck_x, neck_y = limb(hip_x, hip_y, np.float32(0.5) + lean, 0.52, shirt, 2.1)
        head_x, head_y = neck_x + mirror * sine(lean) * size * np.float32(0.15), neck_y - size * np.float32(0.17)
        paint(images, ellipse(head_x, head_y, size * np.float32(0.13), size * np.float32(0.16)), skin)
        hands = []
        for side, first in ((-1, 6), (1, 8)):
            upper = np.float32(0.06 * side) + (g[:, first] - np.float32(0.5)) * np.float32(1.1)
            elbow = limb(neck_x + np.float32(0.09 * side) * size, neck_y + np.float32(0.07) * size, upper, 0.26, shirt)
            hands.append(limb(*elbow, upper + (g[:, first + 1] - np.float32(0.3)) * np.float32(0.6), 0.25, skin))
        if self.things:
            self._thing(images, actions, draws, hands, size)

    def _thing(
        self, images: Array, actions: Array, draws: Draws, hands: list[tuple[Array, Array]], size: Array
    ) -> None:
        kind = actions % self.things
        g = genes(f"{self.world} things", self.things, _THING)[kind] + draws.bell(0.1, (len(actions), _THING))
        (x0, y0), (x1, y1) = hands
        held = np.flatnonzero(kind > 0)
        part = images[held]
        paint_parts(
            part,
            subset(random_parts(g, 2), held),
            x=(x0 + x1)[held] / 2,
            y=(y0 + y1)[held] / 2,
            scale=size[held] * np.float32(0.5),
            roll=draws.bell(0.1, len(held)),
        )
        images[held] = part


@dataclass(frozen=True)
class Crowds:
    """Counting: people or cars from a fixed or moving camera; the class is the bucket of how many there are.

    Attributes:
        step: how many more a bucket holds than the one before it.
        cars: whether cars on a road are counted and not heads of people.
        places: cameras; 0 if every image has its own.
    """

    world: str
    classes: int
    step: int = 3
    cars: bool = False
    places: int = 1

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 3) for class indices (n,)."""
        n = len(labels)
        if self.places:
            images = ground("plain", self.places, Draws("places", self.world))[draws.integers(self.places, n)]
        else:
            images = ground("outdoor", n, draws)
        count = labels * self.step + 1 + draws.integers(self.step, n)
        most = int(count.max())
        # Far ones are painted first: they are higher in the image, and smaller.
        near = np.sort(draws.uniform(0, 1, (n, most)) + (np.arange(most)[None] >= count[:, None]), axis=1)
        for k in range(most):
            shown = np.flatnonzero(k < count)
            depth = near[shown, k]
            size = np.float32(0.05) + np.float32(0.11) * depth
            x, y = draws.uniform(-0.95, 0.95, len(shown)), np.float32(-0.6) + np.float32(1.45) * depth
            color = hsv(
                draws.uniform(0, 1, len(shown)), draws.uniform(0, 0.7, len(shown)), draws.uniform(0.1, 0.95, len(shown))
            )
            part = images[shown]
            _one(part, x, y, size, color, cars=self.cars)
            images[shown] = part
        return finish(images, draws, grain=0.08)


def _one(images: Array, x: Array, y: Array, size: Array, color: Array, *, cars: bool) -> None:
    if cars:
        paint(images, ellipse(x, y, size * np.float32(1.5), size * np.float32(0.8), edge=4.0), color)
        paint(images, ellipse(x, y - size / 2, size, size / 2), color / 2)
        return
    paint(images, ellipse(x, y, size * np.float32(0.6), size * np.float32(1.3), edge=4.0), color)
    head = color * np.float32(0.4) + np.float32(0.35)
    paint(images, ellipse(x, y - size * np.float32(1.5), size * np.float32(0.42), size / 2), head)
