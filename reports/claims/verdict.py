"""When does a claim hold? From what was found to a verdict, for each of the two statements; adjusted over a board.

The rules, of which :data:`RULES` is the version:

1. A question asks whether a mean lies above (or below) a threshold, or off it on either side. It is answered where the
   interval of Student's t clears the threshold, or lies inside the margin around it: both ends. Else it is open. The
   interval of a claim alone is the one of 1 - :data:`ALPHA`, 97.5%; rule 3 makes it wider where there are more.
2. Where a claim asks for some budget, each budget is a question: one answer 'yes' counts with the number of budgets
   (Bonferroni); 'no' needs all of them to say so.
3. The claims of a board are judged together: their p-values are adjusted by Holm's method and held against
   :data:`ALPHA`, chosen so that at most 5% of boards have any false verdict.
4. Nothing is said of tasks like these from fewer than five clusters of tasks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from reports.statistics.student import HERE, LIKE, Both, Estimate, holm

RULES = 2
ALPHA = 0.025
"""Of a board. With a dozen claims the far tails of t decide, and promise too much from a few tasks: at this level real
differences keep false verdicts below 5% of boards, as ``python -m bench.coverage`` measures."""

MARGIN = 0.01
"""A gain of less than a point is none."""

Verdict = Literal["supported", "refuted", "inconclusive", "not tested"]
Relation = Literal["above", "below", "not above", "off"]


@dataclass(frozen=True)
class Question:
    """Is ``quantity`` above or below the threshold, not above it, or off it on either side?

    Attributes:
        margin: closer to the threshold than this is at it; 0 where only clearing it answers.
        budget: at which it is asked, where a claim asks at several.
    """

    quantity: Both
    relation: Relation = "above"
    threshold: float = 0.0
    margin: float = MARGIN
    budget: str = ""

    def chances(self, scope: str) -> tuple[float, float]:
        """p of 'it does not hold' and of 'it does hold', each for both sides of the interval."""
        one = self.of(scope)
        above, below = one.above(self.threshold), one.below(self.threshold)
        at = max(one.above(self.threshold - self.margin), one.below(self.threshold + self.margin))
        within = at if self.margin else 1.0
        match self.relation:
            case "above":
                holds, fails = above, min(below, within)
            case "below":
                holds, fails = below, min(above, within)
            case "not above":
                holds, fails = min(below, within), above
            case "off":
                holds, fails = min(above, below), within
        return min(1.0, 2 * holds), min(1.0, 2 * fails)

    def of(self, scope: str) -> Estimate:
        return self.quantity.here if scope == HERE else self.quantity.like


@dataclass(frozen=True)
class Finding:
    """What the test of a claim found.

    Attributes:
        text: the finding in words, with both intervals.
        questions: what has to be answered; none where the claim was not tested or needs no statistics.
        some: one 'yes' is enough, as where a claim asks for some budget; else there is one question.
        settled: the verdict where there is no question.
        cells: the (strategy, budget) it rests on. tasks: places of the tasks it rests on; None for all.
        displayed: what stands beside the verdict, where that is not what was asked.
    """

    text: str
    questions: tuple[Question, ...] = ()
    some: bool = False
    settled: Verdict = "not tested"
    cells: Sequence[tuple[str, str]] = field(default=())
    tasks: Sequence[int] | None = None
    displayed: Both | None = None

    @property
    def quantity(self) -> Both | None:
        """What is shown: ``displayed``, else the one question's, or of several the one that is most surely above."""
        if self.displayed is not None or not self.questions:
            return self.displayed
        return min(self.questions, key=lambda q: math.inf if math.isnan(p := q.chances(HERE)[0]) else p).quantity

    def chances(self, scope: str) -> tuple[float, float]:
        """p of 'it does not hold' and of 'it does hold'; nan where nothing can be said."""
        both = [question.chances(scope) for question in self.questions]
        both = [pair for pair in both if not math.isnan(pair[0])]
        if not both:
            return math.nan, math.nan
        return min(1.0, len(both) * min(pair[0] for pair in both)), max(pair[1] for pair in both)


@dataclass(frozen=True)
class Judged:
    """A verdict, and the adjusted p that it rests on; nan where there is none."""

    verdict: Verdict
    p: float


def not_tested(why: str) -> Finding:
    return Finding(why)


def judge(findings: Sequence[Finding], scope: str) -> list[Judged]:
    """The verdicts of the claims of one board, together."""
    pairs = [finding.chances(scope) for finding in findings]
    adjusted = holm([math.nan if math.isnan(a) else min(1.0, min(a, b)) for a, b in pairs])
    return [_judged(finding, pair, p) for finding, pair, p in zip(findings, pairs, adjusted, strict=True)]


def _judged(finding: Finding, pair: tuple[float, float], p: float) -> Judged:
    if not finding.questions:
        return Judged(finding.settled, math.nan)
    if math.isnan(p) or p > ALPHA:
        return Judged("inconclusive", p)
    return Judged("supported" if pair[0] <= pair[1] else "refuted", p)


def alone(finding: Finding, scope: str = LIKE) -> Verdict:
    """The verdict of a claim that is the only one asked."""
    return judge([finding], scope)[0].verdict
