"""Student's t against scipy and statsmodels' definitions, and each statement about what it is said to be."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.student import (
    HERE,
    LIKE,
    Estimate,
    both,
    by_seed,
    here,
    holm,
    like,
    mean_of,
    of_units,
    unchanging,
    welch,
)

VALUES = np.random.default_rng(0).random((7, 4))
NAMES = list("abcdefg")


def test_on_these_tasks_the_unit_is_a_seed_over_all_tasks():
    found = here(VALUES)
    theirs = stats.ttest_1samp(VALUES.mean(axis=0), 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert found.value == pytest.approx(VALUES.mean())
    assert (found.scope, found.n, found.tasks, found.seeds) == (HERE, 28, 7, 4)


def test_on_tasks_like_these_the_unit_is_a_cluster_with_its_seeds_averaged_first():
    names = ["digits", "digits", "c", "d", "e", "f", "g"]
    units = np.concatenate([[VALUES[:2].mean()], VALUES[2:].mean(axis=1)])
    theirs = stats.ttest_1samp(units, 0).confidence_interval(0.95)
    found = like(VALUES, names)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert (found.scope, found.clusters) == (LIKE, 6)


def test_nothing_is_said_of_tasks_like_these_from_fewer_than_five_clusters():
    assert like(VALUES[:5], NAMES[:5]).known
    assert not like(VALUES, ["a", "a", "b", "b", "c", "c", "d"]).known


def test_one_seed_has_no_interval_and_nothing_measured_is_nan_without_a_warning():
    assert not here(VALUES[:, :1]).known
    nothing = both(np.full((3, 2), math.nan), NAMES[:3])
    assert math.isnan(nothing.here.value)
    assert nothing.here.n == nothing.like.n == 0


def test_one_sided_p_agree_with_scipy():
    found = here(VALUES - 0.5)
    units = by_seed(VALUES - 0.5)
    assert found.above(0.02) == pytest.approx(stats.ttest_1samp(units, 0.02, alternative="greater").pvalue)
    assert found.below(0.02) == pytest.approx(stats.ttest_1samp(units, 0.02, alternative="less").pvalue)


def test_the_seeds_of_a_deterministic_strategy_are_one():
    values = np.repeat(VALUES[:, :1], 5, axis=1)
    assert unchanging(values)
    found = here(values, exact=True)
    assert (found.n, found.seeds, found.half) == (7, 1, 0)
    # On one task seeds may agree by chance: no interval of width zero.
    assert not unchanging(values[:1])
    assert not here(values[:1]).known


def test_a_seed_that_misses_a_task_does_not_shift_the_mean_or_the_spread():
    values = VALUES.copy()
    values[0, 0] = math.nan
    left = values[1:, 0] - VALUES[1:].mean(axis=1)
    assert by_seed(values)[0] == pytest.approx(mean_of(values) + left.mean())
    assert by_seed(VALUES) == pytest.approx(VALUES.mean(axis=0))
    values[1:5, 0] = math.nan
    assert len(by_seed(values)) == 3
    assert mean_of(values) == pytest.approx(np.mean([np.nanmean(row) for row in values]))


def test_welch_agrees_with_scipy():
    first, second = VALUES[:4, 0], VALUES[:, 1] * 3
    theirs = stats.ttest_ind(first, second, equal_var=False)
    mine = welch(LIKE, first, second)
    assert 2 * min(mine.above(0), mine.below(0)) == pytest.approx(theirs.pvalue)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_the_step_down_of_bonferroni(p):
    adjusted = holm(p)
    order = sorted(range(len(p)), key=lambda i: p[i])
    for rank, place in enumerate(order):
        least = max(min(1, (len(p) - i) * p[order[i]]) for i in range(rank + 1))
        assert adjusted[place] == pytest.approx(least)


def test_what_cannot_be_told_does_not_count_in_holm():
    assert holm([0.02, math.nan])[0] == 0.02
    assert math.isnan(holm([0.02, math.nan])[1])


@pytest.mark.parametrize(("tasks", "seeds", "within"), [(7, 4, 0.05), (28, 3, 0.05), (7, 4, 0.3), (1, 3, 0.05)])
def test_intervals_hold_the_planted_truth_as_often_as_they_say(tasks, seeds, within):
    """The percentile bootstrap held it in 89, 94, 98 and 76%; python -m bench.coverage has more repetitions."""
    random, held = np.random.default_rng(1), []
    for _ in range(600):
        of_task = 0.08 * random.standard_normal((tasks, 1))
        found = both(of_task + within * random.standard_normal((tasks, seeds)), list(map(str, range(tasks))))
        held.append(found.here.low <= of_task.mean() <= found.here.high)
        if found.like.known:
            held.append(found.like.low <= 0 <= found.like.high)
    assert 0.92 < np.mean(held) < 0.98


def test_equal_units_have_no_spread_from_float_noise():
    assert of_units(HERE, np.array([0.1, 0.1 + 1e-17, 0.3 - 0.2])).error == 0
    assert Estimate(HERE, 0.0, 0.0, 3).above(0) == 1
