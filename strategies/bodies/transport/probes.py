"""What does a net read where there are no data? Pictures of noise, and of shapes that cover each other.

Both have what nets are trained on: the amplitude of natural pictures falls with spatial frequency as about 1 / f (Field
1987, "Relations between the statistics of natural images and the response properties of cortical cells"), and edges
come from objects of all sizes that occlude each other (dead leaves; Lee, Mumford and Huang 2001, "Occlusion models for
natural images"). Noise alone lacks edges and flat places, and plans made on it were worse.
"""

import copy
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.core.seeding import numpy_generator

Array = np.ndarray[Any, np.dtype[np.float64]]

COLOR = 0.4
"""Deviation of a colour from grey, where three independent colours have 1."""
MOST_LEAVES = 64


def probes(count: int, size: int) -> Tensor:
    """float32 (count, 3, size, size), deviation about 1: half noise, half leaves; always the same ones."""
    random = numpy_generator(0, "probes", size)
    pictures = _noise(random, count, size)
    for number in range(0, count, 2):
        leaves = _leaves(random, size)
        # Some textured, some flat.
        pictures[number] = leaves + max(0.0, random.uniform(-0.3, 0.6)) * pictures[number]
    offset = random.normal(0, 0.4, (count, 1, 1, 1))
    pictures = offset + random.uniform(0.3, 1.5, (count, 1, 1, 1)) * pictures
    return torch.from_numpy(pictures.astype(np.float32))


def _noise(random: np.random.Generator, count: int, size: int) -> Array:
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf  # Pictures of mean 0.
    spectrum = np.fft.rfft2(random.standard_normal((count, 3, size, size))) / frequency
    pictures = _grayer(np.fft.irfft2(spectrum, (size, size)))
    scaled: Array = pictures / pictures.std(axis=(1, 2, 3), keepdims=True)
    return scaled


def _leaves(random: np.random.Generator, size: int) -> Array:
    """Discs and boxes, turned, of random colours on a ground; many small ones and few large ones."""
    y, x = np.mgrid[:size, :size] / size
    ground = _grayer(random.standard_normal((1, 3, 1, 1)))[0]
    picture = np.broadcast_to(ground, (3, size, size)).copy()
    for _ in range(int(random.integers(2, MOST_LEAVES))):
        angle, (left, top), extent = random.uniform(0, np.pi), random.uniform(0, 1, 2), random.uniform(0.25, 1) ** 3 / 2
        along = (x - left) * np.cos(angle) + (y - top) * np.sin(angle)
        across = ((y - top) * np.cos(angle) - (x - left) * np.sin(angle)) / random.uniform(0.4, 1)
        box = random.random() < 0.5
        inside = (np.maximum(abs(along), abs(across)) if box else np.hypot(along, across)) < extent
        picture[:, inside] = (ground + _grayer(random.standard_normal((1, 3, 1, 1)))[0])[:, 0]
    return picture


def _grayer(colors: Array) -> Array:
    gray: Array = colors.mean(axis=1, keepdims=True)
    return gray + COLOR * (colors - gray)


def drawing_flops(count: int, size: int) -> float:
    """What drawing them costs: two Fourier transforms of each colour, 5 n log2 n FLOPs for n values (Cooley and Tukey),
    and 20 FLOPs a pixel for each leaf."""
    values = size * size
    return count * (2 * 3 * 5 * values * float(np.log2(values)) + 20 * values * MOST_LEAVES / 4)


@torch.no_grad()
def brightness(net: nn.Module, pictures: Tensor) -> float:
    """What ``pictures`` are to be multiplied by, for the first batch norm to see the variance it has seen in training.

    Some nets take pixels in 0 to 255, others in -1 to 1, and only their norms know. Without any: 1.
    """

    class Reached(Exception):
        pass

    found = 1.0

    def reach(norm: Any, inputs: tuple[Tensor, ...]) -> None:
        nonlocal found
        seen = inputs[0].float().movedim(1, 0).flatten(1).var(dim=1)
        found = float((norm.running_var.mean() / seen.mean().clamp(min=torch.finfo(seen.dtype).tiny)).sqrt())
        raise Reached

    probe = copy.deepcopy(net)
    for module in probe.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats:
            module.register_forward_pre_hook(reach)
    with suppress(Reached):
        probe(pictures)
    return found
