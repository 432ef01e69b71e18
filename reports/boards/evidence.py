"""What on a board speaks to a claim? Strategies picked by option, paired gains, the rule from interval to verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.config.notation import parse
from harness.core.errors import UserError
from reports.boards.board import Board
from reports.statistics.bootstrap import Draws, Interval, mean_of, percentile, seed_means

Floats = NDArray[np.float64]
Verdict = Literal["supported", "refuted", "inconclusive", "not tested"]
WIDE = 0.01
"""An interval that holds 0 and reaches further than a point to either side says too little to refute."""


@dataclass(frozen=True)
class Finding:
    """What a test found.

    Attributes:
        estimate: in the unit that ``said`` names, mostly points of accuracy over 100. said: the finding in words.
        cells: the (strategy, budget) it rests on.
        tasks: places of the tasks it rests on; None for all.
        gains: what the estimate is the mean of, (tasks, seeds), where it is a mean of differences.
        threshold: what the interval is held against. narrow: whether a narrow interval around it decides as well.
    """

    verdict: Verdict
    said: str
    estimate: Interval | None = None
    cells: Sequence[tuple[str, str]] = field(default=())
    tasks: Sequence[int] | None = None
    gains: Floats | None = None
    threshold: float = 0.0
    narrow: bool = True


def not_tested(why: str) -> Finding:
    return Finding("not tested", why)


def gain_verdict(gain: Interval) -> Verdict:
    """Of 'better than': above 0 supported, below 0 refuted; holding 0 refuted if narrow, else inconclusive."""
    if math.isnan(gain.low):
        return "inconclusive"
    if gain.low > 0:
        return "supported"
    if gain.high < 0:
        return "refuted"
    return "inconclusive" if (gain.high - gain.low) / 2 > WIDE else "refuted"


def pick(board: Board, family: str, *, but: Any = (), **options: Any) -> list[str]:
    """Labels of a family whose written options are just ``options``, and any of ``keep``, ``flops`` and ``but``."""
    free = {"keep", "flops", *but}
    found = []
    for label in board.labels:
        try:
            written = parse(label.rpartition(" v")[0] if " v" in label else label)
        except UserError:
            continue
        told = {key: value for key, value in written.options.items() if key not in free}
        if written.name == family and told == options:
            found.append(label)
    return sorted(found, key=lambda label: -kept(board, label))


def kept(board: Board, label: str) -> float:
    """What is kept as it was asked for, keep-ratio or share of FLOPs; 1 for what is not made smaller."""
    options = board.options.get(label, {})
    share = options.get("flops")
    if share is None:
        return 1.0 if label == board.reference else keep_of(board, label)
    return float(share)


def keep_of(board: Board, label: str) -> float:
    """The keep-ratio; where a share of FLOPs was asked for instead, nan."""
    options = board.options.get(label, {})
    keep = options.get("keep")
    if keep is None:
        return math.nan if options.get("flops") is not None else 0.5
    return float(keep)


def how_much(board: Board, label: str) -> tuple[str, str]:
    """What a strategy keeps, as it was asked for: keep-ratio and share of FLOPs; equal means the same shapes."""
    options = board.options.get(label, {})
    return str(options.get("keep")), str(options.get("flops"))


def forward_flops(board: Board, label: str) -> float:
    """FLOPs of one prediction, mean over tasks: what evaluation was metered at, over its images."""
    part = board.rows[(board.rows["label"] == label) & (board.rows["n"] > 0)]
    each = (part["flops_evaluate"] / part["n"]).replace([0, math.inf], math.nan).dropna()
    return float(each.groupby(part["index"]).mean().mean()) if len(each) else math.nan


def shared(board: Board, *labels: str) -> list[str]:
    """Budgets at which all of ``labels`` have every task."""
    return [b for b in board.budgets if all((x, b) in board.cells and board.complete(x, b) for x in labels)]


def side_by_side(board: Board, *labels: str) -> tuple[list[str], list[Floats]]:
    """The budgets that ``labels`` share, and the error (tasks, seeds) of each over them.

    The mean is by trapezoids over the logarithm of the budget. The least budgets do not pay for every task: a task of a
    seed counts at those budgets where all of ``labels`` learnt it, and is nan where there is none.
    """
    budgets = [b for b in board.budgets if all((label, b) in board.cells for label in labels)]
    if not budgets:
        return [], []
    errors = np.stack([[board.values(label, b) for b in budgets] for label in labels])
    there = np.asarray(~np.isnan(errors).any(axis=0))
    costs = [mean_of(board.values(labels[0], b, "budget_flops")) for b in budgets]
    x = np.log(costs) if np.isfinite(costs).all() else np.arange(len(budgets), dtype=float)
    steps = np.diff(x)
    ends = np.concatenate([[0], steps]) + np.concatenate([steps, [0]]) if len(budgets) > 1 else np.ones(1)
    weights = np.where(there, ends[:, None, None], 0)
    total = weights.sum(axis=0)
    sums = (np.where(there, errors, 0) * weights).sum(axis=1)
    used = [b for b, known in zip(budgets, there, strict=True) if known.any()]
    return used, list(np.where(total > 0, sums / np.where(total > 0, total, 1), math.nan))


def mean_gain(board: Board, pairs: Sequence[tuple[str, str]]) -> tuple[Floats, Floats, list[tuple[str, str]]]:
    """Errors (tasks, seeds) of the second and of the first of ``pairs``, mean over them, and the cells they rest on.

    A seed for which not all pairs were run counts with those that were.
    """
    both = [side_by_side(board, a, b) for a, b in pairs]
    first, second = mean_where_all(np.stack([tables for _, tables in both]))
    cells = [(label, b) for pair, (budgets, _) in zip(pairs, both, strict=True) for b in budgets for label in pair]
    return second, first, cells


def mean_where_all(tables: Floats) -> Floats:
    """Means over the first axis of (tables, sides, tasks, seeds), of the places where all sides have a value."""
    there = np.asarray(~np.isnan(tables).any(axis=1, keepdims=True))
    count = there.sum(axis=0)
    means: Floats = np.where(count > 0, np.where(there, tables, 0).sum(axis=0) / np.maximum(count, 1), math.nan)
    return means


def paired(board: Board, worse: Floats, better: Floats, *, tasks: Sequence[int] | None = None) -> Interval:
    """Mean of ``worse`` - ``better`` (errors, tasks x seeds) and its interval; over ``tasks`` if given."""
    if tasks is not None:
        worse, better = worse[list(tasks)], better[list(tasks)]
    draws = board.draws if tasks is None else Draws(len(worse), worse.shape[1])
    a, b = worse.copy(), better.copy()
    alone = np.isnan(a).all(axis=1) | np.isnan(b).all(axis=1)
    a[alone], b[alone] = math.nan, math.nan
    return percentile(mean_of(a) - mean_of(b), draws.means(a) - draws.means(b), a)


def cross_fitted(board: Board, labels: Sequence[str], budget: str) -> Floats:
    """Errors (tasks, seeds) of the best of ``labels``, for each task chosen by its mean error on the *other* tasks.

    Choosing on the task that is then scored would manufacture a gain. Tasks that not all ``labels`` have are nan.
    """
    tables = [board.values(label, budget) for label in labels]
    means = np.stack([seed_means(table) for table in tables])
    known: NDArray[np.bool_] = np.asarray(~np.isnan(means).any(axis=0))
    chosen = np.empty_like(tables[0])
    for task in range(len(chosen)):
        others = known.copy()
        others[task] = False
        best = int(np.argmin(means[:, others].mean(axis=1))) if others.any() else 0
        chosen[task] = tables[best][task] if known[task] else math.nan
    return chosen


def points(gain: Interval) -> str:
    """A gain in points of accuracy, with its interval."""
    if math.isnan(gain.low):
        return f"{100 * gain.value:+.1f} points"
    return f"{100 * gain.value:+.1f} points [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
