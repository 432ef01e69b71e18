"""How is a net pruned? One shot, from its weights alone: which share of which widths stays, and by which score.

Two layouts, after "Towards Compute-Optimal Transfer Learning" (arXiv 2304.13164), of which no code and no details are
public, so both are reconstructions: ``channel`` takes from every width, ``filter`` only from widths inside a block.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from harness.core.errors import UserError
from strategies.bodies.structure.allocation import Allocation, allocator, ratios_for_flops
from strategies.bodies.structure.attention import head_groups, with_prunable_attention
from strategies.bodies.structure.groups import Group, Widths, widths
from strategies.bodies.structure.removal import Kept, remove
from strategies.bodies.structure.scores import Score, choose_all
from strategies.bodies.structure.trial import tried, unread

Layout = Literal["filter", "channel"]


@dataclass(frozen=True)
class Pruning:
    """What is taken away.

    Attributes:
        keep: share of the units that stays; 0.5 if neither it nor ``flops`` is given.
        flops: instead of ``keep``, the share of the forward FLOPs that stays; the keep-ratio is found.
        score: the units with the lowest go first; see :func:`strategies.bodies.structure.scores.unit_scores`.
        allocation: ``layer``: every width keeps that share; ``global``: one threshold over the scores of all widths,
            each width's relative to their mean, and a tenth of a width at least; the share is that of all units.
        round_to: widths are rounded to a multiple of this.
    """

    keep: float | None = None
    flops: float | None = None
    score: Score = "l1"
    allocation: Allocation = "layer"
    round_to: int = 1

    def __post_init__(self) -> None:
        if self.keep is not None and self.flops is not None:
            raise UserError(f"keep={self.keep:g} and flops={self.flops:g} are given: give one; they fix each other")
        for name, value in (("keep", self.keep), ("flops", self.flops)):
            if value is not None and not 0 < value < 1:
                what = "removes nothing" if value == 1 else "is no share"
                raise UserError(f"{name}={value:g} {what}: expected a share above 0 and below 1, such as {name}=0.5")
        if self.round_to < 1:
            raise UserError(f"round_to={self.round_to}: expected a multiple of at least 1, such as round_to=8")


def prunable(body: nn.Module, size: int, layout: Layout) -> list[Group]:
    """The widths that ``layout`` takes from: all of them, or those inside a block; in the order of the net.

    Heads of attention count as inside. Those of ``nn.MultiheadAttention`` are found behind
    :func:`strategies.bodies.structure.attention.with_prunable_attention` only.

    What a forward pass needs whole is left out (:mod:`strategies.bodies.structure.trial`).

    Raises:
        UserError: there are none; the message names a layer and the reason.
    """
    return prunable_of(body, size, layout, widths(body, size))


def prunable_of(body: nn.Module, size: int, layout: Layout, found: Widths) -> list[Group]:
    """As :func:`prunable`, of the widths that ``body`` is known to have."""
    order = {name: position for position, (name, _) in enumerate(body.named_modules())}
    ordered = sorted([*found.groups, *head_groups(body)], key=lambda group: order.get(group.name, -1))
    wanted = [group for group in ordered if layout == "channel" or group.inner]
    groups, faults = tried(body, size, wanted, whole_features=layout == "filter")
    if not groups:
        raise UserError(_none(body, layout, {**found.left_out, **faults}))
    return groups


def _none(body: nn.Module, layout: Layout, reasons: Mapping[str, str]) -> str:
    """Why there is nothing to take away."""
    sentence = f"{type(body).__name__} has no width that layout {layout!r} could prune"
    if reasons:
        name, reason = next(iter(reasons.items()))
        return f"{sentence}: the units of {name!r} cannot go one by one, since {reason}; choose another net"
    return sentence + ("; it has no blocks: use layout channel (channel_pruned)" if layout == "filter" else "")


def check_sound(body: nn.Module, size: int, layout: Layout) -> None:
    """Take away units that nobody reads, and compare: what cannot be told from shapes shows in what ``body`` computes.

    Raises:
        UserError: its features change, so that units are not where they are thought to be.
    """
    body = with_prunable_attention(body)
    if reason := unread(body, size, prunable(body, size, layout)):
        raise UserError(f"{type(body).__name__} cannot be pruned by layout {layout!r}: {reason}; choose another net")


def kept_units(body: nn.Module, size: int, groups: list[Group], pruning: Pruning, *, seed: int = 0) -> Kept:
    """The units that stay, a pure function of the weights (and of ``seed`` where the score is random).

    Raises:
        UserError: nothing would be removed.
    """
    keep = 0.5 if pruning.keep is None else pruning.keep
    allocate = allocator(body, groups, pruning.allocation, score=pruning.score, seed=seed)
    if pruning.flops is not None:
        ratios = ratios_for_flops(body, size, groups, pruning.flops, allocate, round_to=pruning.round_to)
    else:
        ratios = allocate(keep)
    kept = choose_all(body, groups, ratios, score=pruning.score, seed=seed, round_to=pruning.round_to)
    if not kept:
        wanted = f"keep={keep:g}" if pruning.flops is None else f"flops={pruning.flops:g}"
        raise UserError(
            f"{wanted}, round_to={pruning.round_to} would remove nothing from {type(body).__name__}: "
            "all its widths round to what they are; choose a lower share"
        )
    return kept


def pruned(body: nn.Module, size: int, layout: Layout, pruning: Pruning, *, seed: int = 0) -> nn.Module:
    """A physically smaller copy of ``body``; only units and their norm entries are gone, nothing else is changed."""
    body = with_prunable_attention(body)
    groups = prunable(body, size, layout)
    kept = kept_units(body, size, groups, pruning, seed=seed)
    smaller = copy.deepcopy(body)
    remove(smaller, groups, kept)
    return smaller
