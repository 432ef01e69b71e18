"""What strokes make a character? A stroke font of our own: polylines on a grid, x 0..4 to the right, y 0..8 down."""

import string
from functools import cache

import numpy as np

from streams.data.prepared import Array
from streams.emulation.draws import Draws

CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase

_LINES = {
    **{
        "0": "10 30 41 45 36 16 05 01 10",
        "1": "11 20 26",
        "2": "01 10 30 41 42 06 46",
        "3": "00 40 22 32 43 45 36 16 05",
    },
    **{"4": "36 30 04 44", "5": "40 00 02 32 43 45 36 16 05", "6": "31 20 02 05 16 36 45 43 32 12 03", "7": "00 40 16"},
    **{"8": "13 02 01 10 30 41 42 33 13 04 05 16 36 45 44 33", "9": "42 33 13 02 01 10 30 41 42 45 36 16"},
    **{"A": "06 20 46|14 34", "B": "03 33 42 41 30 00 06 36 45 44 33", "C": "41 30 10 01 05 16 36 45"},
    **{
        "D": "00 06 26 44 42 20 00",
        "E": "40 00 06 46|03 33",
        "F": "40 00 06|03 33",
        "G": "41 30 10 01 05 16 36 45 43 23",
    },
    **{
        "H": "00 06|40 46|03 43",
        "I": "10 30|20 26|16 36",
        "J": "40 45 36 16 05",
        "K": "00 06|40 03 46",
        "L": "00 06 46",
    },
    **{"M": "06 00 23 40 46", "N": "06 00 46 40", "O": "20 41 45 26 05 01 20", "P": "06 00 30 41 42 33 03"},
    **{"Q": "10 30 41 45 36 16 05 01 10|24 46", "R": "06 00 30 41 42 33 03|23 46"},
    **{"S": "41 30 10 01 02 13 33 44 45 36 16 05", "T": "00 40|20 26", "U": "00 05 16 36 45 40", "V": "00 26 40"},
    **{"W": "00 16 23 36 40", "X": "00 46|40 06", "Y": "00 23 40|23 26", "Z": "00 40 06 46"},
    **{"a": "42 46|43 32 12 03 05 16 36 45", "b": "00 06|03 12 32 43 45 36 16 05", "c": "43 32 12 03 05 16 36 45"},
    **{"d": "40 46|43 32 12 03 05 16 36 45", "e": "04 44 43 32 12 03 05 16 36 45", "f": "41 30 21 26|03 43"},
    **{"g": "43 32 12 03 04 15 35 44|42 47 38 18 07", "h": "00 06|03 12 32 43 46", "i": "22 26|20 20"},
    **{"j": "32 37 28 17|30 30", "k": "00 06|42 04 46", "l": "20 25 36", "m": "06 02|03 12 23 26|23 32 43 46"},
    **{"n": "02 06|03 12 32 43 46", "o": "12 32 43 45 36 16 05 03 12", "p": "02 08|03 12 32 43 45 36 16 05"},
    **{"q": "42 48|43 32 12 03 05 16 36 45", "r": "02 06|04 22 42", "s": "43 32 12 03 14 34 45 36 16 05"},
    **{
        "t": "20 25 36 45|02 42",
        "u": "02 05 16 36 45|42 46",
        "v": "02 26 42",
        "w": "02 16 24 36 42",
        "x": "02 46|42 06",
    },
    **{"y": "02 26|42 18", "z": "02 42 06 46"},
}

LONGEST = 15
"""Segments of the longest character; shorter ones repeat their last point."""

ALPHABETS = {
    "digits": string.digits,
    "letters": string.ascii_uppercase,
    "characters": CHARACTERS,
    # EMNIST's balanced split merges the lower-case letters that look like their capitals.
    "balanced": string.digits + string.ascii_uppercase + "abdefghnqrt",
}


@cache
def character_strokes(alphabet: str) -> tuple[Array, Array]:
    """Points (classes, segments + 1, 2) in -1..1, and pen (classes, segments): whether a segment is drawn."""
    points: list[list[tuple[int, int]]] = []
    pens: list[list[bool]] = []
    for character in ALPHABETS[alphabet]:
        path: list[tuple[int, int]] = []
        pen: list[bool] = []
        for line in _LINES[character].split("|"):
            corners = [(int(corner[0]), int(corner[1])) for corner in line.split()]
            pen += [False] * bool(path) + [True] * (len(corners) - 1)
            path += corners
        points.append(path + path[-1:] * (LONGEST + 1 - len(path)))
        pens.append(pen + [False] * (LONGEST - len(pen)))
    return (np.array(points, np.float32) - np.array([2, 3], np.float32)) / np.float32(4), np.array(pens)


@cache
def radical_strokes(world: str, classes: int) -> tuple[Array, Array]:
    """Characters of two radicals side by side, each of three or four straight strokes; as :func:`character_strokes`.

    With r radicals a class is a pair (left, right), so the classes of a set share parts as Chinese characters do.
    """
    radicals = int(np.ceil(np.sqrt(classes)))
    draws = Draws("radicals", world)
    starts = draws.integers(5, (2, radicals, 4, 2)).astype(np.float32) / np.float32(4)
    kinds = draws.integers(4, (2, radicals, 4))
    direction = np.array([[1, 0], [0, 1], [0.6, 0.9], [-0.6, 0.9]], np.float32)
    # A stroke goes through its start, in one of four directions, and stays inside the radical's box 0..1.
    reach = direction[kinds] * draws.uniform(0.7, 1.6, (2, radicals, 4, 1))
    low, high = np.clip(starts - reach / 2, 0, 1), np.clip(starts + reach / 2, 0, 1)
    pair = np.stack([low, high], axis=-2) * np.array([0.85, 1.7], np.float32) - np.array([0.9, 0.85], np.float32)
    pair[1, ..., 0] += np.float32(0.95)
    c = np.arange(classes)
    left, right = pair[0][c % radicals], pair[1][c // radicals]
    points = np.concatenate([left, right], axis=1).reshape(classes, 16, 2)
    pens = np.broadcast_to(np.arange(LONGEST) % 2 == 0, (classes, LONGEST))
    return points, pens
