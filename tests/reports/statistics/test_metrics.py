"""Each score against a definition written out, a case done by hand, or a library."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.statistics import metrics

points = st.lists(st.tuples(st.floats(1, 1e6), st.floats(0, 1)), min_size=1, max_size=12)


def test_chance_is_one_minus_one_over_k_and_unknown_for_multilabel():
    assert metrics.chance_error("multiclass", 10) == pytest.approx(0.9)
    assert metrics.chance_error("binary", 2) == 0.5
    assert math.isnan(metrics.chance_error("multilabel", 5))


def test_guessing_scores_one_in_units_of_guessing():
    assert list(metrics.chance_normalised([0.9, 0.25], [0.9, 0.5])) == [1.0, 0.5]


@given(points)
def test_the_front_is_what_no_point_dominates(pairs):
    cost, error = np.array(pairs).T
    expected = [not any((c2 <= c and e2 <= e) and (c2 < c or e2 < e) for c2, e2 in pairs) for c, e in pairs]
    assert list(metrics.pareto_front(cost, error, slack=0)) == expected


def test_a_cost_that_is_equal_but_for_the_last_step_buys_no_place_on_the_front():
    assert list(metrics.pareto_front([1.00, 1.01, 1.5], [0.5, 0.2, 0.1])) == [False, True, True]


def test_points_without_a_number_are_on_no_front():
    assert list(metrics.pareto_front([1, math.nan, 2], [0.5, 0.1, math.nan])) == [True, False, False]


def test_the_area_of_a_straight_line_in_ln_c_is_its_middle():
    cost = [1.0, 10.0, 100.0]
    assert metrics.area_under_curve(cost, [0.2, 0.4, 0.6], 1, 100) == pytest.approx(0.4)
    assert metrics.area_under_curve(cost, [0.2, 0.4, 0.6], 10, 100) == pytest.approx(0.5)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=6), st.floats(0.1, 0.9))
def test_the_area_equals_a_fine_riemann_sum(accuracy, start):
    cost = np.geomspace(1, 1000, len(accuracy))
    low, high = 1000 ** (start * 0.5), 1000.0
    x = np.linspace(math.log(low), math.log(high), 20001)
    fine = np.interp(x, np.log(cost), accuracy)
    assert metrics.area_under_curve(cost, accuracy, low, high) == pytest.approx(fine.mean(), abs=2e-4)


def test_nothing_is_extrapolated():
    assert math.isnan(metrics.area_under_curve([1, 10], [0.1, 0.2], 0.5, 10))
    assert math.isnan(float(metrics.accuracy_at([1, 10], [0.1, 0.2], 11)))
    assert metrics.common_range([[1, 10], [2, 30]]) == (2, 10)


@given(points)
def test_hypervolume_equals_the_share_of_random_points_dominated(pairs):
    cost, error = np.array(pairs).T
    low, high = 1.0, 1e6
    area = metrics.hypervolume(cost, error, low=low, high=high)
    grid = (np.arange(200) + 0.5) / 200
    x = np.log(cost) / math.log(high)
    dominated = ((x[:, None, None] <= grid[None, :, None]) & (error[:, None, None] <= grid[None, None, :])).any(axis=0)
    assert area == pytest.approx(dominated.mean(), abs=2 * len(pairs) / 200 + 0.01)


def test_compute_to_accuracy_interpolates_in_ln_c_and_is_never_where_it_is_not_reached():
    assert metrics.compute_to_accuracy([1, 100], [0.2, 0.6], 0.4) == pytest.approx(10)
    assert metrics.compute_to_accuracy([1, 100], [0.2, 0.6], 0.1) == 1
    assert metrics.compute_to_accuracy([1, 100], [0.2, 0.6], 0.7) == math.inf


def test_compute_gain_is_the_geometric_mean_where_both_arrive():
    assert metrics.compute_gain([8, 2, math.inf], [2, 1, 1]) == pytest.approx(math.sqrt(8))
    assert math.isnan(metrics.compute_gain([math.inf], [1]))


def test_a_front_of_pairs_is_no_help_to_who_leaves_out_what_is_hard():
    # The second could not pay for the hard task; on the easy one it is worse at the same cost.
    cost = np.array([[1.0, 1.0], [1.0, np.nan], [2.0, 2.0]])
    error = np.array([[0.2, 0.8], [0.3, np.nan], [0.1, 0.9]])
    assert list(metrics.paired_front(cost, error)) == [True, False, False]
    assert list(metrics.pareto_front(np.nanmean(cost, axis=1), np.nanmean(error, axis=1))) == [False, True, False]


@given(points)
def test_a_front_of_pairs_over_one_task_is_the_front(pairs):
    cost, error = (np.round(values, 6) for values in np.array(pairs).T)
    mine = metrics.paired_front(cost[:, None], error[:, None], slack=0)
    assert list(mine) == list(metrics.pareto_front(cost, error, slack=0))


def test_a_score_lies_between_the_frozen_head_and_the_best_known():
    assert list(metrics.between([0.3, 0.1, 0.2, 0.4], 0.3, 0.1)) == pytest.approx([0, 1, 0.5, -0.5])
    assert math.isnan(float(metrics.between(0.2, 0.205, 0.2)))
