"""One may look after every pair: the interval is wrong at any time in at most 5%, and stops early where it can."""

import math

import numpy as np
import pytest

from reports.statistics.sequential import PRIOR, half_width, look, looks


def test_the_half_width_is_where_the_likelihood_ratio_passes_its_bound():
    """Against the ratio written out: Bayes factor of the t statistic under a normal prior of the effect size."""
    values = np.random.default_rng(2).normal(0.3, 1, 12)
    n, spread = len(values), values.std(ddof=1)
    half = float(half_width(n, spread))

    def ratio(distance):
        t2, growth = n * distance**2 / spread**2, 1 + n * PRIOR
        return growth**-0.5 * ((1 + t2 / (n - 1)) / (1 + t2 / ((n - 1) * growth))) ** (n / 2)

    assert ratio(half) == pytest.approx(20)
    assert ratio(0.99 * half) < 20 < ratio(1.01 * half)


def test_it_is_wrong_at_some_time_in_at_most_five_of_a_hundred_where_a_fixed_interval_is_in_twenty():
    values = np.random.default_rng(3).standard_normal((1500, 150))
    n = np.arange(1, 151)
    mean = np.cumsum(values, axis=1) / n
    spread = np.sqrt((np.cumsum(values**2, axis=1) - n * mean**2) / np.maximum(n - 1, 1))
    wrong = (np.abs(mean) > half_width(np.broadcast_to(n, values.shape), spread)).any(axis=1).mean()
    naive = (np.abs(mean) > 1.96 * spread / np.sqrt(n))[:, 9:].any(axis=1).mean()
    assert wrong < 0.05 < 0.2 < naive


@pytest.mark.parametrize(("effect", "answer"), [(0.05, "first"), (-0.05, "second"), (0.0, "no difference")])
def test_the_answer_is_what_was_planted(effect, answer):
    values = effect + 0.01 * np.random.default_rng(4).standard_normal(80)
    found = look(values, margin=0.01)
    assert found.answer == answer
    assert found.pairs == 80


def test_few_pairs_leave_it_open_and_say_how_many_it_would_take():
    values = 0.02 + 0.02 * np.random.default_rng(5).standard_normal(5)
    found = look(values[:2])
    assert (found.answer, found.half) == ("open", math.inf)
    found = look(values)
    assert found.answer == "open"
    assert look(values[:1]).answer == "open"
    same = abs(found.value), found.spread
    assert half_width(found.wanted, same[1]) < same[0] <= half_width(found.wanted - 3, same[1])


def test_where_no_seed_changes_anything_one_pair_says_all():
    assert look([0.02, 0.02], exact=True).answer == "first"
    assert look([0.002, 0.002], exact=True).answer == "first"
    assert look([0.0, 0.0], exact=True).answer == "no difference"


def test_many_rows_are_looked_at_as_one_is():
    values = 0.02 + 0.02 * np.random.default_rng(6).standard_normal((20, 60))
    taken, answers = looks(values)
    for row, pairs, answer in zip(values, taken, answers, strict=True):
        names = {1: "first", -1: "second", 0: "no difference", 9: "open"}
        assert look(row[:pairs]).answer == names[int(answer)]
        assert answer == 9 or pairs == 1 or look(row[: pairs - 1]).answer == "open"


def test_twice_the_margin_is_known_in_less_than_half_the_pairs_of_a_design_for_the_margin():
    from bench.coverage import against_fixed

    mine, fixed, right = against_fixed(4.0, count=200)
    assert mine <= fixed / 2
    assert right > 0.95
