"""A body of one's own: the pretrained weights rounded to a few bits, a layer at a time. Any learner learns on it.

harness run smoke --strategy "quantised:Quantised(bits=4)" --strategy "quantised:Quantised(bits=4, learner=ridge)"
"""

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from harness import Body, UserError


@dataclass
class Quantised(Body):
    """Round every filter to ``2**bits`` levels between its extremes; shapes and FLOPs stay."""

    bits: int = 8

    # No unit is gone, and what a norm sees is nearly what it saw before.
    statistics_hold: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 16:
            raise UserError(f"bits={self.bits}: expected 1 to 16, such as bits=8")

    def adapted(self, body: nn.Module, size: int, *, seed: int = 0) -> nn.Module:
        rounded = copy.deepcopy(body)
        with torch.no_grad():
            for layer in rounded.modules():
                if isinstance(layer, (nn.Conv2d, nn.Linear)):
                    flat = layer.weight.flatten(1)
                    low, high = flat.min(dim=1, keepdim=True).values, flat.max(dim=1, keepdim=True).values
                    step = ((high - low) / (2**self.bits - 1)).clamp(min=1e-12)
                    layer.weight.copy_(((flat - low) / step).round().mul(step).add(low).view_as(layer.weight))
        return rounded
