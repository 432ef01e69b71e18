"""How long does a net take an image? Measured on the spot, where a budget is in seconds."""

import time

import torch
from torch import nn

from harness.learning.context import Context

TIMED = 16
"""Images of the pass that is timed."""


def forward_seconds(net: nn.Module, ctx: Context) -> float:
    """Seconds of a forward pass an image, the second of two; what they take counts as any other work."""
    training = net.training
    net.eval()
    images = torch.zeros(TIMED, 3, ctx.size, ctx.size, device=ctx.device)
    took = 0.0
    with torch.inference_mode(), ctx.autocast():
        for _ in range(2):
            begun = time.perf_counter()
            float(net(images).sum())  # Read, so that a GPU has done it.
            took = time.perf_counter() - begun
    net.train(training)
    return took / TIMED
