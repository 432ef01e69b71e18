"""How much more would decide it? The clusters of tasks, or the seeds, at which an open question would be answered."""

import math

from reports.claims.verdict import ALPHA, Finding, Question
from reports.statistics.student import FEWEST, LEVEL, LIKE, Estimate, quantile

MANY = 1000
"""So many seeds or clusters or more are no plan: the effect is then too small for its spread to be told."""


def needed(finding: Finding, scope: str, *, judged: int = 1) -> str:
    """An estimate in words for an open question; empty where there is none.

    Assumed is that the mean and the spread between units stay where they are. It is no invitation to add seeds until a
    verdict comes, which makes false ones: the number is fixed before they are run, or ``harness decide`` adds them,
    whose intervals may be looked at after every seed.

    Args:
        judged: questions of the board that are judged with it, which all have to be paid for.
    """
    level = 1 - ALPHA / (judged * max(1, len(finding.questions)))
    asked = [question for question in finding.questions if not math.isnan(question.of(scope).value)]
    if not asked:
        return ""
    question = min(asked, key=lambda one: units_needed(one, scope, level) or MANY)
    one = question.of(scope)
    at = f" at {question.budget}" if question.budget else ""
    if scope == LIKE and not one.known:
        return f"{FEWEST} clusters of tasks or more{at} (now {one.clusters})"
    if not one.known:
        return f"two seeds or more{at}" if one.seeds < 2 else f"more seeds{at}: these agree by coincidence"
    count = units_needed(question, scope, level)
    if count is None:
        return f"the effect is too near the threshold to tell{at}"
    if scope == LIKE:
        return f"estimate: {count} clusters of tasks like these{at} (now {one.clusters})"
    return f"estimate: {count} seeds{at} (now {one.seeds}), fixed before they are run, or harness decide"


def units_needed(question: Question, scope: str, level: float) -> int | None:
    """Units at which the interval would clear the threshold or lie within its margin; None where it takes too many."""
    one = question.of(scope)
    if not one.known:
        return None
    distance = abs(one.value - question.threshold)
    # Whichever comes first: off the threshold, or inside the margin around it.
    wanted = max(distance, question.margin - distance)
    now = one.freedom + 1
    return units_for(one, wanted, now, level) if wanted > 0 else None


def units_for(one: Estimate, half: float, now: float, level: float = LEVEL) -> int | None:
    """Units, more than ``now``, at which the interval's half width is ``half``; None from :data:`MANY` on."""
    spread = one.error * math.sqrt(now)
    for count in range(math.floor(now) + 1, MANY):
        if quantile(count - 1, level) * spread / math.sqrt(count) < half:
            return count
    return None
