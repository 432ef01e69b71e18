"""How far apart are two units of a width? Ground costs between their weights, or between what they compute."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from strategies.bodies.structure.groups import Group
from strategies.bodies.structure.units import by_unit, positions_first

Metric = Literal["l2", "l1"]
Weights = Literal["all", "incoming", "outgoing"]

_CLOSE = 1e-4
"""Squared distances below this are worked out again: the quick form leaves rounding of about 1e-7 in them."""


def unit_vectors(group: Group, folded_weights: Mapping[str, Tensor], *, weights: Weights = "all") -> Tensor:
    """(width, d): for each unit its weights in all layers of the group, batch norms folded in, side by side.

    Incoming weights are rows of producers and depthwise filters, outgoing ones columns of consumers. Biases and norms
    that stand alone take no part.

    Args:
        folded_weights: weights of convolutions and linear layers by name; see ``transport.folding``.
    """
    parts = [
        by_unit(positions_first(folded_weights[member.module], member), member)
        for member in group.members
        if member.module in folded_weights
        and weights in ("all", "outgoing" if member.role == "consumer" else "incoming")
    ]
    if not parts:
        return torch.zeros(group.width, 1)
    # Each part is copied once, in its memory order, which makes no difference to a distance.
    lengths = [part[0].numel() for part in parts]
    vectors = parts[0].new_empty(group.width, sum(lengths))
    for part, place in zip(parts, vectors.split(lengths, dim=1), strict=True):
        inner = sorted(range(1, part.ndim), key=part.stride, reverse=True)
        part = part.permute(0, *inner)
        place.unflatten(1, part.shape[1:]).copy_(part)
    return vectors


def normalised(vectors: Tensor) -> Tensor:
    """Each vector at length 1; the vectors of dead units stay zero."""
    lengths: Tensor = vectors.norm(dim=1, keepdim=True)
    return vectors / lengths.clamp(min=torch.finfo(vectors.dtype).tiny)


def distances(vectors: Tensor, others: Tensor, *, metric: Metric = "l2") -> Tensor:
    """(width, others): distances between rows; exactly 0 between equal ones.

    L2 is one matrix product; L1 has none, and takes 20 to 30 times as long.
    """
    if metric == "l1":
        return torch.cdist(vectors, others, p=1)
    squares, other_squares = vectors.square().sum(dim=1), others.square().sum(dim=1)
    squared = torch.addmm(squares[:, None] + other_squares[None, :], vectors, others.T, alpha=-2).clamp_(min=0)
    scale = float(torch.maximum(squares.max(), other_squares.max()).clamp(min=torch.finfo(vectors.dtype).tiny))
    near, far = (squared < _CLOSE * scale).nonzero(as_tuple=True)
    for start in range(0, len(near), 4096):
        here = slice(start, start + 4096)
        squared[near[here], far[here]] = (vectors[near[here]] - others[far[here]]).square().sum(dim=1)
    return squared.sqrt_()


def centers(vectors: Tensor, first: Tensor, *, rounds: int = 10) -> Tensor:
    """Centres of clusters of ``vectors`` (k-means) from ``first`` on; a cluster that runs empty keeps its centre."""
    found = first.clone()
    for _ in range(rounds):
        nearest = distances(vectors, found).argmin(dim=1)
        counts = torch.bincount(nearest, minlength=len(found))
        sums = torch.zeros_like(found).index_add_(0, nearest, vectors)
        moved = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), found)
        if torch.equal(moved, found):
            break
        found = moved
    return found
