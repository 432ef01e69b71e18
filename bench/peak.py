"""How near is training to what this machine can do? Achieved FLOP/s against the measured peak of a convolution."""

import time
from collections.abc import Callable, Iterator
from statistics import median

import torch
from torch.nn import functional

from bench.pairs import Line
from bench.pruned import _net, _steps
from bench.work import LITE0, RESNET18, context
from harness.compute.flops import flops_forward, flops_train

BATCH, STEPS, SIZE = 32, 4, 64


def rows(pairs: int) -> Iterator[Line]:
    peaks = {dtype: _peak(dtype, pairs) for dtype in (torch.float32, torch.bfloat16)}
    found = ", ".join(
        f"{str(dtype).removeprefix('torch.')} {value / 1e9:.0f} GFLOP/s" for dtype, value in peaks.items()
    )
    yield Line("peak", "3x3 convolution of 256 channels, one thread", None, "", found)
    aims = {"train bf16": ">= 60 %", "inference bf16": ">= 70 %"}
    for backbone, how, aim in (
        (RESNET18, "train bf16", aims["train bf16"]),
        (RESNET18, "inference bf16", aims["inference bf16"]),
        (RESNET18, "train fp32", ""),
        (LITE0, "train fp32", ">= 35 %"),
        (LITE0, "inference fp32", ""),
    ):
        net = _net(context(backbone, SIZE).body(pretrained=False))
        steps = _steps(net, how)
        seconds = _seconds(steps, pairs)
        if how.startswith("train"):
            flops = STEPS * flops_train(net.train(), BATCH, 3, SIZE, SIZE)
        else:
            flops = 2 * STEPS * flops_forward(net, BATCH, 3, SIZE, SIZE)
        peak = peaks[torch.bfloat16 if how.endswith("bf16") else torch.float32]
        name = backbone.partition("(")[0]
        note = f"{flops / seconds / 1e9:.0f} GFLOP/s: {flops / seconds / peak:.0%} of the peak"
        yield Line("peak", f"{name} {SIZE} px, {how}", None, aim, note)


def _seconds(work: Callable[[], None], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return median(times)


def _peak(dtype: torch.dtype, repeats: int) -> float:
    """FLOP/s of a convolution that is bound by arithmetic alone; the best of a few."""
    x = torch.zeros(8, 256, 28, 28, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.zeros(256, 256, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)

    def work() -> None:
        with torch.inference_mode():
            for _ in range(10):
                functional.conv2d(x, weight, padding=1)

    flops = 10 * 2 * 8 * 256 * 26 * 26 * 256 * 9
    return max(flops / _seconds(work, 1) for _ in range(3 * repeats))
