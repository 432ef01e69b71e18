"""What should I use? The strategy that leads at a FLOPs budget, pair by pair, and how sure the results are of that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.core.errors import UserError, unknown
from reports.boards.board import ENOUGH, Board, Unpaid, boards
from reports.reading.frame import read
from reports.statistics.arrays import Floats
from reports.statistics.metrics import SLACK
from reports.statistics.student import FEWEST, HERE, LIKE, Both, Estimate, both, here, mean_of, seed_means
from reports.tables.curves import budget_costs


@dataclass(frozen=True)
class Candidate:
    """A strategy at the asked budget.

    Attributes:
        error, low, high: mean over the tasks it could pay for, and its 95% interval on these tasks.
        behind: how far the leader is ahead of it on the tasks that both could pay for; None for the leader.
        tasks: how many it could pay for. held: its largest budget is smaller than the asked one.
    """

    strategy: str
    error: float
    low: float
    high: float
    behind: Both | None
    tasks: int
    held: bool

    def plain(self) -> dict[str, Any]:
        """For ``--json``."""
        gap = (
            {}
            if self.behind is None
            else {"behind_here": _plain(self.behind.here), "behind_like": _plain(self.behind.like)}
        )
        return {key: value for key, value in vars(self).items() if key != "behind"} | gap


@dataclass(frozen=True)
class Advice:
    """What the runs of one board say.

    Attributes:
        candidates: the leader first, then the others by how far they are behind.
        apart: strategies that could pay for too few tasks, with how many.
        sure, sure_like: whether the leader is surely ahead of every other, on these tasks and on tasks like these.
    """

    board: str
    flops: float
    domain: str | None
    candidates: tuple[Candidate, ...]
    apart: tuple[tuple[str, int], ...]
    sure: bool
    sure_like: bool
    n: int
    tasks: int
    text: str

    def __str__(self) -> str:
        return self.text

    def plain(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "board": self.board, "flops": self.flops, "domain": self.domain, "tells_here": self.sure,
            "tells_like": self.sure_like, "n": self.n, "tasks": self.tasks, "said": self.text,
            "apart": dict(self.apart), "candidates": [one.plain() for one in self.candidates],
        }  # fmt: skip


def advise(
    folders: Sequence[Path], flops: float | None, domain: str | None = None, *, unpaid: Unpaid = "apart"
) -> list[Advice]:
    """For each board, the leader at ``flops`` charged FLOPs a task, over the tasks of ``domain`` if given.

    Args:
        flops: None: what each budget that was run pays for.
        unpaid: whether a task that a budget could not pay for is left out or counts as the constant prediction.

    Raises:
        UserError: a folder does not exist or holds no result, no task has that domain, or ``flops`` is not above zero.
    """
    if flops is not None and not (math.isfinite(flops) and flops > 0):
        raise UserError(f"cannot advise at {flops:g} FLOPs: expected FLOPs a task, above zero, such as 1e11")
    frames = read([Path(folder) for folder in folders])
    found = [board for board in boards(frames, unpaid=unpaid) if len(board.tasks)]
    if not found:
        raise UserError(f"no result in {', '.join(map(str, folders))}: run a suite first, 'harness run default'")
    domains = {str(name) for board in found for name in board.tasks["domain"]}
    named = {name.lower(): name for name in domains}
    if domain is not None and domain.lower() not in named:
        raise unknown("domain", domain, domains)
    exact = None if domain is None else named[domain.lower()]
    mine = [board for board in found if exact is None or exact in set(board.tasks["domain"])]
    return [_advice(board, cost, exact) for board in mine for cost in ([flops] if flops else _paid_for(board))]


def _paid_for(board: Board) -> list[float]:
    """FLOPs a task of each budget; where they are none of FLOPs, what was charged at the median."""
    found = []
    for budget, cost in budget_costs(board).items():
        charged = board.rows.loc[board.rows["budget"] == budget, "flops"]
        found.append(cost if math.isfinite(cost) else float(charged.median()))
    return [cost for cost in found if cost > 0]


class _Curve(NamedTuple):
    """A strategy over its budgets: charged FLOPs (budgets,), and errors (budgets, tasks, seeds)."""

    budgets: list[str]
    costs: Floats
    errors: Floats


def _advice(board: Board, flops: float, domain: str | None) -> Advice:
    places = [i for i, name in enumerate(board.tasks["domain"]) if domain in (None, name)]
    clusters = [board.clusters[place] for place in places]
    curves = {label: curve for label in board.labels if (curve := _curve(board, label, places)) is not None}
    at, held, exact, apart = {}, {}, set(), []
    for label, curve in curves.items():
        # More than the last budget is never needed: what was reached there is kept. Less than the first is unknown.
        # No run stops to the FLOP at its budget: what is within the slack counts as there.
        if flops < curve.costs[0] / (1 + SLACK):
            continue
        weight = _weights(curve.costs, flops)
        # A task counts where all budgets around the asked one could pay for it.
        errors = np.tensordot(weight[weight > 0], curve.errors[weight > 0], axes=1)
        paid = int((~np.isnan(errors)).any(axis=1).sum())
        if paid < ENOUGH * len(places) - 1e-9:
            apart.append((label, paid))
            continue
        at[label] = errors
        if all(
            (label, budget) in board.unchanging for budget, use in zip(curve.budgets, weight > 0, strict=True) if use
        ):
            exact.add(label)
        held[label] = bool(flops > curve.costs[-1] * (1 + SLACK)) and not _by_itself(board, label)
    order = _order(at)
    found: list[Candidate] = []
    for label in order:
        error = here(at[label], exact=label in exact)
        alike = {label, order[0]} <= exact
        gap = None if label == order[0] else both(at[label] - at[order[0]], clusters, exact=alike)
        found.append(Candidate(label, error.value, *error.share, gap, error.tasks, held[label]))
    found[1:] = sorted(found[1:], key=lambda c: c.behind.here.value if c.behind else 0.0)
    n = max((int((~np.isnan(table)).sum()) for table in at.values()), default=0)
    sure = {scope: _sure(found, scope) for scope in (HERE, LIKE)}
    said = _said(board, flops, domain, found, apart, sure, len(places), n, curves)
    return Advice(board.title, flops, domain, tuple(found), tuple(apart), sure[HERE], sure[LIKE], n, len(places), said)


def _weights(costs: Floats, flops: float) -> Floats:
    """What each of the ascending ``costs`` (budgets,) counts at ``flops``: linear in its logarithm.

    A budget within the slack counts alone: runs stop just below theirs, and what a cell of fewer seeds or tasks lacks
    would be lacking everywhere for a share of nothing.
    """
    near = np.abs(np.log(costs / flops))
    if near.min() <= math.log1p(SLACK):
        return np.asarray(np.arange(len(costs)) == near.argmin(), dtype=float)
    return np.asarray([np.interp(math.log(flops), np.log(costs), unit) for unit in np.eye(len(costs))])


def _curve(board: Board, label: str, places: list[int]) -> _Curve | None:
    """The budgets that paid for any task of ``places``, from cheap to dear, at the cost of the tasks they paid for."""
    found = []
    for budget in board.budgets:
        table = board.values(label, budget)[places]
        # What a task that it could not pay for was charged is no price of a result.
        paid = np.asarray((~np.isnan(table)).any(axis=1))
        cost = mean_of(np.where(paid[:, None], board.values(label, budget, "flops")[places], math.nan))
        if paid.any() and cost > 0:
            found.append((cost, budget, table))
    if not found:
        return None
    found.sort(key=lambda one: one[0])
    costs = np.asarray([cost for cost, _, _ in found])
    return _Curve([budget for _, budget, _ in found], costs, np.stack([table for _, _, table in found]))


def _order(at: dict[str, Floats]) -> list[str]:
    """Labels by how many others they are ahead of on the tasks that both could pay for, then by how far on average."""
    if not at:
        return []
    means = np.stack([seed_means(table) for table in at.values()])
    paid = (~np.isnan(means)).astype(float)
    of = np.where(paid > 0, means, 0.0) @ paid.T / np.maximum(paid @ paid.T, 1)
    gap = of.T - of
    rank = sorted(range(len(means)), key=lambda i: (-(gap[i] > 1e-12).sum(), -gap[i].mean(), i))
    return [list(at)[i] for i in rank]


def _sure(found: list[Candidate], scope: str) -> bool:
    """Whether the leader is ahead of every other by an interval above 0; it must be better than every one of them."""
    if len(found) < 2 or found[0].held:
        return False
    gaps = [_of(candidate, scope) for candidate in found[1:]]
    return all(gap.known and gap.low > 0 for gap in gaps)


def _of(candidate: Candidate, scope: str) -> Estimate:
    assert candidate.behind is not None
    return candidate.behind.here if scope == HERE else candidate.behind.like


def _by_itself(board: Board, label: str) -> bool:
    """Whether the strategy ended by itself at its largest budget, so that more compute would have changed nothing."""
    budget = [budget for budget in board.budgets if (label, budget) in board.cells][-1]
    part = board.rows[(board.rows["label"] == label) & (board.rows["budget"] == budget)]
    return bool((part["status"] == "done").all())


def _plain(one: Estimate) -> dict[str, float | None]:
    ends = {"value": one.value, "low": one.low, "high": one.high}
    return {key: None if math.isnan(value) else value for key, value in ends.items()}


def _said(
    board: Board, flops: float, domain: str | None, found: list[Candidate], apart: list[tuple[str, int]],
    sure: dict[str, bool], tasks: int, n: int, curves: dict[str, _Curve],
) -> str:  # fmt: skip
    on = f"{tasks} {'task' if tasks == 1 else 'tasks'}{f' of {domain}' if domain else ''}, n = {n}"
    head = f"{board.title}; {flops:.3g} FLOPs a task; {on}"
    if not curves:
        return f"{head}\nThe data do not tell: no strategy has a result on these tasks yet."
    costs = np.concatenate([curve.costs for curve in curves.values()])
    measured = f"measured from {costs.min():.3g} to {costs.max():.3g} FLOPs a task"
    lines = [head]
    if not found:
        nothing = (
            "nothing could pay for enough of the tasks there" if apart else f"nothing was run this cheaply ({measured})"
        )
        return "\n".join([head, f"The data do not tell: {nothing}.", *_apart(apart, tasks)])
    leader = found[0]
    lines += [_verdict(found, scope, sure[scope], measured) for scope in (HERE, LIKE)]
    width = max(len(one.strategy) for one in found[:5])
    ends = [f"  {leader.strategy:{width}}  error {_error(leader, tasks)}  leads"]
    for one in found[1:5]:
        gap = _of(one, HERE)
        ends.append(f"  {one.strategy:{width}}  error {_error(one, tasks)}  behind by {_gap(gap)} {HERE}")
    return "\n".join([*lines, *ends, *_apart(apart, tasks)])


def _verdict(found: list[Candidate], scope: str, sure: bool, measured: str) -> str:
    leader = found[0]
    if leader.held:
        held = f"{leader.strategy}, which leads, was never given that much ({measured})"
        return f"{_capital(scope)} the data do not tell: {held}."
    if len(found) == 1:
        return f"{_capital(scope)} the data do not tell: only one strategy was run there."
    gaps = {one.strategy: _of(one, scope) for one in found[1:]}
    if not all(gap.known for gap in gaps.values()):
        clusters = next(iter(gaps.values())).clusters
        few = (
            "one seed only"
            if scope == HERE
            else f"{clusters} {'cluster' if clusters == 1 else 'clusters'} of tasks, fewer than {FEWEST}"
        )
        return f"{_capital(scope)} the data do not tell: {few}; {leader.strategy} leads."
    nearest = min(gaps, key=lambda label: gaps[label].low)
    if sure:
        nearest_one = f"The nearest, {nearest}, is behind by {_gap(gaps[nearest])}"
        return f"{_capital(scope)}: Use {leader.strategy}, surely ahead of every other. {nearest_one}."
    alike = [label for label, gap in gaps.items() if not gap.low > 0]
    more = f", and {len(alike) - 3} more" if len(alike) > 3 else ""
    return f"{_capital(scope)} the data do not tell {leader.strategy}, which leads, from {', '.join(alike[:3])}{more}."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _error(one: Candidate, tasks: int) -> str:
    ends = "" if math.isnan(one.low) else f" [{one.low:.3f}, {one.high:.3f}]"
    paid = "" if one.tasks == tasks else f" ({one.tasks} tasks)"
    return f"{one.error:.3f}{ends}{paid}{' (its largest budget)' if one.held else ''}"


def _gap(gap: Estimate) -> str:
    ends = f" [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]" if gap.known else ""
    return f"{100 * gap.value:+.1f} points{ends}"


def _apart(apart: list[tuple[str, int]], tasks: int) -> list[str]:
    return [f"  apart: {label} could pay for {paid} of {tasks} tasks" for label, paid in apart]
