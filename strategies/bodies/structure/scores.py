"""Which units matter? Scores from weights alone: no data and no gradient, so a pure function of the checkpoint."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from strategies.bodies.structure.groups import Group, Member
from strategies.bodies.structure.removal import Kept
from strategies.bodies.structure.units import layer, rows, weight_of

Score = Literal["l1", "l2", "random", "largest", "bn", "gm", "conv_in"]


def filters(net: nn.Module, group: Group) -> list[Tensor]:
    """The filters of a group: rows of its producers, and of its depthwise convolutions."""
    convolutions = [m for m in group.of("unitwise") if isinstance(layer(net, m.module), nn.modules.conv._ConvNd)]
    return [_double_rows(net, member) for member in (*group.of("producer"), *convolutions)]


def _double_rows(net: nn.Module, member: Member) -> Tensor:
    return rows(weight_of(net, member.module), member).to("cpu", torch.float64)


def unit_scores(net: nn.Module, group: Group, score: Score, *, seed: int = 0) -> Tensor:
    """float64 (width,): the units with the lowest scores go first.

    - ``l1``, ``l2``: norm of a unit's filters, summed over the layers that the group ties (arXiv 1608.08710).
    - ``largest``: minus l1, so that the largest go first: a control.
    - ``random``: drawn from ``seed`` and the group's name: a control.
    - ``bn``: absolute scale of the batch norms of the group, summed (arXiv 1708.06519).
    - ``conv_in``: l1 of the slices that read a unit, in the layers that consume it: how much is made of it.
    - ``gm``: summed distance of a unit's filters to all others' (geometric median, arXiv 1811.00250).

    Raises:
        UserError: ``bn`` for a group without a batch norm, ``conv_in`` for one that no layer reads.
    """
    match score:
        case "l1":
            return torch.stack([part.abs().sum(dim=1) for part in filters(net, group)]).sum(dim=0)
        case "largest":
            return -unit_scores(net, group, "l1")
        case "l2":
            return torch.stack([part.square().sum(dim=1).sqrt() for part in filters(net, group)]).sum(dim=0)
        case "random":
            return torch.from_numpy(numpy_generator(seed, "random score", group.name).random(group.width))
        case "bn":
            norms = [
                _double_rows(net, m).abs().sum(dim=1) for m in group.of("unitwise") if _is_norm(layer(net, m.module))
            ]
            if not norms:
                raise UserError(f"score=bn: width {group.name!r} has no batch norm; choose l1, l2, gm or random")
            return torch.stack(norms).sum(dim=0)
        case "conv_in":
            readers = [_double_rows(net, member).abs().sum(dim=1) for member in group.of("consumer")]
            if not readers:
                raise UserError(f"score=conv_in: no layer of the net reads width {group.name!r}; choose l1, l2 or gm")
            return torch.stack(readers).sum(dim=0)
        case "gm":
            return torch.stack([torch.cdist(part, part).sum(dim=1) for part in filters(net, group)]).sum(dim=0)


def _is_norm(module: nn.Module | nn.Parameter) -> bool:
    return isinstance(module, nn.modules.batchnorm._NormBase) and module.affine


def count_kept(group: Group, keep: float, *, round_to: int = 1) -> int:
    """Units that stay at keep-ratio ``keep``: at least 1, to the nearest multiple of ``round_to``; equal in all blocks.

    Python's ``round``: halves go to the even number.
    """
    each = group.width // group.blocks
    count = max(1, round(keep * each))
    if round_to > 1:
        count = max(round_to, round_to * round(keep * each / round_to))
    return min(count, each) * group.blocks


def choose(scores: Tensor, count: int, *, blocks: int = 1) -> Tensor:
    """Sorted indices of the ``count`` highest scores, equally many in each block; of equals the first stay."""
    each = scores.view(blocks, -1).numpy()
    best = np.argsort(-each, axis=1, kind="stable")[:, : count // blocks]
    offset = np.arange(blocks)[:, None] * each.shape[1]
    return torch.from_numpy(np.sort((best + offset).ravel()))


def choose_all(
    net: nn.Module,
    groups: list[Group],
    ratios: Mapping[str, float],
    *,
    score: Score = "l1",
    seed: int = 0,
    round_to: int = 1,
) -> Kept:
    """The kept units of every group at its keep-ratio; groups that would lose nothing are left out."""
    kept = {}
    for group in groups:
        count = count_kept(group, ratios[group.name], round_to=round_to)
        if count < group.width:
            kept[group.name] = choose(unit_scores(net, group, score, seed=seed), count, blocks=group.blocks)
    return kept
