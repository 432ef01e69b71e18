"""What does every strategy start from? A backbone: a net from images to features, and where its weights came from."""

import copy
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from harness.storage.memo import once


@dataclass(frozen=True)
class Backbone:
    """A net without a head, and all that is needed to make it again.

    Attributes:
        name: written form, for example ``efficientnet_lite0``.
        num_features: width of the features, (n, num_features).
        mean, std: images are given to the net as ``(x - mean) / std``, x in 0..255, per channel.
        build: a new module on the CPU, its weights the caller's to change; ``pretrained=False`` gives random weights
            drawn from torch's global generator and needs no file.
        find_weights: gives ``weights_hash``. Called on first use, so that a backbone whose weights are not here can
            still be opened and counted.
        find_pretraining: what the weights file tells of its making, where ``harness pretrain`` made it; else nothing.
        find_classifier: a new copy of the linear layer that the checkpoint itself has for its own task, from features
            to logits; None if it has none.
        described: what the weights were trained on, where their name does not say it: to stand beside results.
        fetch: brings weights here that opening does not; None where there is nothing to bring.
    """

    name: str
    num_features: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    build: Callable[..., nn.Module] = field(repr=False)
    find_weights: Callable[[], str] = field(default=str, repr=False)
    find_pretraining: Callable[[], Mapping[str, Any]] = field(default=dict, repr=False)
    find_classifier: Callable[[], nn.Linear | None] = field(default=lambda: None, repr=False)
    described: str = ""
    fetch: Callable[[], object] | None = field(default=None, repr=False)

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the weights; empty for random weights.

        Raises:
            UserError: the weights are not here and cannot be had, or are not what they should be.
        """
        return self.find_weights()


class Classifier(nn.Module):
    """A body and a linear head, one for each task. ``forward``: images (n, 3, h, w) to logits (n, classes)."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))  # type: ignore[no-any-return]


def structure(net: nn.Module) -> Hashable:
    """What two nets share whose operations are the same for every input shape, whatever their weights and mode."""
    return (
        tuple((type(module), module.extra_repr(), _plain(module)) for module in net.modules()),
        tuple((name, tuple(p.shape), p.requires_grad) for name, p in net.named_parameters()),
    )


def _plain(module: nn.Module) -> tuple[tuple[str, str], ...]:
    """What a layer of somebody's own may keep to itself: its numbers, texts, tuples and functions."""
    kinds = (bool, int, float, str, tuple)
    # A net is counted once, whether it is about to be trained or to predict.
    own = {name: value for name, value in vars(module).items() if name != "training"}
    plain = {name: repr(value) for name, value in own.items() if isinstance(value, kinds)}
    # By name: the place of a function in memory says nothing.
    called = {name: f"{f.__module__}.{f.__qualname__}" for name, f in own.items() if isinstance(f, FunctionType)}
    return tuple({**plain, **called}.items())


_widths: dict[Hashable, int] = {}
"""Feature widths of nets seen before: a body is made anew for every task."""


def feature_width(body: nn.Module, size: int) -> int:
    """Width of the features that ``body`` gives for images of ``size`` px, found without arithmetic."""
    key = (size, structure(body))
    if key not in _widths:
        _widths[key] = once(("width", key), lambda: _found_width(body, size))
    return _widths[key]


def _found_width(body: nn.Module, size: int) -> int:
    probe = copy.deepcopy(body).to("meta").eval()
    with torch.no_grad():
        features = probe(torch.zeros(1, 3, size, size, device="meta"))
    if features.ndim != 2:
        raise ValueError(f"a backbone gives features (n, width); this one gave shape {tuple(features.shape)}")
    return int(features.shape[1])


def zero_head(width: int, classes: int) -> nn.Linear:
    """A head that starts by saying nothing: all logits equal."""
    head = nn.Linear(width, classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head
