"""Does pruning cost and save what it is said to? Tests of the claims on FLOPs and time: board in, finding out."""

import math

import numpy as np

from reports.boards.board import Board
from reports.boards.evidence import (
    Finding,
    forward_flops,
    keep_of,
    kept,
    not_tested,
    pick,
    shared,
)
from reports.statistics.bootstrap import Draws, Interval

TIME_SAVED = 0.9
FORMULA = 0.02

# Share of the dense ResNet-50's multiply-adds at 224 px, by arithmetic on layer shapes.
RESNET50 = {
    "channel_pruned": {0.9: 0.813, 0.75: 0.568, 0.5: 0.257, 0.25: 0.068, 0.1: 0.012},
    "filter_pruned": {0.9: 0.871, 0.75: 0.695, 0.5: 0.446, 0.25: 0.253, 0.1: 0.165},
}


def zero_shot(board: Board) -> Finding:
    """C10. What was spent before the stream is pruning and nothing else."""
    labels = [label for family in ("filter_pruned", "channel_pruned") for label in pick(board, family)]
    part = board.rows[board.rows["label"].isin(labels) & (board.rows["index"] == board.tasks["index"].min())]
    part = part[part["setup_flops"].notna()]
    if part.empty:
        return not_tested("needs a finished first task of filter_pruned or channel_pruned")
    other = (part["setup_flops"] - part.get("flops_prune", 0)).clip(lower=0)
    cells = sorted({(str(r.label), str(r.budget)) for r in part.itertuples()})
    estimate = Interval(float(other.max()), math.nan, math.nan, len(part), 1)
    said = f"{other.max():.3g} FLOPs before the stream were not pruning, in {len(part)} runs"
    return Finding("supported" if other.max() == 0 else "refuted", said, estimate, cells)


def cost_formula(board: Board) -> Finding:
    """C11. Metered share of the dense FLOPs of a prediction against layer arithmetic, for ResNet-50."""
    if not str(board.setting["backbone"]).endswith("resnet50") or board.reference is None:
        return not_tested("needs the backbone torchvision:resnet50 and dense finetune")
    dense, off, cells = forward_flops(board, board.reference), [], []
    for family, table in RESNET50.items():
        for label in pick(board, family):
            expected, mine = table.get(keep_of(board, label)), forward_flops(board, label)
            if expected and mine > 0:
                off.append(abs(mine / dense / expected - 1))
                cells += [(label, budget) for budget in board.budgets if (label, budget) in board.cells]
    if not off:
        return not_tested(f"needs a keep-ratio of {sorted(RESNET50['filter_pruned'])}")
    estimate = Interval(max(off), math.nan, math.nan, len(off), len(board.tasks))
    verdict = "supported" if max(off) <= FORMULA else "refuted"
    return Finding(verdict, f"off by at most {max(off):.1%} over {len(off)} nets", estimate, cells)  # type: ignore[arg-type]


def time_saved(board: Board) -> Finding:
    """C12. Latency of a prediction at keep 0.5 over the dense net's, beside the share of FLOPs."""
    dense = board.reference
    found = [label for label in pick(board, "filter_pruned") if kept(board, label) == 0.5]
    budgets = shared(board, dense, found[0]) if dense and found else []
    if not dense or not budgets:
        return not_tested("needs dense finetune and filter_pruned with keep or flops 0.5")
    mine, full = (
        np.concatenate([board.values(x, b, "latency_seconds") for b in budgets], axis=1) for x in (found[0], dense)
    )
    times = mine / np.where(full > 0, full, math.nan)
    ratio = Draws(*times.shape).interval(times)
    if not ratio.n:
        return not_tested("these runs recorded no latency")
    share = forward_flops(board, found[0]) / forward_flops(board, dense)
    said = f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] of the time for {share:.2f} of the FLOPs"
    cells = [(label, budget) for budget in budgets for label in (dense, found[0])]
    if ratio.low <= TIME_SAVED < ratio.high or math.isnan(ratio.low):
        return Finding("inconclusive", said, ratio, cells, gains=times, threshold=TIME_SAVED, narrow=False)
    return Finding("supported" if ratio.high < TIME_SAVED else "refuted", said, ratio, cells)
