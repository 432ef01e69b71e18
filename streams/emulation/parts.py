"""What is a thing made of? Solid parts in three dimensions: placed, turned, lit, striped and painted back to front."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import SIDE, X, Y, at, cosine, hsv, paint, placed, sine, soft, wave

Style = Literal["photo", "cartoon", "sketch", "silhouette", "art", "clipart"]


@dataclass(frozen=True)
class Parts:
    """Parts of n things, p each; every field is (n, p), colours are (n, p, 3).

    Attributes:
        x, y, z: centres; z points to the viewer. a, b, c: half-axes along them. turn: in the picture plane, in turns.
        roundness: 1 for ellipsoids, 0 for boxes. taper: above 0 the lower end is narrower, below 0 the upper end.
        stripes: stripes across a part; 0 for none. stripe_turn: their direction in turns.
    """

    x: Array
    y: Array
    z: Array
    a: Array
    b: Array
    c: Array
    turn: Array
    roundness: Array
    taper: Array
    color: Array
    stripes: Array
    stripe_turn: Array


def random_parts(g: Array, count: int) -> Parts:
    """Things of ``count`` parts from genes (n, 16 * count): a body, and the rest attached around it."""
    n = len(g)
    g = g[:, : 16 * count].reshape(n, count, 16)
    near = np.ones(count, np.float32)
    near[0] = 0.1
    size = np.full(count, 0.32, np.float32)
    size[0] = 0.5
    main = g[:, :1, 8]
    # Things have one or two main colours; parts that stray from them stand out.
    hue = np.where(g[..., 9] < 0.55, main, g[..., 10])
    return Parts(
        x=(g[..., 0] - np.float32(0.5)) * np.float32(1.3) * near,
        y=(g[..., 1] - np.float32(0.5)) * np.float32(1.3) * near,
        z=(g[..., 2] - np.float32(0.5)) * np.float32(1.3) * near,
        a=size * (np.float32(0.35) + g[..., 3]),
        b=size * (np.float32(0.35) + g[..., 4]),
        c=size * (np.float32(0.35) + g[..., 5]),
        turn=(g[..., 6] - np.float32(0.5)) * np.float32(0.5),
        roundness=np.floor(g[..., 7] * np.float32(3)) / np.float32(2),
        taper=(g[..., 11] - np.float32(0.5)) * np.float32(1.2),
        color=hsv(
            hue, np.float32(0.2) + np.float32(0.75) * g[..., 12], np.float32(0.3) + np.float32(0.65) * g[..., 13]
        ),
        stripes=np.maximum(g[..., 14] - np.float32(0.6), 0) * np.float32(8),
        stripe_turn=g[..., 15],
    )


def template_parts(rows: Sequence[Sequence[float]], colors: Array, g: Array, spread: float) -> Parts:
    """Things of one build: each row of ``rows`` is a part, and genes (n, 10 * parts) bend its proportions.

    Args:
        rows: x, y, z, a, b, c, turn, roundness, taper, index of the part's colour.
        colors: (n, slots, 3).
        spread: by which share of its size a part may be moved or stretched.
    """
    table = np.array(rows, np.float32)
    n, p = len(g), len(table)
    g = (g[:, : 10 * p].reshape(n, p, 10) - np.float32(0.5)) * np.float32(2 * spread)
    base = table[None].repeat(n, 0)
    size = np.minimum(base[..., 3], base[..., 4])
    grow = np.float32(1) + g
    return Parts(
        x=base[..., 0] + g[..., 0] * size,
        y=base[..., 1] + g[..., 1] * size,
        z=base[..., 2],
        a=base[..., 3] * grow[..., 2],
        b=base[..., 4] * grow[..., 3],
        c=base[..., 5] * grow[..., 2],
        turn=base[..., 6] + g[..., 4] * np.float32(0.1),
        roundness=np.clip(base[..., 7] + g[..., 5] * np.float32(0.4), 0, 1),
        taper=base[..., 8] + g[..., 6] * np.float32(0.5),
        color=colors[:, table[:, 9].astype(int)],
        stripes=np.maximum(g[..., 7] - np.float32(0.5 * spread), 0) * np.float32(8),
        stripe_turn=g[..., 8],
    )


def posed(parts: Parts, yaw: Array, pitch: Array | float = 0.0) -> Parts:
    """The things turned about their upright axis by ``yaw`` turns, then tipped by ``pitch``."""
    yaw = np.asarray(yaw, np.float32)[:, None]
    pitch = np.broadcast_to(np.asarray(pitch, np.float32), yaw.shape[:1])[:, None]
    c, s = cosine(yaw), sine(yaw)
    x, z = parts.x * c + parts.z * s, parts.z * c - parts.x * s
    a = np.sqrt((parts.a * c) ** 2 + (parts.c * s) ** 2)
    depth = np.sqrt((parts.c * c) ** 2 + (parts.a * s) ** 2)
    c, s = cosine(pitch), sine(pitch)
    y, z = parts.y * c + z * s, z * c - parts.y * s
    b = np.sqrt((parts.b * c) ** 2 + (depth * s) ** 2)
    order = np.argsort(z, axis=1, kind="stable")
    turned = replace(parts, x=x, y=y, z=z, a=a, b=b, c=depth)
    return _each(turned, lambda field: np.take_along_axis(field, order[..., None] if field.ndim == 3 else order, 1))


def chosen(kinds: Sequence[Parts], which: Array) -> Parts:
    """Thing i of the kind ``which[i]``; all kinds have as many parts."""
    rows = np.arange(len(which))
    return Parts(
        **{field.name: np.stack([getattr(kind, field.name) for kind in kinds])[which, rows] for field in fields(Parts)}
    )


def subset(parts: Parts, which: Array) -> Parts:
    """The things ``which``."""
    return _each(parts, lambda field: field[which])


def _each(parts: Parts, change) -> Parts:  # type: ignore[no-untyped-def]
    return Parts(**{field.name: change(getattr(parts, field.name)) for field in fields(parts)})


def paint_parts(
    images: Array,
    parts: Parts,
    *,
    x: Array,
    y: Array,
    scale: Array,
    roll: Array | float = 0.0,
    mirror: Array | float = 1.0,
    light: Array | None = None,
    style: Style = "photo",
) -> Array:
    """Paint the things onto ``images`` in the order of their parts, and return the mask (n, 64, 64) of all they cover.

    Args:
        x, y, scale, roll: where the thing's frame lies, how large a unit of it is, its rotation in turns.
        mirror: -1 mirrors a thing left to right.
        light: (n, 2) direction from which light comes.
    """
    n = len(images)
    if not n:
        return np.zeros((0, SIDE, SIDE), np.float32)
    roll = np.broadcast_to(np.asarray(roll, np.float32), n)
    mirror = np.broadcast_to(np.asarray(mirror, np.float32), n)
    light = np.full((n, 2), -0.3, np.float32) if light is None else light
    c, s = cosine(roll) * scale, sine(roll) * scale
    covered = np.zeros((n, SIDE, SIDE), np.float32)
    for k in range(parts.x.shape[1]):
        px = parts.x[:, k] * mirror
        a, b = parts.a[:, k] * scale, parts.b[:, k] * scale
        center_x, center_y = x + px * c - parts.y[:, k] * s, y + px * s + parts.y[:, k] * c
        size = np.minimum(a, b)
        sharpness = np.float32(1) + np.float32(14) * size
        # The rest of the canvas lies outside this part in all images: it need not be computed.
        wide = a / (np.float32(1) - np.minimum(np.abs(parts.taper[:, k]), np.float32(0.9)))
        reach = np.sqrt((wide * wide + b * b) * (np.float32(1) + np.float32(0.5) / sharpness))
        rows, columns = _window(center_y, reach), _window(center_x, reach)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        canvas = images[:, :, rows, columns]
        u, v = placed(
            center_x, center_y, a, b, parts.turn[:, k] * mirror + roll, x_axis=X[..., columns], y_axis=Y[:, rows]
        )
        u *= np.float32(1) + at(parts.taper[:, k]) * v
        uu, vv = u * u, v * v
        far = np.maximum(uu, vv)
        uu += vv
        uu -= far
        uu *= at(parts.roundness[:, k])
        far += uu
        mask = soft(np.float32(1) - far, at(sharpness))
        color = parts.color[:, k]
        shown = covered[:, rows, columns]
        np.maximum(shown, mask, out=shown)
        if style == "silhouette":
            continue
        if style in ("photo", "art"):
            striped = np.flatnonzero(parts.stripes[:, k] > 0)
            tone = far * np.float32(-0.3)
            if len(striped):
                f, t = parts.stripes[striped, k], parts.stripe_turn[striped, k]
                across = u[striped] * at(f * cosine(t)) + v[striped] * at(f * sine(t))
                tone[striped] += np.float32(0.4) * wave(across)
            u *= at(light[:, 0])
            v *= at(light[:, 1])
            tone += u
            tone += v
            tone += np.float32(1.05)
            paint(canvas, mask, color[:, :, None, None] * tone[:, None])
        else:
            line = soft(far - at(np.float32(1) - np.float32(0.07) / (size + np.float32(0.02))), 12.0)
            fill = np.ones_like(color) if style == "sketch" else color
            paint(canvas, mask, fill[:, :, None, None] * (np.float32(1) - line)[:, None])
    if style == "silhouette":
        paint(images, covered, np.ones((n, 3), np.float32))
    return covered


def _window(center: Array, reach: Array) -> slice:
    """The pixels along one axis that any of the images needs."""
    low = int(np.floor((np.float32(1) + (center - reach).min()) * (SIDE // 2)))
    high = int(np.ceil((np.float32(1) + (center + reach).max()) * (SIDE // 2)))
    return slice(min(max(low, 0), SIDE), min(max(high, 0), SIDE))
