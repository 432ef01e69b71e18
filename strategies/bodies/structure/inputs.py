"""How can a convolution read fewer of its inputs? A gather before it; what it makes keeps its width.

Each convolution drops input slices of its own, so no widths are tied, and its cost falls in proportion. The norms
behind keep statistics of sums that have lost terms.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from harness.core.errors import UserError
from strategies.bodies.structure.groups import Group, Member
from strategies.bodies.structure.removal import Kept, remove
from strategies.bodies.structure.units import layer

COLORS = 3


def input_groups(net: nn.Module) -> list[Group]:
    """The inputs of each convolution as a group of its own; images and depthwise filters lose none.

    The one member is a ``producer``, which is what is scored: a unit's filters are the slices that read it.

    Raises:
        UserError: no convolution has inputs to lose.
    """
    groups = [
        Group(
            name=name,
            width=module.in_channels,
            members=(Member(name, "producer", 1, torch.arange(module.in_channels)[:, None], module.groups),),
            inner=True,
            output=False,
            residual=False,
            blocks=module.groups,
        )
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d) and COLORS < module.in_channels > module.groups
    ]
    if not groups:
        raise UserError(f"{type(net).__name__} has no convolution whose inputs could be pruned; choose filter_pruned")
    return groups


def read_less(net: nn.Module, groups: list[Group], kept: Kept) -> None:
    """Let each convolution read its ``kept`` inputs only, in place."""
    remove(net, [replace(g, members=tuple(replace(m, role="consumer") for m in g.members)) for g in groups], kept)
    for name, index in kept.items():
        convolution = layer(net, name)
        assert isinstance(convolution, nn.Conv2d)
        convolution.register_buffer("inputs", index.to(convolution.weight.device))
        convolution.register_forward_pre_hook(_gather)


def _gather(convolution: nn.Module, arguments: tuple[Any, ...]) -> tuple[Tensor, ...]:
    assert isinstance(convolution.inputs, Tensor)
    return (arguments[0].index_select(1, convolution.inputs), *arguments[1:])
