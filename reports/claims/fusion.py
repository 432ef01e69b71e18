"""Is fusing better than discarding? Tests of Intra-Fusion's claims: board in, finding out."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reports.boards.board import Board
from reports.boards.evidence import (
    gain,
    how_much,
    kept_share,
    mean_gain,
    mean_where_all,
    pick,
    points,
    shared,
    side_by_side,
)
from reports.claims.verdict import Finding, Question, not_tested


class _Pair(NamedTuple):
    """A fused strategy, the plainly pruned one of its layout and share, and what both keep.

    Attributes:
        ruler: layout, and whether ``kept`` is a keep-ratio or a share of FLOPs: only of one ruler can two be compared.
    """

    fused: str
    plain: str
    kept: float
    ruler: tuple[str, str]


def _fused_pairs(board: Board) -> list[_Pair]:
    found = []
    for layout, family in (("filter", "filter_pruned"), ("channel", "channel_pruned")):
        plain = {how_much(board, label): label for label in pick(board, family)}
        for label in pick(board, "ot_fused", but=("layout",)):
            if str(board.options[label].get("layout", "filter")) == layout and (key := how_much(board, label)) in plain:
                ruler = (layout, "keep" if board.options[label].get("flops") is None else "flops")
                found.append(_Pair(label, plain[key], kept_share(board, label), ruler))
    return [pair for pair in found if side_by_side(board, pair.fused, pair.plain)[0]]


_FUSED = "needs ot_fused and the pruned strategy of its layout at the same keep-ratio"


def fused_without_training(board: Board) -> Finding:
    """IF1. Error right after preparing, before any training, where runs recorded it of both with the same seed."""
    pairs = _fused_pairs(board)
    if not pairs:
        return not_tested(_FUSED)
    pairs = [p for p in pairs if "error_before" in board.rows]
    gains = [
        (a, b, budget) for a, b, *_ in pairs for budget in shared(board, a, b)[:1]
        if not np.isnan(board.values(a, budget, "error_before")).all()
    ]  # fmt: skip
    if not gains:
        return not_tested("no run recorded an error before training; 'make bench-fusion' measures this one")
    sides = [[board.values(x, budget, "error_before") for x in (a, b)] for a, b, budget in gains]
    fused, plain = mean_where_all(np.asarray(sides))
    cells = [(x, budget) for a, b, budget in gains for x in (a, b)]
    found = gain(board, plain - fused, cells)
    said = f"fusion gains {points(found)} before any training, with a head fitted in closed form"
    return Finding(said, (Question(found),), cells=cells)


def fused_after_finetuning(board: Board) -> Finding:
    """IF2. Fused against plainly pruned at equal budget, over all shared budgets and keep-ratios."""
    pairs = _fused_pairs(board)
    if not pairs:
        return not_tested(_FUSED)
    gains, cells = mean_gain(board, [(pair.fused, pair.plain) for pair in pairs])
    found = gain(board, gains, cells)
    return Finding(f"fusion gains {points(found)}, over all budgets", (Question(found),), cells=cells)


def fusion_gain_grows(board: Board) -> Finding:
    """IF3. What fusion gains at the smallest keep-ratio minus what it gains at the largest.

    Both of one layout, and both keep-ratios or both shares of FLOPs: of those in which most were made.
    """
    found = sorted((pair for pair in _fused_pairs(board) if not math.isnan(pair.kept)), key=lambda pair: pair.kept)
    rulers = dict.fromkeys(pair.ruler for pair in found)
    pairs = max(([pair for pair in found if pair.ruler == ruler] for ruler in rulers), key=_steps, default=[])
    if _steps(pairs) < 2:
        return not_tested("needs ot_fused and its pruned counterpart of one layout at two keep-ratios")
    (a, b, small, _), (c, d, large, _) = pairs[0], pairs[-1]
    budgets, tables = side_by_side(board, a, b, c, d)
    if not budgets:
        return not_tested("the two keep-ratios share no budget")
    growth = (tables[1] - tables[0]) - (tables[3] - tables[2])
    cells = [(x, budget) for budget in budgets for x in (a, b, c, d)]
    grown = gain(board, growth, cells)
    said = f"where {small:g} is kept, fusion gains more than where {large:g} is by {points(grown)}"
    return Finding(said, (Question(grown),), cells=cells)


def _steps(pairs: Sequence[_Pair]) -> int:
    return len({pair.kept for pair in pairs})
