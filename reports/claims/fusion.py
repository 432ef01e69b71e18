"""Is fusing better than discarding? Tests of Intra-Fusion's claims: board in, finding out."""

import math

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


def _fused_pairs(board: Board) -> list[tuple[str, str, float]]:
    """(fused, plain, what is kept) of the same layout and the same share kept."""
    found = []
    for layout, family in (("filter", "filter_pruned"), ("channel", "channel_pruned")):
        plain = {how_much(board, label): label for label in pick(board, family)}
        for label in pick(board, "ot_fused", but=("layout",)):
            if str(board.options[label].get("layout", "filter")) == layout and (key := how_much(board, label)) in plain:
                found.append((label, plain[key], kept_share(board, label)))
    return [pair for pair in found if side_by_side(board, *pair[:2])[0]]


_FUSED = "needs ot_fused and the pruned strategy of its layout at the same keep-ratio"


def fused_without_training(board: Board) -> Finding:
    """IF1. Error right after preparing, before any training, where runs recorded it of both with the same seed."""
    pairs = _fused_pairs(board)
    if not pairs:
        return not_tested(_FUSED)
    pairs = [p for p in pairs if "error_before" in board.rows]
    gains = [
        (a, b, budget) for a, b, _ in pairs for budget in shared(board, a, b)[:1]
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
    gains, cells = mean_gain(board, [(a, b) for a, b, _ in pairs])
    found = gain(board, gains, cells)
    return Finding(f"fusion gains {points(found)}, over all budgets", (Question(found),), cells=cells)


def fusion_gain_grows(board: Board) -> Finding:
    """IF3. What fusion gains at the smallest keep-ratio minus what it gains at the largest."""
    pairs = sorted((p for p in _fused_pairs(board) if not math.isnan(p[2])), key=lambda pair: pair[2])
    if len({keep for *_, keep in pairs}) < 2:
        return not_tested("needs ot_fused and its pruned counterpart at two keep-ratios")
    (a, b, small), (c, d, large) = pairs[0], pairs[-1]
    budgets, tables = side_by_side(board, a, b, c, d)
    if not budgets:
        return not_tested("the two keep-ratios share no budget")
    growth = (tables[1] - tables[0]) - (tables[3] - tables[2])
    cells = [(x, budget) for budget in budgets for x in (a, b, c, d)]
    found = gain(board, growth, cells)
    said = f"where {small:g} is kept, fusion gains more than where {large:g} is by {points(found)}"
    return Finding(said, (Question(found),), cells=cells)
