"""What does each layer of a net cost? Forward FLOPs of an image, layer by layer, found without arithmetic."""

from typing import Any

import torch
from torch import nn

from harness.compute.flops import Counter
from strategies.bodies.structure.attention import is_attention
from strategies.bodies.structure.shapes import on_meta, shapes_only


def layer_flops(body: nn.Module, size: int) -> tuple[float, dict[str, float]]:
    """Forward FLOPs of an image of ``size`` px: of all, and by name of each convolution and linear layer.

    Of attention, what it computes itself: the products of queries, keys and values.
    """
    layers: dict[str, float] = {}
    with shapes_only(), torch.no_grad(), Counter() as count:
        probe = on_meta(body).eval()

        def begin(name: str) -> Any:
            return lambda *_: layers.update({name: layers.get(name, 0.0) - count.flops})

        def end(name: str) -> Any:
            return lambda *_: layers.update({name: layers[name] + count.flops})

        attention = []
        for name, module in probe.named_modules():
            if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)) or is_attention(module):
                module.register_forward_pre_hook(begin(name))
                module.register_forward_hook(end(name))
            if is_attention(module):
                attention.append(name)
        probe(torch.zeros(1, 3, size, size, device="meta"))
    for name in attention:
        layers[name] -= sum(flops for inner, flops in layers.items() if inner.startswith(f"{name}."))
    return count.flops, layers
