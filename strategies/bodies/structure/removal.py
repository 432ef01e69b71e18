"""How are units taken away, so that the net is really smaller? Slices of weights, and the matching norm entries."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from strategies.bodies.structure.attention import heads_of, is_attention, set_heads
from strategies.bodies.structure.groups import Group, Member
from strategies.bodies.structure.units import layer, weight_of

Kept = Mapping[str, Tensor]
"""Sorted indices of the units that stay, by the name of their group. A group that is not named stays whole."""


@torch.no_grad()
def remove(net: nn.Module, groups: list[Group], kept: Kept) -> None:
    """Take away, in place, all units of ``groups`` that are not in ``kept``. Nothing else is changed."""
    stays: dict[tuple[str, int], Tensor] = {}
    roles: dict[tuple[str, int], Member] = {}
    for group in groups:
        if group.name not in kept:
            continue
        gone = torch.ones(group.width, dtype=torch.bool)
        gone[kept[group.name]] = False
        for member in group.members:
            key = (member.module, member.dim)
            if key not in stays:
                stays[key] = torch.ones(length(net, member), dtype=torch.bool)
            stays[key][member.index[gone].flatten()] = False
            roles[key] = member
    for (name, dim), mask in stays.items():
        if not bool(mask.all()):
            _select(net, name, dim, mask.nonzero().flatten(), roles[name, dim])
    for module in net.modules():
        # The vision transformers of torchvision look up the width that their first convolution gives.
        if hasattr(module, "hidden_dim") and isinstance(first := getattr(module, "conv_proj", None), nn.Conv2d):
            module.hidden_dim = first.out_channels  # type: ignore[assignment]


def length(net: nn.Module, member: Member) -> int:
    """Positions along the dimension in which ``member`` holds the units, those of other groups included."""
    module = layer(net, member.module)
    if isinstance(module, nn.modules.conv._ConvNd) and (member.role == "consumer" or member.filter_groups > 1):
        return module.in_channels  # A grouped convolution holds only the inputs of one of its groups.
    if is_attention(module):
        return heads_of(module)
    return weight_of(net, member.module).shape[member.dim]


def _select(net: nn.Module, name: str, dim: int, index: Tensor, member: Member) -> None:
    module = layer(net, name)
    if isinstance(module, nn.Parameter):
        parent, _, leaf = name.rpartition(".")
        setattr(net.get_submodule(parent), leaf, _sliced(module, dim, index))
        return
    n = len(index)
    match module:
        case nn.modules.conv._ConvNd():
            _select_conv(module, dim, index, member)
        case nn.Linear():
            _slice(module, "weight", dim, index)
            if dim == 0:
                _slice(module, "bias", 0, index)
                module.out_features = n
            else:
                module.in_features = n
        case nn.modules.batchnorm._NormBase():
            for entry in ("weight", "bias", "running_mean", "running_var"):
                _slice(module, entry, 0, index)
            module.num_features = n
        case nn.LayerNorm():
            for entry in ("weight", "bias"):
                _slice(module, entry, 0, index)
            module.normalized_shape = (n,)
        case nn.GroupNorm():
            for entry in ("weight", "bias"):
                _slice(module, entry, 0, index)
            module.num_channels = n
        case nn.PReLU():
            if module.num_parameters > 1:
                _slice(module, "weight", 0, index)
                module.num_parameters = n
        case _ if is_attention(module):
            set_heads(module, n)
        case _:
            raise NotImplementedError(f"cannot remove units from {name} ({type(module).__name__})")


def _select_conv(module: nn.modules.conv._ConvNd, dim: int, index: Tensor, member: Member) -> None:
    n = len(index)
    if member.role == "unitwise":
        _slice(module, "weight", 0, index)
        _slice(module, "bias", 0, index)
        module.in_channels = module.out_channels = module.groups = n
    elif member.role == "producer":
        _slice(module, "weight", dim, index)
        _slice(module, "bias", 0, index)
        module.out_channels = n
    elif module.groups == 1:
        _slice(module, "weight", dim, index)
        module.in_channels = n
    else:
        # Each group of filters loses other inputs, but equally many.
        per_group = module.in_channels // module.groups
        rows = module.weight.detach().chunk(module.groups, dim=0)
        own = index.view(module.groups, -1) % per_group
        weight = torch.cat([part.index_select(dim, mine) for part, mine in zip(rows, own, strict=True)])
        module.weight = nn.Parameter(weight, requires_grad=module.weight.requires_grad)
        module.in_channels = n


def _slice(module: nn.Module, entry: str, dim: int, index: Tensor) -> None:
    value = getattr(module, entry)
    if value is not None:
        setattr(module, entry, _sliced(value, dim, index))


def _sliced(value: Tensor, dim: int, index: Tensor) -> Tensor:
    chosen = value.detach().index_select(dim, index.to(value.device))
    if value.ndim == 4 and value.is_contiguous(memory_format=torch.channels_last):
        chosen = chosen.contiguous(memory_format=torch.channels_last)
    return nn.Parameter(chosen, requires_grad=value.requires_grad) if isinstance(value, nn.Parameter) else chosen
