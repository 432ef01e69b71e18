"""Which attributes does a species have, and how do they show? Traits of beasts, and what is said of them."""

from functools import cache

import numpy as np

from streams.data.prepared import Array
from streams.emulation.draws import Draws, genes
from streams.emulation.fine_grained import COUNT

_PARTS = {"tail": (0,), "legs": (1, 2, 5, 6), "body": (3, 4), "neck": (7,), "head": (8,), "ear": (9,)}


def _shape(part: str, *fields: int) -> list[int]:
    """Genes of a part's fields: 2 and 3 are its half-axes, 4 its turn, 5 roundness, 6 taper, 7 stripes."""
    return [30 + 10 * p + field for p in _PARTS[part] for field in fields]


TRAITS: tuple[list[int], ...] = (
    [0, 16, 17, 18, 19, 20],  # light or dark
    [1, 2, 3, 4, 5],  # reddish or yellowish
    [11, 12, 13, 14, 15],  # plain or vivid
    [30 + 10 * p + 7 for p in range(10)],  # striped
    _shape("legs", 3),
    _shape("legs", 2),
    _shape("body", 2),
    _shape("body", 3),
    _shape("neck", 3),
    _shape("neck", 2),
    _shape("head", 2, 3),
    _shape("ear", 2, 3),
    _shape("tail", 3),
    _shape("tail", 2),
    [19],  # light belly
    [18],  # light head
    [17],  # light legs
    _shape("body", 5),
    _shape("body", 6),
    _shape("neck", 4),
)
"""The genes of a beast that each trait sets high or low together."""


@cache
def _has(world: str, species: int) -> Array:
    return genes(f"{world} traits", species, len(TRAITS)) > np.float32(0.5)


def species_genes(world: str, species: int) -> Array:
    """Genes (species, 160) of beasts with their traits."""
    found = np.full((species, COUNT), 0.5, np.float32)
    for trait, where in enumerate(TRAITS):
        found[:, where] = np.where(_has(world, species)[:, trait : trait + 1], np.float32(0.93), np.float32(0.07))
    return found


def attributes(world: str, species: int, count: int) -> Array:
    """What is said of each species, uint8 (species, count): a trait, its absence, or two traits together."""
    has = _has(world, species)
    single = np.concatenate([has, ~has], axis=1)
    draws = Draws("attributes", world)
    first, second = draws.integers(single.shape[1], count), draws.integers(single.shape[1], count)
    both = single[:, first] & single[:, second]
    said = np.concatenate([single, both], axis=1)[:, :count]
    return said.astype(np.uint8)
