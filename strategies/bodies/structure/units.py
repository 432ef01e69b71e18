"""Where do a layer's weights hold its units? Views of weights with the units in front, and the way back."""

import torch
from torch import Tensor, nn

from strategies.bodies.structure.groups import Member


def layer(net: nn.Module, name: str) -> nn.Module | nn.Parameter:
    """The module or parameter called ``name``."""
    parent, _, leaf = name.rpartition(".")
    found = getattr(net.get_submodule(parent), leaf)
    assert isinstance(found, (nn.Module, nn.Parameter))
    return found


def weight_of(net: nn.Module, name: str) -> Tensor:
    """The weight of the layer ``name``, or the parameter of that name."""
    module = layer(net, name)
    weight = module if isinstance(module, nn.Parameter) else module.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def positions_first(weight: Tensor, member: Member) -> Tensor:
    """(positions, ...): a layer's weight with the dimension of ``member``'s units in front; often a view."""
    if member.filter_groups == 1:
        return weight.movedim(member.dim, 0)
    # (out, in / groups, ...) to (in, out / groups, ...): the inputs of all groups of filters under each other.
    parts = weight.reshape(member.filter_groups, -1, *weight.shape[1:])
    return parts.transpose(1, 2).flatten(0, 1)


def positions_back(positions: Tensor, member: Member) -> Tensor:
    """The inverse of :func:`positions_first`: a weight as the layer holds it."""
    if member.filter_groups == 1:
        return positions.movedim(0, member.dim)
    parts = positions.reshape(member.filter_groups, -1, *positions.shape[1:])
    return parts.transpose(1, 2).flatten(0, 1)


def rows(weight: Tensor, member: Member) -> Tensor:
    """(width, d): what belongs to each unit in a layer's ``weight``, all its positions side by side."""
    return by_unit(positions_first(weight, member), member).reshape(len(member.index), -1)


def by_unit(positions: Tensor, member: Member) -> Tensor:
    """(positions, ...) to (width, k, ...): the k positions of each unit; a view where units and positions agree."""
    if covers(positions, member) and member.index.shape[1] == 1:
        return positions.unsqueeze(1)
    return positions[member.index.to(positions.device)]


def covers(positions: Tensor, member: Member) -> bool:
    """Whether the units lie along all positions, one after the other."""
    return torch.equal(member.index.flatten(), torch.arange(len(positions)))


def write(net: nn.Module, member: Member, kept: Tensor, new: Tensor, *, base: Tensor | None = None) -> None:
    """Put ``new`` (slots, positions each, ...) where the kept units are; the rest is ``base``, or stays as it is."""
    weight = weight_of(net, member.module)
    positions = positions_first(weight, member)
    if base is not None and not covers(positions, member):
        weight.copy_(base)
    positions[member.index[kept].to(positions.device)] = new.to(positions)
    if member.filter_groups > 1:  # Else the positions are the weight itself, seen from another side.
        weight.copy_(positions_back(positions, member))
