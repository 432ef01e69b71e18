"""How much does each width keep? The same share of each, or what one threshold over all widths leaves of it."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from harness.core.errors import UserError
from strategies.bodies.structure.attention import is_attention
from strategies.bodies.structure.cost import layer_flops
from strategies.bodies.structure.groups import Group
from strategies.bodies.structure.removal import length
from strategies.bodies.structure.scores import Score, count_kept, unit_scores
from strategies.bodies.structure.units import layer

Allocation = Literal["layer", "global"]
Ratios = Mapping[str, float]
"""The share of its units that each width keeps, by name of the group."""

Allocate = Callable[[float], Ratios]
"""From the share of all units that stays to that of each width."""

FLOOR = 0.1
"""The least share of a width that a threshold over all of them leaves, so that none is emptied."""


def allocator(net: nn.Module, groups: list[Group], allocation: Allocation, *, score: Score, seed: int) -> Allocate:
    """How ``allocation`` divides a share among ``groups``."""
    if allocation == "layer":
        return lambda keep: dict.fromkeys((group.name for group in groups), keep)
    return by_threshold({group.name: unit_scores(net, group, score, seed=seed) for group in groups})


def by_threshold(scores: Mapping[str, Tensor]) -> Allocate:
    """One threshold for all units: each width's scores are relative to their mean size, or wide layers would win.

    A width keeps at least :data:`FLOOR` of its units, or the share itself where that is less.
    """
    relative = {name: mine / mine.abs().mean().clamp(min=1e-300) for name, mine in scores.items()}
    ranked = torch.cat(list(relative.values())).sort(descending=True).values

    def allocate(keep: float) -> Ratios:
        threshold = ranked[max(1, min(len(ranked), round(keep * len(ranked)))) - 1]
        least = min(keep, FLOOR)
        return {name: max(least, float((mine >= threshold).double().mean())) for name, mine in relative.items()}

    return allocate


def ratios_for_flops(
    body: nn.Module, size: int, groups: list[Group], share: float, allocate: Allocate, *, round_to: int = 1
) -> Ratios:
    """The ratios at which ``body`` keeps ``share`` of its forward FLOPs, as nearly as whole widths allow.

    A layer's FLOPs are proportional to its inputs and to its outputs, attention's own products to its heads, so each
    is counted once, on ``meta``. Heads are few and all attentions lose one at once: their number is settled first, and
    the other widths make up for it.

    Raises:
        UserError: even the smallest widths keep more than that.
    """
    share_of = _share_left(body, size, groups, round_to)
    if (least := share_of(allocate(0.0))) > share:
        raise UserError(f"flops={share:g} is out of reach: with one unit a width {least:.3g} of the FLOPs are left")
    low, high = bracket(lambda keep: share_of(allocate(keep)), share)
    found = [allocate(low), allocate(high)]
    heads = {group.name for group in groups if is_attention(layer(body, group.name))}
    if heads and len(heads) < len(groups):
        for settled in tuple(found):
            fixed = {name: settled[name] for name in heads}
            ends = bracket(lambda keep, fixed=fixed: share_of({**allocate(keep), **fixed}), share)  # type: ignore[misc]
            found += [{**allocate(keep), **fixed} for keep in ends]
    return min(found, key=lambda ratios: abs(share_of(ratios) - share))


def bracket(share_at: Callable[[float], float], share: float) -> tuple[float, float]:
    """Two ratios about a millionth apart, between which ``share_at``, which rises, goes past ``share``."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if share_at(middle) <= share else (low, middle)
    return low, high


def _share_left(body: nn.Module, size: int, groups: list[Group], round_to: int) -> Callable[[Ratios], float]:
    whole, layers = layer_flops(body, size)
    fixed = whole - sum(layers.values())
    lengths = {(m.module, m.dim): length(body, m) for group in groups for m in group.members if m.module in layers}

    def share_of(ratios: Ratios) -> float:
        lost: dict[tuple[str, int], float] = defaultdict(float)
        for group in groups:
            units = group.width - count_kept(group, ratios[group.name], round_to=round_to)
            for member in group.members:
                lost[member.module, member.dim] += units * member.index.shape[1]
        left = dict(layers)
        for (name, dim), gone in lost.items():
            if name in left:
                left[name] *= 1 - gone / lengths[name, dim]
        return (fixed + sum(left.values())) / whole

    return share_of
