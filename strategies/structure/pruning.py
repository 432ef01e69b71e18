"""How is a net pruned? One shot, from its weights alone: which share of which widths stays, and by which score.

Two layouts, after "Towards Compute-Optimal Transfer Learning" (arXiv 2304.13164), of which no code and no details are
public, so both are reconstructions: ``channel`` takes from every width, ``filter`` only from widths inside a block.
"""

import copy
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from harness.errors import UserError
from harness.flops import Counter
from strategies.structure.groups import Group, channel_groups
from strategies.structure.removal import Kept, length, remove
from strategies.structure.scores import Score, choose_all, count_kept
from strategies.structure.shapes import shapes_only

Layout = Literal["filter", "channel"]


@dataclass(frozen=True)
class Pruning:
    """What is taken away.

    Attributes:
        keep: share of the units of each width that stays; 0.5 if neither it nor ``flops`` is given.
        flops: instead of ``keep``, the share of the forward FLOPs that stays; the keep-ratio is found.
        score: the units with the lowest go first; see :func:`strategies.structure.scores.unit_scores`.
        round_to: widths are rounded to a multiple of this.
    """

    keep: float | None = None
    flops: float | None = None
    score: Score = "l1"
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
    """The widths that ``layout`` takes from: all of them, or those inside a block.

    Raises:
        UserError: there are none.
    """
    groups = [group for group in channel_groups(body, size) if layout == "channel" or group.inner]
    if not groups:
        hint = "; it has no blocks: use layout channel (channel_pruned)" if layout == "filter" else ""
        raise UserError(f"{type(body).__name__} has no width that layout {layout!r} could prune{hint}")
    return groups


def kept_units(body: nn.Module, size: int, groups: list[Group], pruning: Pruning, *, seed: int = 0) -> Kept:
    """The units that stay, a pure function of the weights (and of ``seed`` where the score is random).

    Raises:
        UserError: nothing would be removed.
    """
    keep = 0.5 if pruning.keep is None else pruning.keep
    if pruning.flops is not None:
        keep = keep_for_flops(body, size, groups, pruning.flops, round_to=pruning.round_to)
    kept = choose_all(body, groups, keep, score=pruning.score, seed=seed, round_to=pruning.round_to)
    if not kept:
        raise UserError(
            f"keep={keep:g}, round_to={pruning.round_to} would remove nothing from {type(body).__name__}: "
            "all its widths round to what they are; choose a lower keep"
        )
    return kept


def pruned(body: nn.Module, size: int, layout: Layout, pruning: Pruning, *, seed: int = 0) -> nn.Module:
    """A physically smaller copy of ``body``; only units and their norm entries are gone, nothing else is changed."""
    groups = prunable(body, size, layout)
    kept = kept_units(body, size, groups, pruning, seed=seed)
    smaller = copy.deepcopy(body)
    remove(smaller, groups, kept)
    return smaller


def keep_for_flops(body: nn.Module, size: int, groups: list[Group], share: float, *, round_to: int = 1) -> float:
    """The keep-ratio at which ``body`` keeps ``share`` of its forward FLOPs, as nearly as whole widths allow.

    A layer's FLOPs are proportional to its inputs and to its outputs, so each layer is counted once, on ``meta``.

    Raises:
        UserError: even the smallest widths keep more than that.
    """
    whole, layers = _layer_flops(body, size)
    fixed = whole - sum(layers.values())
    lengths = {(m.module, m.dim): length(body, m) for group in groups for m in group.members if m.module in layers}

    def share_at(keep: float) -> float:
        lost: dict[tuple[str, int], float] = defaultdict(float)
        for group in groups:
            units = group.width - count_kept(group, keep, round_to=round_to)
            for member in group.members:
                lost[member.module, member.dim] += units * member.index.shape[1]
        left = dict(layers)
        for (name, dim), gone in lost.items():
            if name in left:
                left[name] *= 1 - gone / lengths[name, dim]
        return (fixed + sum(left.values())) / whole

    low, high = 0.0, 1.0
    if (least := share_at(low)) > share:
        raise UserError(f"flops={share:g} is out of reach: with one unit a width {least:.3g} of the FLOPs are left")
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if share_at(middle) <= share else (low, middle)
    return min((low, high), key=lambda keep: abs(share_at(keep) - share))


def _layer_flops(body: nn.Module, size: int) -> tuple[float, dict[str, float]]:
    """Forward FLOPs of an image: of all, and of each convolution and linear layer by name."""
    layers: dict[str, float] = {}
    with shapes_only(), torch.no_grad(), Counter() as count:
        probe = copy.deepcopy(body).to("meta").eval()

        def begin(name: str) -> Any:
            return lambda *_: layers.update({name: layers.get(name, 0.0) - count.flops})

        def end(name: str) -> Any:
            return lambda *_: layers.update({name: layers[name] + count.flops})

        for name, module in probe.named_modules():
            if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
                module.register_forward_pre_hook(begin(name))
                module.register_forward_hook(end(name))
        probe(torch.zeros(1, 3, size, size, device="meta"))
    return count.flops, layers
