"""Does pruning cost and save what it is said to? Tests of the claims on FLOPs and time: board in, finding out."""

import numpy as np

from reports.boards.board import Board
from reports.boards.evidence import forward_flops, gain, keep_ratio, kept_share, pick, side_by_side
from reports.claims.verdict import Finding, Question, not_tested
from reports.statistics.student import HERE, LIKE, Estimate

TIME_SAVED = 0.9
FORMULA = 0.02

# Share of the dense ResNet-50's multiply-adds at 224 px, by arithmetic on layer shapes.
RESNET50 = {
    "channel_pruned": {0.9: 0.813, 0.75: 0.568, 0.5: 0.257, 0.25: 0.068, 0.1: 0.012},
    "filter_pruned": {0.9: 0.871, 0.75: 0.695, 0.5: 0.446, 0.25: 0.253, 0.1: 0.165},
}


def zero_shot(board: Board) -> Finding:
    """C10. What was kept is named by a digest: pruned from weights alone, it is the same with every seed and budget."""
    labels = [label for family in ("filter_pruned", "channel_pruned") for label in pick(board, family)]
    if "prepared" not in board.rows:
        return not_tested("no run recorded what was kept; runs of this version do")
    part = board.rows[board.rows["label"].isin(labels) & board.rows["prepared"].fillna("").ne("")]
    several = [label for label, mine in part.groupby("label") if len(mine) > 1]
    if not several:
        return not_tested("needs filter_pruned or channel_pruned in two runs that recorded what was kept")
    part = part[part["label"].isin(several)]
    names = part.groupby("label")["prepared"].nunique()
    cells = sorted({(str(row.label), str(row.budget)) for row in part.itertuples()})
    said = (
        f"{len(names)} pruned nets, {int((names > 1).sum())} of which kept other weights in another of {len(part)} runs"
    )
    return Finding(said, settled="supported" if (names == 1).all() else "refuted", cells=cells)


def cost_formula(board: Board) -> Finding:
    """C11. Metered share of the dense FLOPs of a prediction against layer arithmetic, for ResNet-50."""
    if not str(board.setting["backbone"]).endswith("resnet50") or board.reference is None:
        return not_tested("needs the backbone torchvision:resnet50 and dense finetune")
    dense, off, cells = forward_flops(board, board.reference), [], []
    for family, table in RESNET50.items():
        for label in pick(board, family):
            expected, mine = table.get(keep_ratio(board, label)), forward_flops(board, label)
            if expected and mine > 0:
                off.append(abs(mine / dense / expected - 1))
                cells += [(label, budget) for budget in board.budgets if (label, budget) in board.cells]
    if not off:
        return not_tested(f"needs a keep-ratio of {sorted(RESNET50['filter_pruned'])}")
    verdict = "supported" if max(off) <= FORMULA else "refuted"
    return Finding(f"off by at most {max(off):.1%} over {len(off)} nets", settled=verdict, cells=cells)  # type: ignore[arg-type]


def time_saved(board: Board) -> Finding:
    """C12. Latency of a prediction at keep 0.5 over the dense net's, mean over budgets, beside the share of FLOPs."""
    dense = board.reference
    found = [label for label in pick(board, "filter_pruned") if kept_share(board, label) == 0.5]
    budgets = side_by_side(board, dense, found[0])[0] if dense and found else []
    if not dense or not budgets:
        return not_tested("needs dense finetune and filter_pruned with keep or flops 0.5")
    mine, full = (np.stack([board.values(x, b, "latency_seconds") for b in budgets]) for x in (found[0], dense))
    ratios = mine / np.where(full > 0, full, np.nan)
    # A net is as fast at every budget: budgets repeat a measurement, they are no seeds.
    there = ~np.isnan(ratios)
    times = np.where(
        there.any(axis=0), np.where(there, ratios, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1), np.nan
    )
    if np.isnan(times).all():
        return not_tested("these runs recorded no latency")
    cells = [(label, budget) for budget in budgets for label in (dense, found[0])]
    ratio = gain(board, times, ())
    share = forward_flops(board, found[0]) / forward_flops(board, dense)
    said = f"{_ratio(ratio.here, HERE)}, {_ratio(ratio.like, LIKE)} of the time for {share:.2f} of the FLOPs"
    question = Question(ratio, "below", TIME_SAVED, margin=0.0)
    return Finding(said, (question,), cells=cells)


def _ratio(one: Estimate, scope: str) -> str:
    ends = f" [{one.low:.2f}, {one.high:.2f}]" if one.known else ""
    return f"{one.value:.2f}{ends} {scope}"
