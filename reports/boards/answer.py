"""Who is best at which budgets, by how many points, and how sure is that? A sentence a board, on these tasks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.core.budget import Budget
from harness.core.errors import UserError
from harness.core.regime import Regime
from reports.boards.board import Board, Leads
from reports.statistics.student import Estimate

MOST = 6
"""Strategies that are drawn in colour; what is more is grey."""

Sure = Literal["best", "open", "unknown"]


@dataclass(frozen=True)
class Lead:
    """How far a leader is ahead of another strategy, at each budget where there are both."""

    of: str
    gaps: tuple[Estimate, ...]

    @property
    def points(self) -> str:
        """``1.8 to 2.3``."""
        low, high = (f"{100 * end(gap.value for gap in self.gaps):.1f}" for end in (min, max))
        return low if low == high else f"{low} to {high}"


@dataclass(frozen=True)
class Answer:
    """Neighbouring budgets at which one strategy leads.

    Attributes:
        ahead: of dense finetuning, and of the next; of whoever of them was run.
        sure: for each budget, whether it is surely ahead of every other, cannot be told from some, or has no interval.
        alike: whom it is not told apart from at one of ``budgets``, of those that have intervals. lone: whether others
            have none there. single: whether that is for being of one seed, not for seeds that agree by coincidence.
        always: whether these are all the budgets of the board. alone: whether no other strategy is on it.
    """

    budgets: tuple[str, ...]
    strategy: str
    ahead: tuple[Lead, ...]
    sure: tuple[Sure, ...]
    alike: tuple[str, ...]
    lone: bool
    single: bool
    always: bool
    alone: bool = False

    @property
    def where(self) -> str:
        return "At every budget" if self.always and len(self.budgets) > 1 else f"At {budgets_in_words(self.budgets)}"

    @property
    def how(self) -> str:
        """By how many points it is ahead of whom, and how sure that is."""
        if not self.ahead:
            return "the only strategy here" if self.alone else "the only one that could pay for enough of the tasks"
        first, *more = self.ahead
        ahead = [f"{first.points} points ahead of {first.of}", *(f"{lead.points} of {lead.of}" for lead in more)]
        return f"{listed(ahead)}; {self._sure()}"

    def _sure(self) -> str:
        at: dict[Sure, list[str]] = {"best": [], "open": [], "unknown": []}
        for budget, sure in zip(self.budgets, self.sure, strict=True):
            at[sure].append(budget)
        others = " that has two seeds or more" if self.single else " whose distance has an interval"
        more = [f"{len(self.alike) - 2} more"] if len(self.alike) > 2 else []
        why = "from one seed" if self.single else "without an interval"
        words: dict[Sure, str] = {
            "best": f"surely ahead of every other{others if self.lone else ''}",
            "open": f"not told apart from {listed([*self.alike[:2], *more])}",
            "unknown": f"{why}, so how sure that is cannot be said",
        }
        # The last of what there is stands for all other budgets.
        *first, last = [sure for sure in at if at[sure]]
        return ", ".join([
            *(f"{words[sure]} at {budgets_in_words(at[sure], each=True)}" for sure in first),
            f"{'else ' if first else ''}{words[last]}",
        ])  # fmt: skip

    def __str__(self) -> str:
        return f"{self.where} {self.strategy} leads: {self.how}."


def answers(board: Board) -> list[Answer]:
    """One for each stretch of budgets with one leader, from small to large budgets."""
    stretches: list[list[str]] = []
    for budget, found in board.leads.items():
        if stretches and board.leads[stretches[-1][-1]].leader[0] == found.leader[0]:
            stretches[-1].append(budget)
        else:
            stretches.append([budget])
    return [_answer(board, tuple(budgets)) for budgets in stretches]


def _answer(board: Board, budgets: tuple[str, ...]) -> Answer:
    found = {budget: board.leads[budget] for budget in budgets}
    leader = found[budgets[0]].leader[0]
    after = {one.order[1][0] for one in found.values() if len(one.order) > 1}
    ahead = [_lead(found, board.reference)] if board.reference else []
    # Of whoever is next, where that is one and the same.
    ahead += [_lead(found, after.pop())] if len(after) == 1 else []
    alike = dict.fromkeys(
        label for one in found.values() for label, budget in one.alike() if one.gaps[label, budget].here.known
    )
    unknown = [gap.here for one in found.values() for gap in one.gaps.values() if not gap.here.known]
    return Answer(
        budgets,
        leader,
        tuple(dict.fromkeys(lead for lead in ahead if lead.gaps)),
        tuple(_sure(one) for one in found.values()),
        tuple(alike),
        bool(unknown),
        all(gap.seeds < 2 for gap in unknown),
        len(budgets) == len(board.budgets),
        len(board.labels) == 1,
    )


def _lead(found: dict[str, Leads], of: str) -> Lead:
    return Lead(of, tuple(one.gaps[of, budget].here for budget, one in found.items() if (of, budget) in one.gaps))


def _sure(found: Leads) -> Sure:
    known = {cell for cell, gap in found.gaps.items() if gap.here.known}
    if not known:
        return "unknown"
    return "open" if known & set(found.alike()) else "best"


def focus(board: Board, most: int = MOST) -> tuple[str, ...]:
    """The strategies that the pictures of ``board`` show in colour, in the order of its labels; at most ``most``.

    Whoever leads at some budget, dense finetuning, then the best of each family, controls last.
    """
    led = [found.leader[0] for found in board.leads.values()]
    leaders = sorted(dict.fromkeys(led), key=lambda label: -led.count(label))
    plain = [label for label in board.labels if not any(control in label for control in _CONTROLS)]
    families = dict.fromkeys(label.partition("(")[0] for label in plain)
    best = [next(label for label in plain if label.partition("(")[0] == family) for family in families]
    reference = [board.reference] if board.reference else []
    chosen = dict.fromkeys([*leaders[: most - 1], *reference, *leaders, *best, *plain, *board.labels])
    picked = set(list(chosen)[:most])
    return tuple(label for label in board.labels if label in picked)


_CONTROLS = ("score=random", "init=scratch")


def regime(board: Board, budget: str) -> Regime:
    """What ``budget`` is to the tasks of ``board``, counted in images that it could show the dense net."""
    images = board.images(budget)
    known = images[np.isfinite(images) & (images > 0)]  # Somebody else's record may say anything.
    return Regime(budget, float(known.min()), float(known.max())) if len(known) else Regime(budget, 0.0, 0.0)


def budgets_in_words(budgets: Sequence[str], *, each: bool = False) -> str:
    """Budgets as people say them: ``0.1 to 1 epochs``, ``60 seconds and 2e12 FLOPs``.

    Args:
        budgets: neighbours, from small to large. each: name each of them, as where some between are left out.
    """
    parts = [_number_and_unit(budget) for budget in budgets]
    units = {unit for _, unit in parts}
    if len(parts) == 1 or len(units) > 1:
        return listed([f"{number} {_one(number, unit)}".rstrip() for number, unit in parts])
    numbers = [number for number, _ in parts]
    return f"{listed(numbers) if each or len(numbers) < 3 else f'{numbers[0]} to {numbers[-1]}'} {units.pop()}"


def listed(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def _one(number: str, unit: str) -> str:
    return unit.removesuffix("s") if number == "1" and unit in ("epochs", "seconds") else unit


def _number_and_unit(text: str) -> tuple[str, str]:
    try:
        budget = Budget.parse(text)
    except UserError:
        return text, ""
    whole = " for the whole stream" if budget.scope == "stream" else ""
    for value, unit in ((budget.epochs, "epochs"), (budget.flops, "FLOPs"), (budget.seconds, "seconds")):
        if not math.isinf(value):
            return f"{value:.3g}".replace("e+", "e"), f"{unit}{whole}"
    return text, ""
