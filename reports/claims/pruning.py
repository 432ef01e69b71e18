"""Is pruning what it is said to be? Tests of the claims on gain, cost and controls: board in, finding out."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from harness.core.band import Band
from reports.boards.board import Board
from reports.boards.evidence import (
    cross_fitted,
    dense_ways,
    forward_flops,
    gain,
    how_much,
    kept_share,
    mean_gain,
    mean_where_all,
    pick,
    points,
    pruned_ways,
    shared,
    side_by_side,
)
from reports.claims.verdict import Finding, Question, not_tested
from reports.statistics.arrays import Floats
from reports.statistics.student import (
    FEWEST,
    HERE,
    LIKE,
    Both,
    Estimate,
    by_cluster,
    by_seed,
    coincidence_aside,
    mean_of,
    of_units,
    welch,
)

RELATIVE_GAIN = 0.20
RANGES = {"under_1k": "under 1,000", "to_10k": "1,000 to 10,000", "to_100k": "10,000 or more"}
ASYMPTOTIC_COST = 0.02
FLAT = 0.005
"""The dense net counts as trained out where doubling the budget gains less than half a point."""

EQUAL_FLOPS = 0.05
WEAK = 0.25
"""A rank correlation that is closer to 0 is none."""

NEAR = frozenset({"object", "objects", "scene", "scenes"})
FAR = frozenset({"ocr", "texture", "medical", "satellite", "remote-sensing"})


def gain_under_1k(board: Board) -> Finding:
    """C1. Where the dense net could be trained on fewer than 1,000 images."""
    return _gain_in(board, "under_1k")


def gain_to_10k(board: Board) -> Finding:
    """C1b. Where it could be trained on 1,000 to 10,000."""
    return _gain_in(board, "to_10k")


def gain_to_100k(board: Board) -> Finding:
    """C1c. Where it could be trained on 10,000 or more."""
    return _gain_in(board, "to_100k")


def _gain_in(board: Board, band: Band) -> Finding:
    """At the budgets of ``band``, the best filter-pruned net of at most half against the best dense way.

    Both are chosen on other clusters of tasks than they are scored on. Whether the gain is more than a fifth of the
    dense accuracy is asked of one mean, of the pruned accuracy minus 1.2 times the dense one: that it is above 0 is the
    same statement, and holds the spread of both.
    """
    worse, better, cells, low = [], [], [], []
    for budget in (one for one in board.budgets if board.band(one) == band):
        sides = [[x for x in ways if board.enough(x, budget)] for ways in (dense_ways(board), pruned_ways(board))]
        if all(sides):
            worse.append(cross_fitted(board, sides[0], budget))
            better.append(cross_fitted(board, sides[1], budget))
            cells += [(label, budget) for label in (*sides[0], *sides[1])]
            low.append(budget)
    if not low:
        return not_tested(
            "needs a dense way and filter_pruned with keep or flops at most 0.5 that can pay for enough tasks, at a "
            f"budget of {RANGES[band]} training images"
        )
    dense, pruned = mean_where_all(np.stack([np.stack(worse), np.stack(better)], axis=1))
    found = gain(board, dense - pruned, cells)
    excess = gain(board, (1 - pruned) - (1 + RELATIVE_GAIN) * (1 - dense), cells)
    share = found.here.value / (1 - mean_of(np.where(np.isnan(dense - pruned), np.nan, dense)))
    said = (
        f"{points(found)} at {', '.join(low)}, {share:+.0%} of the accuracy of the best dense way; beyond a gain of "
        f"{RELATIVE_GAIN:.0%}: {points(excess)}"
    )
    return Finding(said, (Question(excess, margin=0.0),), cells=cells, displayed=found)


def asymptotic_cost(board: Board) -> Finding:
    """C2. Where the dense net gains little from more compute, what keep 0.75 costs; and where the curves cross."""
    dense = board.reference
    found = [label for label in pick(board, "filter_pruned") if abs(kept_share(board, label) - 0.75) < 0.051]
    budgets = shared(board, dense, found[0]) if dense and found else []
    if not dense or len(budgets) < 2:
        return not_tested("needs dense finetune and filter_pruned with keep or flops 0.75 at two budgets or more")
    errors = [mean_of(board.values(dense, b)) for b in budgets]
    costs = [mean_of(board.values(dense, b, "flops")) for b in budgets]
    slope = (errors[-2] - errors[-1]) / math.log2(costs[-1] / costs[-2])
    if slope >= FLAT:
        return not_tested(f"compute is not plenty yet: the dense net still gains {100 * slope:.1f} points a doubling")
    cells = [(label, budgets[-1]) for label in (dense, found[0])]
    losses = board.differences((found[0], budgets[-1]), (dense, budgets[-1]))
    cost = gain(board, losses, cells)
    crossing = _for_good([(b, mean_of(board.differences((found[0], b), (dense, b)))) for b in budgets])
    said = f"the dense net is ahead by {points(cost)}, at {budgets[-1]}; from {crossing} on"
    question = Question(cost, "below", ASYMPTOTIC_COST, margin=0.0)
    return Finding(said, (question,), cells=cells)


def _for_good(gains: Sequence[tuple[str, float]]) -> str:
    """The budget from which on every mean of ``gains`` (budget, mean), from small to large, is above 0."""
    found = "no budget"
    for budget, mean in reversed(gains):
        if not mean > 0:
            break
        found = budget
    return found


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


def _lead(board: Board) -> tuple[Floats, list[tuple[str, str]]] | None:
    """How far filter pruning is ahead of channel pruning over the pairs of equal FLOPs and all shared budgets."""
    pairs = _equal_pairs(board, pick(board, "filter_pruned"), pick(board, "channel_pruned"))
    pairs = [(a, b) for a, b in pairs if side_by_side(board, a, b)[0]]
    return mean_gain(board, pairs) if pairs else None


_PAIR = "needs filter_pruned and channel_pruned whose predictions cost the same within 5%, such as flops=0.5 for both"


def filter_over_channel(board: Board) -> Finding:
    """C3. Filter against channel pruning at equal FLOPs, area over all budgets."""
    lead = _lead(board)
    if lead is None:
        return not_tested(_PAIR)
    gains, cells = lead
    found = gain(board, gains, cells)
    return Finding(f"filter pruning is ahead by {points(found)}", (Question(found),), cells=cells)


def lead_near_pretraining(board: Board) -> Finding:
    """C4. The lead of C3 on object and scene tasks, minus that on text, texture, medical and satellite images."""
    domains = [str(domain).lower() for domain in board.tasks["domain"]]
    near = [i for i, domain in enumerate(domains) if domain in NEAR]
    far = [i for i, domain in enumerate(domains) if domain in FAR]
    if len(near) < 2 or len(far) < 2:
        return not_tested(f"needs two tasks of objects or scenes and two of text, texture, medical or satellite: "
                          f"here {len(near)} and {len(far)}")  # fmt: skip
    lead = _lead(board)
    if lead is None:
        return not_tested(_PAIR)
    gains, cells = lead
    there = ~np.isnan(gains[[*near, *far]])
    counts = {"n": int(there.sum()), "tasks": int(there.any(axis=1).sum()), "seeds": int(there.any(axis=0).sum())}
    # Of one seed both parts are known together: the difference of each is a unit. Clusters are drawn apart.
    whole = ~np.isnan(gains[[*near, *far]]).any(axis=0)
    here = of_units(HERE, gains[near][:, whole].mean(axis=0) - gains[far][:, whole].mean(axis=0), **counts)
    here = coincidence_aside(here, exact=set(cells) <= board.unchanging)
    parts = [by_cluster(gains[part], [board.clusters[i] for i in part]) for part in (near, far)]
    units = sum(map(len, parts))
    like = welch(LIKE, parts[0], parts[1], **counts, clusters=units)
    if units < FEWEST:
        like = Estimate(**{**vars(like), "error": math.nan})
    gap = Both(here, like)
    said = f"the lead is larger near the pretraining data by {points(gap)}"
    return Finding(said, (Question(gap),), cells=cells, tasks=[*near, *far])


def pruned_over_probe(board: Board) -> Finding:
    """C5. Some budget at which filter pruning is ahead of the linear probe, each chosen on other clusters of tasks."""
    probes, found = pick(board, "linear_probe", but=("charge",)), pick(board, "filter_pruned")
    questions, cells, gains = [], [], []
    for budget in board.budgets:
        rivals, mine = ([x for x in labels if board.enough(x, budget)] for labels in (probes, found))
        if not rivals or not mine:
            continue
        here = [(label, budget) for label in (*rivals, *mine)]
        gains.append((budget, cross_fitted(board, rivals, budget) - cross_fitted(board, mine, budget)))
        questions.append(Question(gain(board, gains[-1][1], here), budget=budget))
        cells += here
    if not questions:
        return not_tested("needs linear_probe and filter_pruned that can pay for enough tasks at one budget")
    best = max(range(len(questions)), key=lambda i: questions[i].quantity.here.value)
    crossing = _for_good([(budget, mean_of(table)) for budget, table in gains])
    said = f"at most {points(questions[best].quantity)}, at {gains[best][0]}; ahead of the probe from {crossing} on"
    # What stands beside the sentence is what the sentence quotes.
    return Finding(said, tuple(questions), some=True, cells=cells, displayed=questions[best].quantity)


def _controlled(board: Board, family: str, **control: str) -> list[tuple[str, str]]:
    """Pairs of a plain label of the family and its control, with the same shapes and a budget that both have."""
    plain = {how_much(board, label): label for label in pick(board, family)}
    others = {how_much(board, label): label for label in pick(board, family, **control)}
    return [(plain[k], others[k]) for k in plain if k in others and side_by_side(board, plain[k], others[k])[0]]


def selection_matters(board: Board) -> Finding:
    """C6. Magnitude against random filters: either may be ahead, for either way it matters which are kept."""
    pairs = _controlled(board, "filter_pruned", score="random")
    if not pairs:
        return not_tested("needs filter_pruned with score=random at the same keep-ratio as without")
    gains, cells = mean_gain(board, pairs)
    found = gain(board, gains, cells)
    said = f"keeping the largest filters gains {points(found)}, over all budgets"
    return Finding(said, (Question(found, "off"),), cells=cells)


def weights_matter(board: Board) -> Finding:
    """C7. Where pruning gains on the dense net at all: pretrained against random weights of the pruned architecture."""
    pairs = _controlled(board, "filter_pruned", init="scratch")
    if not pairs or not board.reference:
        return not_tested("needs dense finetune, and filter_pruned with init=scratch at the same keep-ratio as without")
    ahead, rests_on = mean_gain(board, [(plain, board.reference) for plain, _ in pairs])
    there = gain(board, ahead, rests_on)
    # What is not there cannot be owed to anything.
    if not there.here.low > 0:
        return Finding(f"there is no gain that could need them: pruning is ahead of the dense net by {points(there)}")
    gains, cells = mean_gain(board, pairs)
    found = gain(board, gains, cells)
    said = f"pretrained weights gain {points(found)}, over all budgets; pruning gains {points(there)}"
    return Finding(said, (Question(found),), cells=[*cells, *rests_on])


def no_win_in_sequence(board: Board) -> Finding:
    """C8. One net carried along the stream, on object tasks: pruned against dense."""
    dense, found = pick(board, "finetune", init="previous"), pick(board, "filter_pruned", init="previous")
    places = [i for i, domain in enumerate(board.tasks["domain"]) if str(domain).lower() in NEAR]
    budgets, tables = side_by_side(board, dense[0], found[0]) if dense and found else ([], [])
    if not budgets or len(places) < 2:
        return not_tested("needs finetune and filter_pruned with init=previous, and two tasks of objects or scenes")
    cells = [(label, budget) for budget in budgets for label in (dense[0], found[0])]
    gains = tables[0] - tables[1]
    ahead = gain(board, gains, cells, tasks=places)
    said = f"pruned is ahead by {points(ahead)}"
    return Finding(said, (Question(ahead, "not above"),), cells=cells, tasks=places)


def best_keep_follows_budget(board: Board) -> Finding:
    """C9. Rank correlation over budgets of the budget and what the net with the least error keeps.

    Of each seed over all tasks, and of each cluster of tasks. Where the best is the least or the most that was tried at
    every budget, it may lie beyond: nothing follows.
    """
    found = pick(board, "filter_pruned")
    by_flops = [label for label in found if board.options[label].get("flops") is not None]
    # Keep-ratios and shares of FLOPs are two rulers: the one that more nets were made with is read.
    found = by_flops if 2 * len(by_flops) > len(found) else [label for label in found if label not in by_flops]
    keeps = {label: kept_share(board, label) for label in [*([board.reference] if board.reference else []), *found]}
    # What was run at fewer budgets than the dense net would narrow the comparison to those.
    wanted = [b for b in board.budgets if (board.reference, b) in board.cells]
    keeps = {label: share for label, share in keeps.items() if all((label, b) in board.cells for b in wanted)}
    labels = list(keeps)
    budgets = shared(board, *labels) if labels else []
    if len(keeps) < 3 or len(budgets) < 3:
        return not_tested(
            "needs three keep-ratios or shares of FLOPs (dense is one) that can pay for enough tasks at three budgets"
        )
    errors = np.stack([[board.values(label, b) for label in labels] for b in budgets])
    errors[:, :, np.isnan(errors).any(axis=(0, 1))] = math.nan
    ratios = np.asarray(list(keeps.values()))
    best = ratios[np.argmin([[mean_of(table) for table in row] for row in errors], axis=1)]
    listed = ", ".join(f"{r:g} at {b}" for b, r in zip(budgets, best, strict=True))
    cells = [(label, budget) for budget in budgets for label in labels]
    if len(set(best.tolist())) == 1 and best[0] in (ratios.min(), ratios.max()):
        end = "least" if best[0] == ratios.min() else "most"
        said = f"the best is the {end} that was tried, {best[0]:g}, at every budget: it may lie beyond"
        return Finding(said, settled="inconclusive", cells=cells)
    parts = [np.stack([[f(table) for table in row] for row in errors])
             for f in (by_seed, lambda table: by_cluster(table, board.clusters))]  # fmt: skip
    seeds, clusters = (np.asarray([_follows(ratios[picked]) for picked in part.argmin(axis=1).T]) for part in parts)
    there = ~np.isnan(errors[0, 0])
    counts = {"n": int(there.sum()), "tasks": int(there.any(axis=1).sum()), "seeds": len(seeds)}
    like = of_units(LIKE, clusters, **counts, clusters=len(clusters))
    if len(clusters) < FEWEST:
        like = Estimate(**{**vars(like), "error": math.nan})
    # Few ranks are possible, so that seeds agree easily: that is no certainty where errors do differ.
    here = coincidence_aside(of_units(HERE, seeds, **counts), exact=set(cells) <= board.unchanging)
    follows = Both(here, like)
    shown = "; ".join(f"{one.value:+.2f} [{one.low:+.2f}, {one.high:+.2f}] {one.scope}" for one in
                      (follows.here, follows.like) if one.known)  # fmt: skip
    bare = f"{here.value:+.2f} {HERE}, without an interval" if not math.isnan(here.value) else "of too few seeds"
    said = f"rank correlation {shown or bare}; best {listed}"
    return Finding(said, (Question(follows, margin=WEAK),), cells=cells)


def _follows(best: Floats) -> float:
    # One keep-ratio that is best everywhere follows nothing.
    return 0.0 if len(set(best.tolist())) == 1 else float(spearmanr(np.arange(len(best)), best).statistic)
