"""What should I use? The strategy that is best at a FLOPs budget, and how sure the results are of that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import UserError, unknown
from reports.boards.board import Board, boards
from reports.reading.frame import read
from reports.statistics.bootstrap import Draws, mean_of
from reports.statistics.metrics import SLACK
from reports.tables.optimal import Floats, chances

SURE = 0.8
"""Below this chance of being best, the data do not tell."""


@dataclass(frozen=True)
class Candidate:
    """A strategy at the asked budget: its mean error there with a 95% interval, and the chance that it is best."""

    strategy: str
    error: float
    low: float
    high: float
    chance: float
    held: bool


@dataclass(frozen=True)
class Advice:
    """What the runs of one board say. ``candidates``: the most likely first. ``tells``: whether they single one out."""

    board: str
    flops: float
    domain: str | None
    candidates: tuple[Candidate, ...]
    tells: bool
    n: int
    tasks: int
    said: str

    def __str__(self) -> str:
        return self.said

    def plain(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "board": self.board, "flops": self.flops, "domain": self.domain, "tells": self.tells, "n": self.n,
            "tasks": self.tasks, "said": self.said, "candidates": [vars(c) for c in self.candidates],
        }  # fmt: skip


def advise(folders: Sequence[Path], flops: float, domain: str | None = None) -> list[Advice]:
    """For each board, the best strategy at ``flops`` charged FLOPs a task, over the tasks of ``domain`` if given.

    Raises:
        UserError: a folder does not exist or holds no result, no task has that domain, or ``flops`` is not above zero.
    """
    if not (math.isfinite(flops) and flops > 0):
        raise UserError(f"cannot advise at {flops:g} FLOPs: expected FLOPs a task, above zero, such as 1e11")
    found = [board for board in boards(read([Path(folder) for folder in folders])) if len(board.tasks)]
    if not found:
        raise UserError(f"no result in {', '.join(map(str, folders))}: run a suite first, 'harness run default'")
    domains = {str(name) for board in found for name in board.tasks["domain"]}
    named = {name.lower(): name for name in domains}
    if domain is not None and domain.lower() not in named:
        raise unknown("domain", domain, domains)
    exact = None if domain is None else named[domain.lower()]
    mine = [board for board in found if exact is None or exact in set(board.tasks["domain"])]
    return [_advice(board, flops, exact) for board in mine]


def _advice(board: Board, flops: float, domain: str | None) -> Advice:
    places = [i for i, name in enumerate(board.tasks["domain"]) if domain in (None, name)]
    draws = Draws(len(places), max(1, len(board.seeds)))
    drawn, values, held, n = {}, {}, {}, 0
    lows, highs = [], []
    for label in board.labels:
        curve = _curve(board, label, places)
        if not curve:
            continue
        costs = np.asarray([cost for cost, _ in curve])
        lows.append(costs[0])
        highs.append(costs[-1])
        if flops < costs[0] / (1 + SLACK):
            continue
        # More than the last budget is never needed: what was reached there is kept. Less than the first is unknown.
        # No run stops to the FLOP at its budget: what is within the slack counts as there.
        weight = np.asarray([np.interp(math.log(flops), np.log(costs), unit) for unit in np.eye(len(costs))])
        drawn[label] = np.tensordot(weight, np.stack([draws.means(table) for _, table in curve]), axes=1)
        values[label] = float(weight @ np.asarray([mean_of(table) for _, table in curve]))
        held[label] = bool(flops > costs[-1] * (1 + SLACK)) and not _by_itself(board, label)
        n = max(n, int((~np.isnan(curve[-1][1])).sum()))
    candidates = _ranked(drawn, values, held)
    best = candidates[0] if candidates else None
    tells = best is not None and best.chance >= SURE and len(candidates) > 1 and not best.held and len(places) > 1
    said = _said(board, flops, domain, candidates, tells, len(places), n, lows, highs)
    return Advice(board.title, flops, domain, candidates, tells, n, len(places), said)


def _curve(board: Board, label: str, places: list[int]) -> list[tuple[float, Floats]]:
    """(charged FLOPs, errors of the tasks in ``places``) for every budget with all of them, from cheap to dear."""
    found = []
    for budget in board.budgets:
        table = board.values(label, budget)[places]
        cost = mean_of(board.values(label, budget, "flops")[places])
        if (~np.isnan(table)).any(axis=1).all() and cost > 0:
            found.append((cost, table))
    return sorted(found, key=lambda pair: pair[0])


def _by_itself(board: Board, label: str) -> bool:
    """Whether the strategy ended by itself at its largest budget, so that more compute would have changed nothing."""
    budget = [budget for budget in board.budgets if (label, budget) in board.cells][-1]
    part = board.rows[(board.rows["label"] == label) & (board.rows["budget"] == budget)]
    return bool((part["status"] == "done").all())


def _ranked(drawn: dict[str, Floats], values: dict[str, float], held: dict[str, bool]) -> tuple[Candidate, ...]:
    if not drawn:
        return ()
    sure = chances(np.stack(list(drawn.values())))
    found = []
    for (label, means), chance in zip(drawn.items(), sure, strict=True):
        low, high = np.quantile(means, [0.025, 0.975])
        found.append(Candidate(label, values[label], float(low), float(high), float(chance), held[label]))
    return tuple(sorted(found, key=lambda c: (-c.chance, c.error)))


def _said(
    board: Board, flops: float, domain: str | None, candidates: tuple[Candidate, ...], tells: bool, tasks: int, n: int,
    lows: list[float], highs: list[float],
) -> str:  # fmt: skip
    on = f"{tasks} {'task' if tasks == 1 else 'tasks'}{f' of {domain}' if domain else ''}, n = {n}"
    head = f"{board.title}; {flops:.3g} FLOPs a task; {on}"
    if not lows:
        return f"{head}\nThe data do not tell: no strategy has all of these tasks yet."
    measured = f"measured from {min(lows):.3g} to {max(highs):.3g} FLOPs a task"
    if not candidates:
        return f"{head}\nThe data do not tell: nothing was run this cheaply ({measured})."
    best = candidates[0]
    lines = [head]
    if tells:
        lines.append(f"Use {best.strategy}: the best with probability {best.chance:.0%}.")
    else:
        why = (
            f"{best.strategy} spent at most less than that ({measured})" if best.held
            else "there is one task only" if tasks == 1
            else "only one strategy was run there" if len(candidates) == 1
            else f"{best.strategy} leads, but is the best with probability {best.chance:.0%} only"
        )  # fmt: skip
        lines.append(f"The data do not tell: {why}.")
    width = max(len(c.strategy) for c in candidates[:5])
    lines += [
        f"  {c.strategy:{width}}  error {c.error:.3f} [{c.low:.3f}, {c.high:.3f}]  best with probability {c.chance:.0%}"
        f"{'  (its largest budget)' if c.held else ''}"
        for c in candidates[:5]
    ]
    return "\n".join(lines)
