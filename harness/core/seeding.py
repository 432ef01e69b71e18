"""Where does randomness come from? From names: a new consumer never shifts the numbers of another."""

import hashlib

import numpy as np
import torch


def named_seed(seed: int, *names: object) -> int:
    """A 63-bit seed, a pure function of ``seed`` and the ``names``."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int, *names: object) -> torch.Generator:
    """A CPU generator: draws are made on the CPU, so that they are the same on every device."""
    return torch.Generator().manual_seed(named_seed(seed, *names))


def numpy_generator(seed: int, *names: object) -> np.random.Generator:
    return np.random.default_rng(named_seed(seed, *names))
