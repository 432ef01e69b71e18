"""How near is training to what this machine can do? Achieved FLOP/s against the measured peak of a convolution."""

import time
from collections.abc import Callable, Iterator
from statistics import median

import torch
from torch.nn import functional

from bench.pairs import Line
from bench.pruned import _net, _steps
from bench.work import HALF, LITE0, RESNET18, chosen, context, short
from harness.compute.flops import flops_forward, flops_train

BATCH, STEPS, SIZE = 32, 4, 64


ROWS = {
    HALF: {"train bf16": ">= 75 %", "inference bf16": "", "train fp32": ""},
    RESNET18: {"train bf16": ">= 60 %", "inference bf16": ">= 70 %", "train fp32": ""},
    LITE0: {"train fp32": ">= 35 %", "inference fp32": ""},
}
"""What is measured of each net, and what is aimed at; of any other as of the first."""


def rows(pairs: int, net: str | None = None) -> Iterator[Line]:
    peaks = {dtype: _peak(dtype, pairs) for dtype in (torch.float32, torch.bfloat16)}
    found = ", ".join(
        f"{str(dtype).removeprefix('torch.')} {value / 1e9:.0f} GFLOP/s" for dtype, value in peaks.items()
    )
    yield Line("peak", "3x3 convolution of 256 channels, one thread", None, "", found)
    asked = [(one, how) for one in chosen(tuple(ROWS), net) for how in ROWS.get(one, ROWS[HALF])]
    for backbone, how in asked:
        built, aim = _net(context(backbone, SIZE).body(pretrained=False)), ROWS.get(backbone, {}).get(how, "")
        steps = _steps(built, how)
        seconds = _seconds(steps, pairs)
        if how.startswith("train"):
            flops = STEPS * flops_train(built.train(), BATCH, 3, SIZE, SIZE)
        else:
            flops = 2 * STEPS * flops_forward(built, BATCH, 3, SIZE, SIZE)
        peak = peaks[torch.bfloat16 if how.endswith("bf16") else torch.float32]
        name = short(backbone)
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
