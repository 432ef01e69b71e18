"""What does a net read where there are no data? Noise with the spectrum of photographs, as bright as the net expects.

The amplitude of natural pictures falls with spatial frequency as about 1 / f (Field 1987, "Relations between the
statistics of natural images and the response properties of cortical cells"), and their colors go together.
"""

import copy
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.core.seeding import numpy_generator

COLOR = 0.5
"""Deviation of a color from gray, where noise of three independent colors has 1."""


def noise(count: int, size: int) -> Tensor:
    """float32 (count, 3, size, size): pictures of mean 0 and deviation 1 each; always the same ones."""
    random = numpy_generator(0, "probes", size)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf  # Pictures of mean 0.
    spectrum = np.fft.rfft2(random.standard_normal((count, 3, size, size))) / frequency
    pictures = np.fft.irfft2(spectrum, (size, size))
    gray = pictures.mean(axis=1, keepdims=True)
    pictures = gray + COLOR * (pictures - gray)
    pictures /= pictures.std(axis=(1, 2, 3), keepdims=True)
    return torch.from_numpy(pictures.astype(np.float32))


def noise_flops(count: int, size: int) -> float:
    """What drawing it costs: two Fourier transforms of each color, 5 n log2 n FLOPs for n values (Cooley and Tukey)."""
    values = size * size
    return 2 * 3 * count * 5 * values * float(np.log2(values))


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
