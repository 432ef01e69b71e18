"""What do the rows work on? Nets, images and a context, made from a seed; speed does not depend on what is seen."""

import numpy as np
import torch
from torch import nn

from harness.compute.backbone import Backbone, Classifier
from harness.compute.meter import ComputeMeter
from harness.config.registry import make
from harness.core.spec import Precision, Setting
from harness.core.task import Examples, Kind, Phase, Provenance, Task
from harness.learning.context import Context

HALF, LITE0, RESNET18 = "resnet50_half", "efficientnet_lite0", "torchvision:resnet18(weights=none)"
CLASSES = 10


def chosen(nets: tuple[str, ...], net: str | None) -> tuple[str, ...]:
    """``nets``, or the one that was asked for."""
    return nets if net is None else (net,)


def short(net: str) -> str:
    """The name of a backbone without its options."""
    return net.partition("(")[0]


def images(count: int, size: int, *, seed: int = 0) -> Examples:
    """Noise with a class in its brightness, so that a net has something to learn."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    noise = rng.integers(0, 120, (count, size, size, 3), dtype=np.uint8)
    return Examples(noise + (labels * 12).astype(np.uint8)[:, None, None, None], labels.astype(np.int64))


def task(data: Examples) -> Task:
    return Task(
        "bench", 2000, "noise", Kind.MULTICLASS, CLASSES, Provenance.EMULATED, Phase.DEVELOPMENT, lambda split: data
    )


def context(backbone: str, size: int, *, precision: Precision = "fp32") -> Context:
    """A context without a limit; loops end by their epochs."""
    opened: Backbone = make("backbones", backbone)
    return Context(opened, Setting(backbone=backbone, size=size, precision=precision), 0, ComputeMeter())


def classifier(ctx: Context, data: Examples) -> Classifier:
    torch.manual_seed(0)
    return ctx.classifier(task(data), ctx.body(pretrained=False))


def steps(count: int, batch: int, examples: int) -> float:
    """Epochs that make ``count`` steps."""
    return count * batch / examples


def thawed(net: nn.Module, *, trainable: bool) -> nn.Module:
    for parameter in net.parameters():
        parameter.requires_grad_(trainable)
    return net
