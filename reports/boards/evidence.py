"""What on a board speaks to a claim? Strategies picked by option, and what one gains on another."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.config.notation import parse
from harness.core.errors import UserError
from reports.boards.board import Board
from reports.statistics.arrays import Floats
from reports.statistics.student import HERE, LIKE, Both, Estimate, both, mean_of, seed_means

DENSE = ("finetune", "linear_probe", "ridge", "ncm", "knn")
"""Families that use the dense net as it is."""


def pick(board: Board, family: str, *, but: Any = (), **options: Any) -> list[str]:
    """Labels of a family whose written options are just ``options``, and any of ``keep``, ``flops`` and ``but``."""
    free = {"keep", "flops", *but}
    found = []
    for label in board.labels:
        name, written = _written(label)
        if name == family and {key: value for key, value in written.items() if key not in free} == options:
            found.append(label)
    return sorted(found, key=lambda label: -kept_share(board, label))


def dense_ways(board: Board) -> list[str]:
    """Every way on the board of using the dense pretrained net: finetuned, or a head on its frozen features."""
    return [
        x for x in board.labels if (w := _written(x))[0] in DENSE and w[1].get("init", "pretrained") == "pretrained"
    ]


def pruned_ways(board: Board, *, most: float = 0.5) -> list[str]:
    """Every way on the board of using a filter-pruned net of at most ``most``, but for the controls."""
    found = [x for x in board.labels if (w := _written(x))[0] == "filter_pruned" and "score" not in w[1]
             and w[1].get("init", "pretrained") == "pretrained"]  # fmt: skip
    return [label for label in found if kept_share(board, label) <= most]


def _written(label: str) -> tuple[str, dict[str, Any]]:
    try:
        written = parse(label.rpartition(" v")[0] if " v" in label else label)
    except UserError:
        return "", {}
    return written.name, dict(written.options)


def kept_share(board: Board, label: str) -> float:
    """What is kept as it was asked for, keep-ratio or share of FLOPs; 1 for what is not made smaller."""
    options = board.options.get(label, {})
    share = options.get("flops")
    if share is None:
        return 1.0 if label == board.reference else keep_ratio(board, label)
    return float(share)


def keep_ratio(board: Board, label: str) -> float:
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


def forward_flops(board: Board, label: str | None) -> float:
    """FLOPs of one prediction of ``label``; nan where nothing was evaluated."""
    return board.prediction_flops.get(label or "", math.nan)


def shared(board: Board, *labels: str) -> list[str]:
    """Budgets at which all of ``labels`` could pay for enough tasks."""
    return [b for b in board.budgets if all(board.enough(x, b) for x in labels)]


def side_by_side(board: Board, *labels: str) -> tuple[list[str], list[Floats]]:
    """The budgets that ``labels`` share, and the error (tasks, seeds) of each over them.

    The mean is by trapezoids over the logarithm of the budget. The least budgets do not pay for every task: a task of a
    seed counts at those budgets where all of ``labels`` learnt it, and is nan where there is none.
    """
    budgets = [b for b in board.budgets if all((label, b) in board.cells for label in labels)]
    if not budgets:
        return [], []
    costs = [mean_of(board.values(labels[0], b, "budget_flops")) for b in budgets]
    x = np.log(costs) if np.isfinite(costs).all() else np.arange(len(budgets), dtype=float)
    # A trapezoid between budgets that do not ascend would count less than nothing.
    order = np.argsort(x, kind="stable")
    budgets, x = [budgets[place] for place in order], x[order]
    errors = np.stack([[board.values(label, b) for b in budgets] for label in labels])
    there = np.asarray(~np.isnan(errors).any(axis=0))
    steps = np.diff(x)
    ends = np.concatenate([[0], steps]) + np.concatenate([steps, [0]]) if len(budgets) > 1 else np.ones(1)
    weights = np.where(there, ends[:, None, None], 0)
    total = weights.sum(axis=0)
    sums = (np.where(there, errors, 0) * weights).sum(axis=1)
    used = [b for b, known in zip(budgets, there, strict=True) if known.any()]
    return used, list(np.where(total > 0, sums / np.where(total > 0, total, 1), math.nan))


def mean_gain(board: Board, pairs: Sequence[tuple[str, str]]) -> tuple[Floats, list[tuple[str, str]]]:
    """How much less the error of the first of ``pairs`` is, (tasks, seeds), mean over them; the cells it rests on."""
    tables = [side_by_side(board, a, b) for a, b in pairs]
    first, second = mean_where_all(np.stack([both_sides for _, both_sides in tables]))
    cells = [(label, b) for pair, (budgets, _) in zip(pairs, tables, strict=True) for b in budgets for label in pair]
    return second - first, cells


def mean_where_all(tables: Floats) -> Floats:
    """Means (sides, tasks, seeds) over the first axis of (parts, sides, tasks, seeds), parts being pairs or budgets.

    A task counts with the parts that any seed has of all sides, and a seed of it only where it has all of those: else
    seeds would differ in what they are a mean of.
    """
    there = np.asarray(~np.isnan(tables).any(axis=1))
    wanted = there.any(axis=2, keepdims=True)
    whole = (there | ~wanted).all(axis=0) & wanted.any(axis=0)
    total = np.where(there[:, None], tables, 0).sum(axis=0)
    means: Floats = np.where(whole, total / np.maximum(wanted.sum(axis=0), 1), math.nan)
    return means


def gain(board: Board, gains: Floats, cells: Sequence[tuple[str, str]], *, tasks: Sequence[int] | None = None) -> Both:
    """Both statements of the mean of ``gains`` (tasks, seeds), of ``tasks`` only if given.

    Args:
        cells: what they rest on; where no seed changes any of it, seeds are one.
    """
    exact = bool(cells) and set(cells) <= board.unchanging
    places = list(range(len(gains)) if tasks is None else tasks)
    return both(gains[places], [board.clusters[place] for place in places], exact=exact)


def cross_fitted(board: Board, labels: Sequence[str], budget: str) -> Floats:
    """Errors (tasks, seeds) of the best of ``labels``, for each cluster of tasks chosen by the tasks *outside* it.

    Choosing on the tasks that are then scored would manufacture a gain. ``labels`` are compared on the tasks that all
    of them could pay for.
    """
    tables = [board.values(label, budget) for label in labels]
    means = np.stack([seed_means(table) for table in tables])
    known = ~np.isnan(means).any(axis=0)
    families = np.asarray(board.clusters, dtype=object)
    chosen = np.empty_like(tables[0])
    for task in range(len(chosen)):
        others = known & (families != families[task])
        best = int(np.argmin(means[:, others].mean(axis=1))) if others.any() else 0
        chosen[task] = tables[best][task]
    return chosen


def points(quantity: Both) -> str:
    """A gain in points of accuracy, with both intervals, each named."""
    parts = [_points(quantity.here)]
    if quantity.like.known:
        parts.append(_points(quantity.like))
    return ", ".join(parts)


def _points(one: Estimate) -> str:
    text = f"{100 * one.value:+.1f} points"
    if one.known:
        text += f" [{100 * one.low:+.1f}, {100 * one.high:+.1f}]"
    return f"{text} {_scope(one)}"


def _scope(one: Estimate) -> str:
    return one.scope if one.scope == HERE else f"{LIKE} ({one.clusters} clusters)"
