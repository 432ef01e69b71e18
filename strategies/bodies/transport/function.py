"""Which kept units together compute what a removed one did? Least squares over what their consumers read.

The cousin of a transport plan without its restrictions: shares may be negative and need not add to one, and they are
chosen by function, not by weights. For each layer that reads a width, a removed unit r is replaced by the combination
``sum_k A[r, k] h_k + c_r`` of kept ones that is nearest to ``h_r`` over pictures that are drawn at random, by ridge
regression; the layer's slice for k becomes ``W_k + sum_r A[r, k] W_r``, the constants go into the mean of the norm
behind it, or into its bias, and what makes the kept units stays as it is. Kin: neuron merging (Kim et al., arXiv
2010.13160), and the reconstruction of feature maps on data (He et al., arXiv 1707.06168).
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from strategies.bodies.structure.groups import Group, Member
from strategies.bodies.structure.removal import Kept
from strategies.bodies.structure.units import by_unit, layer, positions_first, weight_of, write
from strategies.bodies.transport.folding import NORMS, norms_behind
from strategies.bodies.transport.probes import brightness, probes

BATCH = 32


@dataclass(frozen=True, eq=False)
class Moments:
    """What a layer reads of each unit, over pictures and places; float64 (width,) and (width, width)."""

    mean: Tensor
    covariance: Tensor


@torch.no_grad()
def carry_on(
    net: nn.Module, groups: list[Group], kept: Kept, size: int, *, count: int, shrinkage: float, rest: float
) -> dict[str, float]:
    """Let the consumers of ``groups`` make up, in place, for units that are not ``kept``, which can then be removed.

    All shares are found in the net as it is, so the order of groups makes no difference. What it costs are tensor
    operations: one forward pass of the pictures, and products and solvers.

    Args:
        count: pictures.
        shrinkage: penalty, relative to the mean variance of the kept units.
        rest: how much of the constants is given back; 1 is right on the pictures, and as wrong elsewhere as units
            give something else there.

    Returns:
        by group, the share of the variance of removed units, over the pictures, that is lost.
    """
    members = [(group, member) for group in groups for member in group.of("consumer")]
    norms = norms_behind(net, size)
    lost = {group.name: [0.0, 0.0] for group in groups}
    for (group, member), seen in zip(members, _moments(net, members, probes(count, size)), strict=True):
        units = by_unit(positions_first(weight_of(net, member.module), member), member)
        new = units[kept[group.name]].clone()
        missing = torch.zeros_like(seen.mean)
        for stays, goes, slots in _blocks(group, kept[group.name]):
            among, across = seen.covariance[stays][:, stays], seen.covariance[stays][:, goes]
            shares = _shares(among, across, shrinkage)
            new[slots] += (shares.T @ units[goes].double().flatten(1)).view_as(new[slots]).to(new.dtype)
            missing[goes] = seen.mean[goes] - shares @ seen.mean[stays]
            lost[group.name][0] += float(2 * (shares.T * across).sum() - ((shares @ among) * shares).sum())
            lost[group.name][1] += float(seen.covariance[goes, goes].sum())
        if rest:
            _give_back(net, member, units, rest * missing, norms)
        write(net, member, kept[group.name], new)
    return {name: 1 - carried / given if given > 0 else 0.0 for name, (carried, given) in lost.items()}


def _shares(among: Tensor, across: Tensor, shrinkage: float) -> Tensor:
    """float64 (goes, stays): how much of each unit that stays is in each that goes, by their covariances."""
    penalty = (shrinkage * among.diagonal().mean()).clamp(min=torch.finfo(among.dtype).tiny)
    solved: Tensor = torch.linalg.solve(among + penalty * torch.eye(len(among), dtype=among.dtype), across)
    return solved.T


def _give_back(net: nn.Module, member: Member, units: Tensor, constants: Tensor, norms: dict[str, str]) -> None:
    """Add to what a layer gives what it would make of constant inputs; layers without norm and bias stay as they are.

    At the rim of a map, where a convolution reads zeros, it is too much.
    """
    module = layer(net, member.module)
    if member.filter_groups > 1 or not isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
        return
    taps = units.double().flatten(3).sum(dim=3) if units.ndim > 3 else units.double()  # (width, positions, outputs)
    added = (constants[:, None] * taps.sum(dim=1)).sum(dim=0)
    if member.module in norms:
        norm = layer(net, norms[member.module])
        assert isinstance(norm, NORMS) and norm.running_mean is not None
        norm.running_mean.sub_(added.to(norm.running_mean))
    elif module.bias is not None:
        module.bias.add_(added.to(module.bias))


def _blocks(group: Group, kept: Tensor) -> list[tuple[Tensor, Tensor, slice]]:
    """For each block of units that do not mix: those that stay, those that go, and the places of the former."""
    stays = torch.zeros(group.width, dtype=torch.bool)
    stays[kept] = True
    found, slots = [], len(kept) // group.blocks
    for block, units in enumerate(torch.arange(group.width).view(group.blocks, -1)):
        own = slice(block * slots, (block + 1) * slots)
        found.append((units[stays[units]], units[~stays[units]], own))
    return found


def _moments(net: nn.Module, members: list[tuple[Group, Member]], pictures: Tensor) -> list[Moments]:
    """What each consumer reads of its units, in the net as it is."""
    probe = copy.deepcopy(net).eval()
    like = next(probe.parameters())
    pictures = brightness(probe, pictures[:BATCH].to(like)) * pictures.to(like)
    sums = [torch.zeros(group.width, dtype=torch.float64) for group, _ in members]
    products = [torch.zeros(group.width, group.width, dtype=torch.float64) for group, _ in members]
    samples = [0] * len(members)

    def read(number: int, index: Tensor) -> Any:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            values = inputs[0].movedim(1, 0) if inputs[0].ndim == 4 else inputs[0].movedim(-1, 0)
            units = values.flatten(1)[index].flatten(1)
            products[number] += (units @ units.T).double()
            sums[number] += units.double().sum(dim=1)
            samples[number] += units.shape[1]

        return hook

    for number, (_, member) in enumerate(members):
        module = layer(probe, member.module)
        assert isinstance(module, nn.Module)
        module.register_forward_pre_hook(read(number, member.index))
    for batch in pictures.split(BATCH):
        probe(batch)
    found = []
    for total, product, count in zip(sums, products, samples, strict=True):
        mean = total / count
        found.append(Moments(mean, product / count - mean[:, None] * mean[None, :]))
    return found
