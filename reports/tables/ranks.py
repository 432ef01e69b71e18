"""Which strategies differ, and not only on one task? Ranks with critical differences, and performance profiles."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from reports.boards.board import Board
from reports.statistics.arrays import Floats
from reports.statistics.student import FEWEST, seed_means
from reports.tables.table import Column, Table

ALPHA = 0.05
TIE = 9
"""Decimals beyond which errors are float noise: means of equal errors are equal."""


class Ranks(NamedTuple):
    """Mean ranks over tasks, (strategies,), 1 the best; ``n`` tasks; Friedman's p; Nemenyi's critical difference."""

    mean: Floats
    n: int
    p: float
    critical: float


def ranks(errors: Floats) -> Ranks:
    """Ranks of strategies in ``errors`` (tasks, strategies), all present; ties share their mean rank.

    Two strategies whose mean ranks lie further apart than ``critical`` differ at 5%, corrected for all pairs: q sqrt(k
    (k+1) / (6 n)) with q the studentized range over sqrt(2) (Demsar, JMLR 7, 2006). nan with fewer than 3 strategies or
    2 tasks.
    """
    errors = np.round(errors, TIE)
    n, k = errors.shape
    mean = rankdata(errors, axis=1).mean(axis=0) if n else np.full(k, math.nan)
    if k < 3 or n < 2:
        return Ranks(mean, n, math.nan, math.nan)
    # Friedman's statistic is undefined where every task ties all strategies.
    tied = bool((errors == errors[:, :1]).all())
    p = 1.0 if tied else float(friedmanchisquare(*errors.T).pvalue)
    q = float(studentized_range.ppf(1 - ALPHA, k, math.inf)) / math.sqrt(2)
    return Ranks(mean, n, p, q * math.sqrt(k * (k + 1) / (6 * n)))


def profile(errors: Floats, at: Floats) -> Floats:
    """Share of tasks x seeds whose error is at most ``at``, (points,): a performance profile (arXiv 2108.13264)."""
    known = errors[~np.isnan(errors)]
    return np.asarray([(known <= x).mean() if known.size else math.nan for x in at])


THRESHOLDS = np.linspace(0, 1, 21)


def profiles_table(board: Board) -> Table:
    """The performance profiles of all strategies with every task at the largest budget at which there is one."""
    whole = {b: [x for x in board.labels if board.enough(x, b)] for b in board.budgets}
    budget = next((b for b in reversed(board.budgets) if whole[b]), "")
    rows = []
    paid = _paid_by_all(board, whole.get(budget, []), budget)
    for label in whole.get(budget, ()):
        values = board.values(label, budget)[paid]
        shares = profile(values, THRESHOLDS)
        keyed = {f"at_{x:.2f}": float(share) for x, share in zip(THRESHOLDS, shares, strict=True)}
        rows.append({"strategy": label, "budget": budget, **keyed, "n": int((~np.isnan(values)).sum())})
    return Table(
        "profiles",
        "Performance profiles",
        f"Share of tasks and seeds whose error is at most the given one{budget and ', at '}{budget}, of the strategies "
        "that could pay for enough of them there, on the tasks that all of these could. A line above another all "
        "along is better on every level of difficulty.",
        pd.DataFrame(rows, columns=["strategy", "budget", *(f"at_{x:.2f}" for x in THRESHOLDS), "n"]),
        (
            Column("strategy", "Strategy"),
            Column("budget", "Budget"),
            *(Column(f"at_{x:.2f}", f"≤ {x:.1f}", "number") for x in THRESHOLDS[2:-1:2]),
            Column("n", "n", "count"),
        ),
        filters={"strategy": "strategy", "budget": "budget"},
        folded=True,
    )


def _paid_by_all(board: Board, labels: list[str], budget: str) -> NDArray[np.bool_]:
    """Which tasks all of ``labels`` have an error of, (tasks,)."""
    there = [~np.isnan(board.values(label, budget)).all(axis=1) for label in labels]
    return np.asarray(np.all(there, axis=0)) if there else np.zeros(len(board.tasks), dtype=bool)


def ranks_table(board: Board) -> Table:
    """A row for each budget and strategy that could pay for enough tasks: its mean rank, and which others are alike."""
    rows = []
    for budget in board.budgets:
        labels = [label for label in board.labels if board.enough(label, budget)]
        if not labels:
            continue
        errors = np.stack([seed_means(board.values(label, budget)) for label in labels], axis=1)
        found = ranks(errors[_paid_by_all(board, labels, budget)])
        if found.n < FEWEST:
            found = found._replace(p=math.nan, critical=math.nan)
        for place in np.argsort(found.mean, kind="stable"):
            near = np.abs(found.mean - found.mean[place]) < found.critical
            others = [label for i, label in enumerate(labels) if near[i] and i != place]
            rows.append(
                {
                    "budget": budget,
                    "strategy": labels[place],
                    "rank": float(found.mean[place]),
                    "critical": found.critical,
                    "alike": _alike(others, found),
                    "p": found.p,
                    "strategies": len(labels),
                    "n": found.n,
                }
            )
    return Table(
        "ranks",
        "Ranks and critical differences",
        "Mean rank over tasks of the seed means, 1 the best, among the strategies that could pay for enough tasks at "
        "that budget, "
        "on those that all of them could. Ranks "
        "that lie within the critical difference (Nemenyi, 5%, corrected for all pairs) are not told apart; p is "
        f"Friedman's for 'all are alike'. From fewer than {FEWEST} tasks neither is given.",
        pd.DataFrame(rows, columns=["budget", "strategy", "rank", "critical", "alike", "p", "strategies", "n"]),
        (
            Column("budget", "Budget"),
            Column("strategy", "Strategy"),
            Column("rank", "Mean rank", "number"),
            Column("critical", "Critical difference", "number"),
            Column("alike", "Not told apart from"),
            Column("p", "Friedman p", "number"),
            Column("strategies", "Strategies", "count"),
            Column("n", "n tasks", "count"),
        ),
        row_head=2,
        filters={"strategy": "strategy", "budget": "budget"},
        folded=True,
    )


def _alike(others: list[str], found: Ranks) -> str:
    if math.isnan(found.critical):
        return "too few strategies or tasks to say"
    return ", ".join(others) or "none"
