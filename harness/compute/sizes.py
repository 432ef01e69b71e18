"""Which image sizes does a net take? Tried on ``meta``, without arithmetic, before anything is spent."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from harness.compute.backbone import Backbone
from harness.core.errors import UserError

SIZES = (
    32,
    48,
    64,
    80,
    96,
    112,
    128,
    160,
    176,
    192,
    224,
    240,
    256,
    288,
    299,
    320,
    331,
    336,
    384,
    448,
    512,
    518,
    768,
    896,
)
"""Sides in pixels that published nets are made for, and some between."""

NAMED = 3
"""How many sizes are named to a person whose size is not taken."""


class _EmptyOnMeta(TorchFunctionMode):
    """Weights are made without memory; numbers that a net works out its widths from stay numbers."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        # Layers name the device that they were not given: None.
        if func is torch.empty and kwargs.get("out") is None and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


@contextmanager
def without_weights() -> Iterator[None]:
    """Inside, layers are made on ``meta``, so that a net of any size takes no time and no memory."""
    with _EmptyOnMeta(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Initial weights of layers that have none.
        yield


def shape_only(build: Callable[[], nn.Module]) -> nn.Module:
    """The net that ``build`` makes, on ``meta``; no random numbers are drawn."""
    with torch.random.fork_rng(devices=[]):
        try:
            with without_weights():
                net = build()
        except (NotImplementedError, RuntimeError):  # A net that works with the weights it has just made.
            net = build()
    return net.to("meta")


def takes(net: nn.Module, size: int) -> str:
    """Why a net on ``meta`` does not take images of ``size`` px; empty where it does."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = net.eval()(torch.zeros(1, 3, size, size, device="meta"))
    except Exception as error:  # Nets say it with assertions, with errors of torch and of their own.
        reason = " ".join(str(error).split())
        return f"{type(error).__name__}: {reason[:120]}" if reason else type(error).__name__
    if not isinstance(out, Tensor):
        return f"it gives a {type(out).__name__} instead of features (n, width)"
    if out.ndim != 2:
        return f"it gives shape {tuple(out.shape)} instead of features (n, width)"
    return "" if out.numel() else "nothing is left of the image"


def check_size(backbone: Backbone, size: int) -> None:
    """Refuse a size that a backbone does not take.

    Raises:
        UserError: it does not; the message names sizes that it takes, the nearest first.
    """
    net = shape_only(lambda: backbone.build(pretrained=False))
    if not (reason := takes(net, size)):
        return
    near: list[int] = []
    for other in sorted(SIZES, key=lambda other: max(other, size) / min(other, size)):
        if len(near) < NAMED and other != size and not takes(net, other):
            near.append(other)
    if not near:
        raise UserError(f"backbone {backbone.name} cannot be used at {size} px or any other size ({reason})")
    others = ", ".join(map(str, near))
    raise UserError(f"backbone {backbone.name} does not take images of {size} px ({reason}); choose --size {others}")
