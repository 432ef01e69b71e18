"""Does a net still work with fewer units? Tried on ``meta``, where half of each width is taken away for nothing.

A forward pass may need a width to be what it was, for a reshape or a number that it keeps, and no graph shows that.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from strategies.bodies.structure.groups import Group
from strategies.bodies.structure.removal import remove
from strategies.bodies.structure.shapes import copied, on_meta, shapes_only
from strategies.bodies.structure.units import positions_back, positions_first, weight_of


def tried(
    net: nn.Module, size: int, groups: list[Group], *, whole_features: bool
) -> tuple[list[Group], dict[str, str]]:
    """Those of ``groups`` that lose half of their units without harm, alone and together; and why the others do not.

    Args:
        whole_features: the features shall have the width that they had.
    """
    with shapes_only(), torch.no_grad():
        meta = on_meta(net).eval()
        images = torch.zeros(1, 3, size, size, device="meta")
        shape = tuple(meta(images).shape)

        def fault(some: list[Group]) -> str:
            smaller = on_meta(meta)
            try:
                remove(smaller, some, {group.name: _half(group) for group in some})
                out = smaller(images)
            except Exception as error:  # Torch, the net itself and its parts fail in ways of their own.
                return " ".join(f"{type(error).__name__}: {error}".split())[:160]
            changed = tuple(out.shape) != shape if whole_features else out.ndim != len(shape)
            return f"the features would have shape {tuple(out.shape)}" if changed else ""

        return _harmless(groups, fault)


Fault = Callable[[list[Group]], str]
"""What is wrong with a net that loses half of these widths; empty where nothing is."""


def _harmless(groups: list[Group], fault: Fault) -> tuple[list[Group], dict[str, str]]:
    """Those of ``groups`` that do no harm, alone and together; and what is wrong with the others, by name."""
    if not groups or not fault(groups):
        return groups, {}
    # Blocks seldom need a width of their own whole: most often it is the others that do harm.
    parts = ([group for group in groups if group.inner], [group for group in groups if not group.inner])
    faults = {name: reason for part in parts for name, reason in _sifted(part, fault).items()}
    faults = {group.name: faults[group.name] for group in groups if group.name in faults}
    harmless = [group for group in groups if group.name not in faults]
    # What does no harm alone may do it together: the last that joined is then the one too many.
    while harmless and (reason := fault(harmless)):
        faults[harmless.pop().name] = reason
    return harmless, faults


def _sifted(groups: list[Group], fault: Fault) -> dict[str, str]:
    """What is wrong with those of ``groups`` that do harm alone, by name."""
    if not groups or not (reason := fault(groups)):
        return {}
    if len(groups) == 1:
        return {groups[0].name: reason}
    middle = len(groups) // 2
    early = _sifted(groups[:middle], fault)
    if len(early) < middle:
        return early | _sifted(groups[middle:], fault)
    # All so far did harm, so it is likely of the others too, and to try them together would tell nothing.
    return early | {group.name: reason for group in groups[middle:] if (reason := fault([group]))}


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
        # Single precision costs a fraction and settles most nets; what it does not settle is for double to say.
        for dtype in (torch.float32, torch.float64):
            whole, less = _with_and_without(net, size, groups, dtype)
            if whole.shape != less.shape:
                # Some are features without being marked so: a mean over tokens hides it from whoever follows the units.
                inner = [group for group in groups if _shape_without(net, size, group) == whole.shape[1:]]
                return (
                    unread(net, size, inner, tolerance=tolerance) if len(inner) < len(groups) else "its features change"
                )
            apart = float((whole - less).abs().max() / whole.abs().max().clamp(min=1e-30))
            if apart < tolerance:
                return ""
        return f"without units that nobody reads the features differ by {apart:.1g}"


def _with_and_without(net: nn.Module, size: int, groups: list[Group], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Features of noise, by ``net`` of which nobody reads half of the units, and by the net without these."""
    read = {weight_of(net, member.module).data_ptr() for group in groups for member in group.of("consumer")}

    def own(weight: Tensor) -> Tensor:
        cast = weight.to(dtype) if weight.is_floating_point() else weight
        return weight.clone() if cast is weight and weight.data_ptr() in read else cast

    dense = copied(net, own).eval()
    kept = {group.name: _half(group) for group in groups}
    for group in groups:
        gone = torch.ones(group.width, dtype=torch.bool)
        gone[kept[group.name]] = False
        for member in group.of("consumer"):
            weight = weight_of(dense, member.module)
            positions = positions_first(weight, member)
            positions[member.index[gone].flatten()] = 0
            if member.filter_groups > 1:  # Else the positions are the weight itself, seen from another side.
                weight.copy_(positions_back(positions, member))
    smaller = copied(dense, lambda weight: weight)
    remove(smaller, groups, kept)
    noise = torch.rand(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(dtype)
    return _by_unit(dense)(noise), _by_unit(smaller)(noise)


def _shape_without(net: nn.Module, size: int, group: Group) -> torch.Size:
    """Shape of one image's features where half of the units of ``group`` are gone."""
    smaller = on_meta(net).eval()
    remove(smaller, [group], {group.name: _half(group)})
    return torch.Size(smaller(torch.zeros(2, 3, size, size, device="meta")).shape[1:])


def _by_unit(net: nn.Module) -> nn.Module:
    for name, module in list(net.named_modules()):
        if isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
            # Norms of libraries that take channels first are of these kinds too, by another name.
            first = isinstance(module, nn.GroupNorm) or "2d" in type(module).__name__
            net.set_submodule(name, _ByUnit(module, 1 if first else -1))
    return net
