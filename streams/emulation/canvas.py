"""How are many images painted at once? Float32 channels, soft-edged masks, smooth noise: all with exact arithmetic.

Coordinates run from -1 to 1, x to the right and y down. Parameters of single images are arrays (n,); masks and fields
are (n, 64, 64); colours are (n, 3) in 0..1.
"""

import math
from functools import cache
from typing import Any

import numpy as np

from streams.data.prepared import Array
from streams.emulation.draws import Draws

Number = Array | float | np.floating[Any]

SIDE = 64
_STEPS = 4096
_SINE = np.array([round(math.sin(2 * math.pi * k / _STEPS) * 2**14) for k in range(_STEPS)]).astype(np.float32)
_SINE /= np.float32(2**14)
_AXIS = ((2 * np.arange(SIDE) + 1 - SIDE) / SIDE).astype(np.float32)
X, Y = _AXIS[None, None, :], _AXIS[None, :, None]
"""Coordinates of the pixels' centres, to be broadcast over (n, 64, 64)."""


def sine(turns: Array) -> Array:
    """Sine of an angle in turns, from a table of 4,096 values rounded to 2**-14; for parameters."""
    found: Array = _SINE[np.floor(turns * np.float32(_STEPS)).astype(np.int64) & (_STEPS - 1)]
    return found


def cosine(turns: Array) -> Array:
    """Cosine, as :func:`sine`."""
    return sine(turns + np.float32(0.25))


def wave(turns: Array) -> Array:
    """A sine-like wave of parabolas, in -1..1, period 1; for pixels."""
    phase = turns - np.floor(turns)
    phase -= np.float32(0.5)
    return np.float32(16) * phase * (np.abs(phase) - np.float32(0.5))


def tent(turns: Array) -> Array:
    """A triangle wave: 0 at whole turns, 1 half-way between them."""
    phase = turns - np.floor(turns)
    return np.float32(1) - np.abs(phase * np.float32(2) - np.float32(1))


def at(values: Array) -> Array:
    """Parameters (n,) made to broadcast over (n, 64, 64)."""
    return np.asarray(values, np.float32)[:, None, None]


def soft(inside: Array, sharpness: Number = 12.0) -> Array:
    """A mask from a field that is positive inside; its edge is 1 / sharpness wide."""
    mask = inside * sharpness
    mask += np.float32(0.5)
    return np.clip(mask, 0, 1, out=mask)


def placed(
    x: Array,
    y: Array,
    a: Array,
    b: Array,
    turns: Number = 0.0,
    *,
    x_axis: Array = X,
    y_axis: Array = Y,
) -> tuple[Array, Array]:
    """Local coordinates (u, v) of a frame centred at (x, y), turned, with half-axes a and b: its box is -1..1."""
    turns = np.broadcast_to(np.asarray(turns, np.float32), np.shape(x))
    c, s = cosine(turns), sine(turns)
    dx, dy = x_axis - at(x), y_axis - at(y)
    u = dx * at(c / a) + dy * at(s / a)
    v = dy * at(c / b) - dx * at(s / b)
    return u, v


def ellipse(x: Array, y: Array, a: Array, b: Array, turns: Number = 0.0, *, edge: float = 8.0) -> Array:
    """Mask of a filled ellipse; ``edge`` is its sharpness relative to its size."""
    u, v = placed(x, y, a, b, turns)
    return soft(np.float32(1) - u * u - v * v, edge)


def box(x: Array, y: Array, a: Array, b: Array, turns: Number = 0.0, *, edge: float = 12.0) -> Array:
    """Mask of a filled rectangle."""
    u, v = placed(x, y, a, b, turns)
    return soft(np.float32(1) - np.maximum(np.abs(u), np.abs(v)), edge)


def capsule(x0: Array, y0: Array, x1: Array, y1: Array, width: Array) -> Array:
    """Mask of a line from (x0, y0) to (x1, y1) with round ends, ``width`` wide on either side."""
    return soft(at(width) - np.sqrt(segment_distance(x0, y0, x1, y1)), 24.0)


def segment_distance(x0: Array, y0: Array, x1: Array, y1: Array) -> Array:
    """Squared distance of each pixel to a line segment."""
    ex, ey = np.asarray(x1 - x0, np.float32), np.asarray(y1 - y0, np.float32)
    square = ex * ex + ey * ey + np.float32(1e-6)
    dx, dy = X - at(x0), Y - at(y0)
    along = dx * at(ex / square) + dy * at(ey / square)
    np.clip(along, 0, 1, out=along)
    u = dx - along * at(ex)
    v = dy - along * at(ey)
    u *= u
    v *= v
    u += v
    return u


