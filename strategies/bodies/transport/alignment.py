"""How do nets of one architecture become one? Their units are matched by optimal transport, then weights are averaged.

After OTFusion (Singh and Jaggi, arXiv 1910.05653): between equal widths the exact plan is a permutation. Widths are
matched in the order of the net, each by what is already in order, then all again by all their weights, as in weight
matching (Ainsworth et al., arXiv 2209.04836), until nothing moves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from strategies.bodies.structure.groups import Group, Member
from strategies.bodies.structure.units import layer, positions_back, positions_first, weight_of
from strategies.bodies.transport.costs import distances, unit_vectors
from strategies.bodies.transport.plans import exact

ROUNDS = 2
"""How often at most all widths are matched again."""

_WEIGHTED = (nn.modules.conv._ConvNd, nn.Linear)


def matchable(groups: Iterable[Group]) -> list[Group]:
    """The widths whose units may change places: not the features, and none whose units fall into blocks."""
    return [group for group in groups if not group.output and group.blocks == 1]


def match_flops(net: nn.Module, groups: list[Group]) -> float:
    """The most that :func:`match` costs: distances between all units, and assignments by the formula of plans."""
    each = 0.0
    for group in groups:
        members = [m for m in group.members if isinstance(layer(net, m.module), _WEIGHTED)]
        length = sum(weight_of(net, m.module).numel() for m in members) / group.width
        each += 2.0 * group.width**2 * length + _solving(group)
    return (1 + ROUNDS) * each


@torch.no_grad()
def match(net: nn.Module, reference: nn.Module, groups: list[Group]) -> float:
    """Put the units of ``net`` in the order of those of ``reference`` that they are nearest to; in place.

    What ``net`` computes stays the same.

    Returns:
        FLOPs of the assignments, by formula; products for distances are tensor operations and not in it.
    """
    spent = 0.0
    ordered: set[str] = set()
    of_some_width = {member.module for group in groups for member in group.of("consumer")}
    for group in groups:
        ready = [m for m in group.members if m.role == "unitwise" or _reads_in_order(m, of_some_width, ordered)]
        _match_one(net, reference, replace(group, members=tuple(ready)), group)
        ordered |= {member.module for member in group.of("consumer")}
        spent += _solving(group)
    for _ in range(ROUNDS):
        moved = [_match_one(net, reference, group, group) for group in groups]
        spent += sum(map(_solving, groups))
        if not any(moved):
            break
    return spent


def _reads_in_order(member: Member, of_some_width: set[str], ordered: set[str]) -> bool:
    return member.role == "producer" and (member.module not in of_some_width or member.module in ordered)


def _solving(group: Group) -> float:
    return 2.0 * group.width**3


def _match_one(net: nn.Module, reference: nn.Module, seen: Group, whole: Group) -> bool:
    """Match the units of ``whole`` by their weights in the layers of ``seen``; tells whether any moved."""
    names = [m.module for m in seen.members if isinstance(layer(net, m.module), _WEIGHTED)]
    wanted, own = (unit_vectors(seen, {name: weight_of(of, name) for name in names}) for of in (reference, net))
    mass = torch.full((whole.width,), 1 / whole.width, dtype=torch.float64)
    slot, source, _ = exact(distances(own, wanted).cpu(), torch.arange(whole.width), mass, mass)
    order = torch.empty_like(source)
    order[slot] = source
    if torch.equal(order, torch.arange(whole.width)):
        return False
    permute(net, whole, order)
    return True


@torch.no_grad()
def permute(net: nn.Module, group: Group, order: Tensor) -> None:
    """Reorder the units of ``group`` in every layer, in place: unit ``order[i]`` becomes unit i."""
    for member in group.members:
        module = layer(net, member.module)
        where, source = member.index.flatten(), member.index[order].flatten()
        if isinstance(module, nn.PReLU) and module.num_parameters == 1:
            continue
        if isinstance(module, nn.Parameter) or isinstance(getattr(module, "weight", None), Tensor):
            weight = weight_of(net, member.module)
            positions = positions_first(weight, member).clone()
            positions[where] = positions[source]
            weight.copy_(positions_back(positions, member))
        if member.role != "consumer" and not isinstance(module, nn.Parameter):
            for entry in ("bias", "running_mean", "running_var"):
                value = getattr(module, entry, None)
                if isinstance(value, Tensor):
                    value.data[where] = value.data[source]


def averaged(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each entry of states of one shape; of counters and the like, which have no mean, the last one's."""
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if value.is_floating_point() else value
        for name, value in states[-1].items()
    }
