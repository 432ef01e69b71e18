"""From intervals to a verdict, and from an open one to what would decide it: rules that no claim can bend."""

import math

import numpy as np
import pytest

from reports.claims.needed import needed
from reports.claims.verdict import Finding, Question, alone, judge
from reports.statistics.student import HERE, LIKE, Both, Estimate, both


def known(value, error, scope=LIKE):
    one = Estimate(scope, value, error, 30, clusters=31)
    return Both(one, one)


@pytest.mark.parametrize(
    ("value", "error", "asked", "verdict"),
    [(0.03, 0.005, "above", "supported"), (-0.03, 0.005, "above", "refuted"), (0.0, 0.002, "above", "refuted"),
     (0.005, 0.01, "above", "inconclusive"), (0.03, 0.005, "not above", "refuted"), 
     (0.0, 0.002, "not above", "supported"),
     (-0.03, 0.005, "off", "supported"), (0.03, 0.005, "off", "supported"), (0.0, 0.002, "off", "refuted"),
     (0.03, math.nan, "above", "inconclusive")],
)  # fmt: skip
def test_the_rule_from_interval_to_verdict(value, error, asked, verdict):
    assert alone(Finding("", (Question(known(value, error), asked),))) == verdict


def test_no_effect_is_said_only_where_both_ends_lie_within_the_margin():
    # Narrow, half a point to either side, but one end lies further than a point from 0.
    off = Finding("", (Question(known(0.0075, 0.0035)),))
    assert alone(off) == "inconclusive"


def test_the_claims_of_a_board_are_paid_for_together():
    borderline = Finding("", (Question(known(0.03, 0.03 / 2.6)),))
    assert alone(borderline) == "supported"
    assert {one.verdict for one in judge([borderline] * 4, LIKE)} == {"inconclusive"}


def test_what_an_open_question_lacks_is_told_for_each_statement():
    few = Finding("", (Question(both(np.full((4, 3), 0.02) + np.arange(4)[:, None] / 100, list("abcd"))),))
    assert needed(few, LIKE) == "5 clusters of tasks or more (now 4)"
    random = np.random.default_rng(3)
    gains = random.normal(0.01, 0.03, (9, 4))
    open_one = Finding("", (Question(both(gains, list("abcdefghi")), margin=0.0),))
    assert needed(open_one, LIKE).startswith("estimate: ")
    assert "clusters of tasks like these (now 9)" in needed(open_one, LIKE)
    assert "harness decide" in needed(open_one, HERE)


def test_the_clusters_that_are_asked_for_do_decide_it():
    """With so many clusters of the same mean and spread the interval comes off zero; with half of them it does not."""

    def finding_of(clusters):
        values = np.resize([0.07, -0.03], clusters)[:, None]
        return Finding("", (Question(both(values, list(map(str, range(clusters)))), margin=0.0),))

    assert alone(finding_of(8)) == "inconclusive"
    asked = int(needed(finding_of(8), LIKE).split()[1])
    assert alone(finding_of(asked + asked % 2)) == "supported"
    assert alone(finding_of(asked // 2)) == "inconclusive"
