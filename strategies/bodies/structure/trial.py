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
from strategies.bodies.structure.units import positions_back, positions_first, weight_of


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


class _ByUnit(nn.Module):
    """What a norm over many units leaves of them when it treats each by itself: scale and shift."""

    def __init__(self, norm: nn.Module, dim: int) -> None:
        super().__init__()
        self.norm, self.dim = norm, dim

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = getattr(self.norm, "weight", None), getattr(self.norm, "bias", None)
        shape = [1] * x.ndim
        shape[self.dim] = -1
        x = x if weight is None else x * weight.view(shape)
        return x if bias is None else x + bias.view(shape)


def unread(net: nn.Module, size: int, groups: list[Group], *, tolerance: float = 1e-4) -> str:
    """Why taking away units that nobody reads would change what ``net`` gives; empty where it would not.

    The dense net with the consumers of half of the units set to zero is compared with the net without those units, on
    noise. Norms over many units, whose means change with their number, are replaced by their scale and shift. Units
    that are features themselves are read by whatever comes behind the net, so they are left alone.
    """
    groups = [group for group in groups if not group.output]
    with shapes_only(), torch.no_grad():
        dense = copy.deepcopy(net).eval().double()
        kept = {group.name: _half(group) for group in groups}
        for group in groups:
            gone = torch.ones(group.width, dtype=torch.bool)
            gone[kept[group.name]] = False
            for member in group.of("consumer"):
                weight = weight_of(dense, member.module)
                positions = positions_first(weight, member).clone()
                positions[member.index[gone].flatten()] = 0
                weight.copy_(positions_back(positions, member))
        smaller = copy.deepcopy(dense)
        remove(smaller, groups, kept)
        images = torch.rand(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        whole, less = _by_unit(dense)(images), _by_unit(smaller)(images)
        if whole.shape != less.shape:
            # Some are features without being marked so: a mean over tokens hides it from whoever follows the units.
            inner = [group for group in groups if _shape_without(net, size, group) == whole.shape[1:]]
            return unread(net, size, inner, tolerance=tolerance) if len(inner) < len(groups) else "its features change"
        apart = float((whole - less).abs().max() / whole.abs().max().clamp(min=1e-30))
        return "" if apart < tolerance else f"without units that nobody reads the features differ by {apart:.1g}"


def _shape_without(net: nn.Module, size: int, group: Group) -> torch.Size:
    """Shape of one image's features where half of the units of ``group`` are gone."""
    smaller = copy.deepcopy(net).to("meta").eval()
    remove(smaller, [group], {group.name: _half(group)})
    return torch.Size(smaller(torch.zeros(2, 3, size, size, device="meta")).shape[1:])


def _by_unit(net: nn.Module) -> nn.Module:
    for name, module in list(net.named_modules()):
        if isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
            # Norms of libraries that take channels first are of these kinds too, by another name.
            first = isinstance(module, nn.GroupNorm) or "2d" in type(module).__name__
            net.set_submodule(name, _ByUnit(module, 1 if first else -1))
    return net
