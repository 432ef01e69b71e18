"""Which number format is the faster one here? ``precision = "auto"`` becomes it before a run has a key."""

from typing import TYPE_CHECKING, Protocol

from harness.core.spec import Precision

if TYPE_CHECKING:
    from torch import nn


class _Builds(Protocol):
    """A backbone, as far as it is asked here."""

    def build(self, *, pretrained: bool) -> "nn.Module": ...


FORMATS = ("fp32", "bf16", "auto")


def resolved(precision: str, backbone: _Builds) -> Precision:
    """``precision``; for ``auto``, bf16 where this processor computes in it and the net has no depthwise convolutions.

    Those are slower in bf16 on processors; elsewhere a training step of a ResNet is 1.5 times as fast. What a GPU would
    reward is not asked: write ``bf16`` there.
    """
    if precision != "auto":
        return "bf16" if precision == "bf16" else "fp32"
    return "bf16" if computes_bf16() and not has_depthwise(backbone.build(pretrained=False)) else "fp32"


def computes_bf16() -> bool:
    """Whether this processor has instructions for products in bf16, as far as torch can tell."""
    import torch

    # Torch tells it under private names only; where they are missing, nothing is known.
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(ask() for ask in asked if ask is not None)


def has_depthwise(net: "nn.Module") -> bool:
    """Whether a convolution of ``net`` has a group for each channel."""
    from torch import nn

    return any(isinstance(one, nn.Conv2d) and 1 < one.groups == one.in_channels for one in net.modules())
