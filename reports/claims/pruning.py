"""Is pruning what it is said to be? Tests of the claims on gain, cost and controls: board in, finding out."""

import math
from functools import cache

import numpy as np
from scipy.stats import spearmanr

from reports.boards.board import Board
from reports.boards.evidence import (
    Finding,
    Floats,
    cross_fitted,
    forward_flops,
    gain_verdict,
    how_much,
    kept,
    mean_gain,
    mean_where_all,
    not_tested,
    paired,
    pick,
    points,
    shared,
    side_by_side,
)
from reports.statistics.bootstrap import Interval, mean_of, percentile

RELATIVE_GAIN = 0.20
ASYMPTOTIC_COST = 0.02
FLAT = 0.005
"""The dense net counts as trained out where doubling the budget gains less than half a point."""

EQUAL_FLOPS = 0.05

NEAR = frozenset({"object", "objects", "scene", "scenes"})
FAR = frozenset({"ocr", "texture", "medical", "satellite", "remote-sensing"})


def low_compute_gain(board: Board) -> Finding:
    """C1. At the lowest third of the budgets, the best filter pruning of at most half, chosen on other tasks.

    The least budgets do not pay for every task: each task counts at those of them where all nets could learn it.
    """
    dense = board.reference
    found = [label for label in pick(board, "filter_pruned") if kept(board, label) <= 0.5]
    low = [
        budget
        for budget in board.budgets[: -(-len(board.budgets) // 3)]
        if dense and found and all((label, budget) in board.cells for label in (dense, *found))
    ]
    if not dense or not low:
        return not_tested(
            "needs dense finetune and filter_pruned with keep or flops at most 0.5 at the lowest third of budgets"
        )
    worse, better = mean_where_all(np.stack([[board.values(dense, b), cross_fitted(board, found, b)] for b in low]))
    tasks = int((~np.isnan(worse)).any(axis=1).sum())
    if tasks < 2:
        return not_tested(f"needs two tasks that the dense net can pay for at {', '.join(low)}: here {tasks}")
    gain = paired(board, worse, better)
    relative = gain.value / (1 - mean_of(worse))
    cells = [(label, b) for b in low for label in (dense, *found)]
    where = "" if tasks == len(worse) else f", on the {tasks} tasks that all could pay for"
    said = f"{points(gain)} at {', '.join(low)}{where}, {relative:+.0%} of the dense accuracy"
    verdict = gain_verdict(gain)
    if verdict == "supported" and relative < RELATIVE_GAIN:
        return Finding("refuted", f"the direction holds, the size does not: {said}", gain, cells)
    return Finding(verdict, said, gain, cells, gains=worse - better)


def asymptotic_cost(board: Board) -> Finding:
    """C2. Where the dense net gains little from more compute, what keep 0.75 costs; and where the curves cross."""
    dense = board.reference
    found = [label for label in pick(board, "filter_pruned") if abs(kept(board, label) - 0.75) < 0.051]
    budgets = shared(board, dense, found[0]) if dense and found else []
    if not dense or len(budgets) < 2:
        return not_tested("needs dense finetune and filter_pruned with keep or flops 0.75 at two budgets or more")
    errors = [mean_of(board.values(dense, b)) for b in budgets]
    costs = [mean_of(board.values(dense, b, "flops")) for b in budgets]
    slope = (errors[-2] - errors[-1]) / math.log2(costs[-1] / costs[-2])
    if slope >= FLAT:
        return not_tested(f"compute is not plenty yet: the dense net still gains {100 * slope:.1f} points a doubling")
    pruned, full = (board.values(label, budgets[-1]) for label in (found[0], dense))
    cost = paired(board, pruned, full)
    ahead = [b for b in budgets if mean_of(board.values(dense, b)) < mean_of(board.values(found[0], b))]
    said = (
        f"the dense net is ahead by {points(cost)} at {budgets[-1]}, and from {ahead[0] if ahead else 'no budget'} on"
    )
    cells = [(label, budgets[-1]) for label in (dense, found[0])]
    if math.isnan(cost.low) or cost.low <= ASYMPTOTIC_COST < cost.high:
        return Finding("inconclusive", said, cost, cells, gains=pruned - full, threshold=ASYMPTOTIC_COST, narrow=False)
    return Finding("refuted" if cost.low > ASYMPTOTIC_COST else "supported", said, cost, cells)


def _equal_pairs(board: Board, first: list[str], second: list[str]) -> list[tuple[str, str]]:
    """Pairs whose predictions cost the same, each of ``first`` with the nearest of ``second``."""
    pairs = []
    for a in first:
        fa = forward_flops(board, a)
        near = [
            (abs(math.log(forward_flops(board, b) / fa)), b) for b in second if forward_flops(board, b) > 0 and fa > 0
        ]
        if near and min(near)[0] <= EQUAL_FLOPS:
            pairs.append((a, min(near)[1]))
    return pairs


def _lead(board: Board, tasks: list[int] | None = None) -> tuple[Interval, list[tuple[str, str]], Floats] | None:
    """How far filter pruning is ahead of channel pruning over the pairs of equal FLOPs and all shared budgets."""
    pairs = _equal_pairs(board, pick(board, "filter_pruned"), pick(board, "channel_pruned"))
    pairs = [(a, b) for a, b in pairs if side_by_side(board, a, b)[0]]
    if not pairs:
        return None
    worse, better, cells = mean_gain(board, pairs)
    return paired(board, worse, better, tasks=tasks), cells, worse - better


_PAIR = "needs filter_pruned and channel_pruned whose predictions cost the same within 5%, such as flops=0.5 for both"


def filter_over_channel(board: Board) -> Finding:
    """C3. Filter against channel pruning at equal FLOPs, area over all budgets."""
    lead = _lead(board)
    if lead is None:
        return not_tested(_PAIR)
    gain, cells, gains = lead
    return Finding(gain_verdict(gain), f"filter pruning is ahead by {points(gain)}", gain, cells, gains=gains)


def lead_near_pretraining(board: Board) -> Finding:
    """C4. The lead of C3 on object and scene tasks, minus that on text, texture, medical and satellite images."""
    domains = [str(domain).lower() for domain in board.tasks["domain"]]
    near = [i for i, domain in enumerate(domains) if domain in NEAR]
    far = [i for i, domain in enumerate(domains) if domain in FAR]
    if len(near) < 2 or len(far) < 2:
        return not_tested(f"needs two tasks of objects or scenes and two of text, texture, medical or satellite: "
                          f"here {len(near)} and {len(far)}")  # fmt: skip
    a, b = _lead(board, near), _lead(board, far)
    if a is None or b is None:
        return not_tested(_PAIR)
    # The two sets of tasks are drawn apart: their spreads add.
    value = a[0].value - b[0].value
    half = math.hypot((a[0].high - a[0].low) / 2, (b[0].high - b[0].low) / 2)
    gap = Interval(value, value - half, value + half, a[0].n + b[0].n, len(near) + len(far))
    said = f"the lead is larger near the pretraining data by {points(gap)}"
    return Finding(gain_verdict(gap), said, gap, a[1], tasks=[*near, *far])


def pruned_over_probe(board: Board) -> Finding:
    """C5. Some budget at which filter pruning, chosen on other tasks, is ahead of every linear probe."""
    probes, found = pick(board, "linear_probe", but=("charge",)), pick(board, "filter_pruned")
    best: tuple[Interval, str, Floats] | None = None
    crossing = None
    cells = []
    for budget in board.budgets:
        rivals, mine = ([x for x in labels if budget in shared(board, x)] for labels in (probes, found))
        if not rivals or not mine:
            continue
        pruned = cross_fitted(board, mine, budget)
        worse = min((board.values(probe, budget) for probe in rivals), key=mean_of)
        gain = paired(board, worse, pruned)
        cells += [(label, budget) for label in (*rivals, *mine)]
        crossing = crossing or (budget if gain.value > 0 else None)
        if best is None or gain.low > best[0].low:
            best = gain, budget, worse - pruned
    if best is None:
        return not_tested("needs linear_probe and filter_pruned at one budget")
    said = f"{points(best[0])} at {best[1]}; ahead of the probe from {crossing or 'no budget'} on"
    return Finding(gain_verdict(best[0]), said, best[0], cells, gains=best[2])


def _versus(board: Board, family: str, what: str, **control: str) -> Finding:
    """The plain family against one control option, same keep-ratio, over all shared budgets and keep-ratios."""
    plain = {how_much(board, label): label for label in pick(board, family)}
    others = {how_much(board, label): label for label in pick(board, family, **control)}
    pairs = [(plain[k], others[k]) for k in plain if k in others and side_by_side(board, plain[k], others[k])[0]]
    if not pairs:
        told = ", ".join(f"{key}={value}" for key, value in control.items())
        return not_tested(f"needs {family} with {told} at the same keep-ratio as without")
    worse, better, cells = mean_gain(board, pairs)
    gain = paired(board, worse, better)
    said = f"{what} {points(gain)} over all budgets"
    return Finding(gain_verdict(gain), said, gain, cells, gains=worse - better)


def selection_matters(board: Board) -> Finding:
    """C6. Magnitude against random filters."""
    return _versus(board, "filter_pruned", "keeping the largest filters gains", score="random")


def weights_matter(board: Board) -> Finding:
    """C7. Pretrained against random weights of the same pruned architecture."""
    return _versus(board, "filter_pruned", "pretrained weights gain", init="scratch")


def no_win_in_sequence(board: Board) -> Finding:
    """C8. One net carried along the stream, on object tasks: pruned against dense."""
    dense, found = pick(board, "finetune", init="previous"), pick(board, "filter_pruned", init="previous")
    places = [i for i, domain in enumerate(board.tasks["domain"]) if str(domain).lower() in NEAR]
    budgets, tables = side_by_side(board, dense[0], found[0]) if dense and found else ([], [])
    if not budgets or len(places) < 2:
        return not_tested("needs finetune and filter_pruned with init=previous, and two tasks of objects or scenes")
    worse, better = tables
    gain = paired(board, worse, better, tasks=places)
    cells = [(label, budget) for budget in budgets for label in (dense[0], found[0])]
    verdict = gain_verdict(gain)
    turned = {"supported": "refuted", "refuted": "supported"}.get(verdict, verdict)
    said, gains = f"pruned is ahead by {points(gain)}", (worse - better)[places]
    return Finding(turned, said, gain, cells, tasks=places, gains=gains)  # type: ignore[arg-type]


def best_keep_follows_budget(board: Board) -> Finding:
    """C9. Rank correlation over budgets of the budget and what the net with the least error keeps."""
    found = pick(board, "filter_pruned")
    by_flops = [label for label in found if board.options[label].get("flops") is not None]
    # Keep-ratios and shares of FLOPs are two rulers: the one that more nets were made with is read.
    found = by_flops if 2 * len(by_flops) > len(found) else [label for label in found if label not in by_flops]
    keeps = {label: kept(board, label) for label in [*([board.reference] if board.reference else []), *found]}
    # What was run at fewer budgets than the dense net would narrow the comparison to those.
    wanted = [b for b in board.budgets if (board.reference, b) in board.cells]
    keeps = {label: share for label, share in keeps.items() if all((label, b) in board.cells for b in wanted)}
    labels = list(keeps)
    # Each budget over the tasks that all could learn there, so that it compares nets and not tasks.
    tables = {b: both for b in board.budgets if (both := _common(board, labels, b)) is not None}
    budgets = list(tables)
    if len(keeps) < 3 or len(budgets) < 3:
        return not_tested("needs three keep-ratios or shares of FLOPs (dense is one) at three budgets")
    resampled = np.stack([[board.draws.means(table) for table in tables[b]] for b in budgets])
    ratios = np.asarray(list(keeps.values()))
    best = ratios[np.argmin([[mean_of(table) for table in tables[b]] for b in budgets], axis=1)]
    drawn = ratios[np.argmin(resampled, axis=1)]
    # Every strategy spends what the budget gives: its place in the order is enough for ranks.
    value = _correlation(tuple(best.tolist()))
    spread = np.asarray([_correlation(tuple(column)) for column in drawn.T.tolist()])
    estimate = percentile(value, spread, tables[budgets[-1]][0])
    listed = ", ".join(f"{r:g} at {b}" for b, r in zip(budgets, best, strict=True))
    ruler = "share of FLOPs" if by_flops and found == by_flops else "keep-ratio"
    said = f"rank correlation {value:+.2f}; best {ruler} {listed}"
    cells = [(label, budget) for budget in budgets for label in labels]
    if estimate.low > 0:
        return Finding("supported", said, estimate, cells)
    return Finding("refuted" if estimate.high <= 0 else "inconclusive", said, estimate, cells)


def _common(board: Board, labels: list[str], budget: str) -> list[Floats] | None:
    """Errors (tasks, seeds) of ``labels`` where all of them have one; None where that is on less than two tasks."""
    if not labels or any((label, budget) not in board.cells for label in labels):
        return None
    errors = np.stack([board.values(label, budget) for label in labels])
    there = np.asarray(~np.isnan(errors).any(axis=0))
    return list(np.where(there, errors, math.nan)) if there.any(axis=1).sum() >= 2 else None


@cache
def _correlation(best: tuple[float, ...]) -> float:
    # One keep-ratio that is best everywhere follows nothing.
    return 0.0 if len(set(best)) == 1 else float(spearmanr(np.arange(len(best)), best).statistic)
