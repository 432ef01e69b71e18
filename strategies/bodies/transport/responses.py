"""What do units compute on images? Their responses, as vectors by which units of a width can be compared."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from strategies.bodies.structure.groups import Group
from strategies.bodies.structure.units import layer

SIDE = 4
"""Maps are averaged down to at most so many rows and columns: enough to see where a unit responds, and affordable."""


@torch.no_grad()
def responses(net: nn.Module, groups: list[Group], images: Tensor) -> dict[str, Tensor]:
    """(width, d) by group name: each unit's output, as the first layer that reads it receives it; one forward pass.

    For a width that no layer reads, the output of its last layer.

    Args:
        net: in eval mode.
    """
    found: dict[str, Tensor] = {}
    hooks = []
    for group in groups:
        consumers = group.of("consumer")
        if consumers:
            module = layer(net, consumers[0].module)
            assert isinstance(module, nn.Module)
            hooks.append(module.register_forward_pre_hook(_read(found, group.name, consumers[0].index)))
        else:
            member = [m for m in group.members if isinstance(layer(net, m.module), nn.Module)][-1]
            module = layer(net, member.module)
            assert isinstance(module, nn.Module)
            hooks.append(module.register_forward_hook(_made(found, group.name, member.index)))
    try:
        net(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _read(found: dict[str, Tensor], name: str, index: Tensor) -> Callable[..., None]:
    def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        found[name] = _by_unit(inputs[0], index)

    return hook


def _made(found: dict[str, Tensor], name: str, index: Tensor) -> Callable[..., None]:
    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        found[name] = _by_unit(output, index)

    return hook


def _by_unit(values: Tensor, index: Tensor) -> Tensor:
    """(n, positions, h, w) or (n, ..., positions) to float32 (width, d)."""
    values = values.float()
    if values.ndim == 4:
        height, width = values.shape[2:]
        values = nn.functional.adaptive_avg_pool2d(values, (min(SIDE, height), min(SIDE, width)))
    positions = values.movedim(1 if values.ndim == 4 else -1, 0).flatten(1).cpu()
    return positions[index].flatten(1)