def hsv(hue: Array, saturation: Number, value: Number) -> Array:
    """Colours (n, 3) from hue in turns, saturation and value in 0..1."""
    hue, saturation, value = (
        np.asarray(part, np.float32)[..., None] for part in np.broadcast_arrays(hue, saturation, value)
    )
    sector = hue * np.float32(6) + np.array([0, 4, 2], np.float32)
    sector = sector - np.float32(6) * np.floor(sector / np.float32(6))
    ramp = np.clip(np.abs(sector - np.float32(3)) - np.float32(1), 0, 1)
    return value * (np.float32(1) - saturation + saturation * ramp)


def blank(color: Array) -> Array:
    """Images (n, 3, 64, 64) of one colour each."""
    return np.repeat(np.repeat(np.asarray(color, np.float32)[:, :, None, None], SIDE, 2), SIDE, 3)


def paint(images: Array, mask: Array, color: Array) -> None:
    """Lay ``color`` ((n, 3) or (n, 3, 64, 64)) over ``images`` where ``mask`` is."""
    if color.ndim == 2:
        color = color[:, :, None, None]
    difference = color - images
    difference *= mask[:, None]
    images += difference


@cache
def _upsampling(cells: int) -> Array:
    """(64, cells + 1) smooth interpolation weights in whole 64ths, so that products of bytes stay exact."""
    matrix = np.zeros((SIDE, cells + 1), np.float32)
    for i in range(SIDE):
        place = (i + 0.5) * cells / SIDE
        left = int(place)
        part = place - left
        weight = round(64 * part * part * (3 - 2 * part))
        matrix[i, left] += 64 - weight
        matrix[i, min(left + 1, cells)] += weight
    return matrix


def noise(draws: Draws, n: int, cells: int, down: int | None = None) -> Array:
    """Smooth random fields (n, 64, 64) in 0..1 with ``cells`` bumps across (and ``down`` of them down)."""
    down = cells if down is None else down
    knots = draws.bytes((n, down + 1, cells + 1)).astype(np.float32)
    # Bytes times two weights of 0..64 sum to less than 2**20: exact in float32 in any order of summation.
    field = _upsampling(down) @ knots @ _upsampling(cells).T
    field *= np.float32(1 / (255 * 64 * 64))
    return field


def fractal(draws: Draws, n: int, cells: int, octaves: int = 3) -> Array:
    """Noise with finer and fainter noise on it, in 0..1."""
    total = noise(draws, n, cells)
    weight, sum_of_weights = 1.0, 1.0
    for _ in range(octaves - 1):
        cells, weight = min(2 * cells, SIDE), weight / 2
        total += np.float32(weight) * noise(draws, n, cells)
        sum_of_weights += weight
    total *= np.float32(1 / sum_of_weights)
    return total


def blurred(images: Array) -> Array:
    """Each pixel averaged with its neighbours (1, 2, 1 along both axes); the border repeats."""
    for axis in (-1, -2):
        before, after = _shifted(images, 1, axis), _shifted(images, -1, axis)
        images = (images + images + before + after) * np.float32(0.25)
    return images


def _shifted(images: Array, by: int, axis: int) -> Array:
    rolled = np.roll(images, by, axis)
    edge = 0 if by > 0 else -1
    target = [slice(None)] * images.ndim
    target[axis] = edge  # type: ignore[call-overload]
    rolled[tuple(target)] = images[tuple(target)]
    return rolled


def coarse(images: Array, factor: int) -> Array:
    """Images as if taken at 1 / factor of the resolution: blocks averaged, then interpolated back."""
    *lead, height, width = images.shape
    blocks = images.reshape(*lead, height // factor, factor, width // factor, factor)
    total = blocks[..., :, 0, :, 0].copy()
    for i in range(factor):
        for j in range(factor):
            if i or j:
                total += blocks[..., :, i, :, j]
    total *= np.float32(1 / factor**2)
    large = np.repeat(np.repeat(total, factor, -2), factor, -1)
    for _ in range(factor // 2):
        large = blurred(large)
    return large


def finish(images: Array, draws: Draws, *, grain: float = 0.03, light: float = 0.15, grey: bool = False) -> Array:
    """uint8 (n, 64, 64, 3), or 1 channel if ``grey``: exposure varies by ``light``, and there is sensor ``grain``."""
    n = len(images)
    if grey:
        weights = np.array([77, 150, 29], np.float32) / np.float32(256)
        images = (images[:, 0] * weights[0] + images[:, 1] * weights[1] + images[:, 2] * weights[2])[:, None]
    if light:
        images = images * (np.float32(1) + draws.bell(light, (n, 1, 1, 1))) + draws.bell(light / 2, (n, 1, 1, 1))
    if grain:
        amount = np.float32(grain / 128) * draws.uniform(0.3, 1.0, (n, 1, 1, 1))
        images = images + (draws.bytes(images.shape).astype(np.float32) - np.float32(127.5)) * amount
    whole = np.floor(np.clip(images, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(whole, 1, -1))
