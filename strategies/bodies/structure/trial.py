"""Does a net still work with fewer units? Tried on ``meta``, where half of each width is taken away for nothing.

A forward pass may need a width to be what it was, for a reshape or a number that it keeps, and no graph shows that.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from strategies.bodies.structure.groups import Group
from strategies.bodies.structure.removal import remove
from strategies.bodies.structure.shapes import shapes_only


def tried(
    net: nn.Module, size: int, groups: list[Group], *, whole_features: bool
) -> tuple[list[Group], dict[str, str]]:
    """Those of ``groups`` that lose half of their units without harm, alone and together; and why the others do not.

    Args:
        whole_features: the features shall have the width that they had.
    """
    with shapes_only(), torch.no_grad():
        meta = copy.deepcopy(net).to("meta").eval()
        images = torch.zeros(1, 3, size, size, device="meta")
        shape = tuple(meta(images).shape)

        def fault(some: list[Group]) -> str:
            smaller = copy.deepcopy(meta)
            try:
                remove(smaller, some, {group.name: _half(group) for group in some})
                out = smaller(images)
            except Exception as error:  # Torch, the net itself and its parts fail in ways of their own.
                return " ".join(f"{type(error).__name__}: {error}".split())[:160]
            changed = tuple(out.shape) != shape if whole_features else out.ndim != len(shape)
            return f"the features would have shape {tuple(out.shape)}" if changed else ""

        harmless, faults = _sifted(groups, fault)
        # What does no harm alone may do it together: the last that joined is then the one too many.
        while harmless and (reason := fault(harmless)):
            faults[harmless.pop().name] = reason
    return harmless, faults


def _sifted(groups: list[Group], fault: Callable[[list[Group]], str]) -> tuple[list[Group], dict[str, str]]:
    if not groups or not (reason := fault(groups)):
        return groups, {}
    if len(groups) == 1:
        return [], {groups[0].name: reason}
    middle = len(groups) // 2
    (first, early), (second, late) = _sifted(groups[:middle], fault), _sifted(groups[middle:], fault)
    return first + second, early | late


def _half(group: Group) -> Tensor:
    each = group.width // group.blocks
    stay = torch.arange(group.width).view(group.blocks, each)[:, : max(1, each // 2)]
    return stay.flatten()
