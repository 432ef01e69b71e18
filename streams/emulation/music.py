"""Who wrote these notes? A few bars of handwritten music; the hand shows in slant, heads, stems and weight."""

import numpy as np

from streams.data.prepared import Array
from streams.emulation.canvas import X, Y, at, blank, blurred, capsule, ellipse, finish, paint, soft, wave
from streams.emulation.draws import Draws


def music(hand: Array, draws: Draws) -> Array:
    """uint8 (n, 64, 64, 1) for writers with genes ``hand`` (n, 8)."""
    n = len(hand)
    images = blank(np.ones((n, 3), np.float32))
    ink = np.zeros((n, 3), np.float32)
    top, gap = draws.bell(0.25, n) - np.float32(0.4), draws.uniform(0.17, 0.21, n)
    for line in range(5):
        height = top + gap * np.float32(line)
        bend = wave(X * at(draws.uniform(0.1, 0.3, n))) * np.float32(0.02)
        off = np.abs(Y - at(height) - bend)
        paint(images, soft(np.float32(0.022) - off, 30.0), ink)
    weight = np.float32(0.02) + np.float32(0.03) * hand[:, 0]
    lean = (hand[:, 1] - np.float32(0.5)) * np.float32(0.5)
    for k in range(5):
        x = np.float32(-0.85 + 0.42 * k) + draws.bell(0.12, n)
        y = top + gap * (draws.integers(9, n).astype(np.float32) / np.float32(2))
        wide, tall = np.float32(0.08) + np.float32(0.06) * hand[:, 2], np.float32(0.05) + np.float32(0.05) * hand[:, 3]
        wide, tall = wide * (1 + draws.bell(0.2, n)), tall * (1 + draws.bell(0.2, n))
        paint(images, ellipse(x, y, wide, tall, -hand[:, 4] * np.float32(0.15)), ink)
        up = np.where(draws.chance(0.5, n), np.float32(-1), np.float32(1))
        length = (np.float32(0.35) + np.float32(0.35) * hand[:, 5]) * (1 + draws.bell(0.15, n))
        side = x - up * wide * np.float32(0.8)
        tip_x, tip_y = side - lean * up * length, y + up * length
        paint(images, capsule(side, y, tip_x, tip_y, weight), ink)
        flag = np.where(draws.chance(0.4, n), np.float32(0.12) + np.float32(0.2) * hand[:, 6], np.float32(0))
        paint(images, capsule(tip_x, tip_y, tip_x + flag, tip_y - up * flag * (hand[:, 7] + 0.3), weight), ink)
    return finish(blurred(images), draws, grain=0.05, light=0.1, grey=True)
