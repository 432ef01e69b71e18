"""Ranks, critical differences, profiles and hypervolume against definitions, a published example and libraries."""

import math

import numpy as np
import pytest

from reports.boards.board import boards
from reports.reading.frame import read
from reports.statistics import metrics
from reports.tables.ranks import profile, profiles_table, ranks, ranks_table


def some(seed, n=9, k=5):
    return np.random.default_rng(seed).random((n, k)) + np.arange(k) * 0.12


@pytest.mark.parametrize("seed", range(5))
def test_mean_ranks_and_friedmans_p_are_those_of_their_definition(seed):
    errors = some(seed)
    n, k = errors.shape
    found = ranks(errors)
    brute = np.mean([[1 + sum(other < mine for other in row) for mine in row] for row in errors], axis=0)
    assert list(found.mean) == pytest.approx(list(brute))
    statistic = 12 * n / (k * (k + 1)) * ((brute - (k + 1) / 2) ** 2).sum()
    # Chi-square with k - 1 = 4 degrees of freedom has a tail in closed form.
    assert found.p == pytest.approx(math.exp(-statistic / 2) * (1 + statistic / 2))


# AUC of C4.5, with m, with cf, and with both on 14 sets: Demsar, JMLR 7, 2006, section 3.2.2. In the last row but one
# the paper prints 0.975 twice and ranks the first of them higher.
DEMSAR = [
    (0.763, 0.768, 0.771, 0.798), (0.599, 0.591, 0.590, 0.569), (0.954, 0.971, 0.968, 0.967),
    (0.628, 0.661, 0.654, 0.657), (0.882, 0.888, 0.886, 0.898), (0.936, 0.931, 0.916, 0.931),
    (0.661, 0.668, 0.609, 0.685), (0.583, 0.583, 0.563, 0.625), (0.775, 0.838, 0.866, 0.875),
    (1.000, 1.000, 1.000, 1.000), (0.940, 0.962, 0.965, 0.962), (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.9751, 0.975), (0.957, 0.978, 0.946, 0.970),
]  # fmt: skip


def test_the_published_example_has_the_published_ranks_and_statistic():
    found = ranks(1 - np.array(DEMSAR))
    assert list(found.mean) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    # The paper's 9.28 is without the correction for ties: one of four and three of two among 14 rows of four.
    corrected = 9.28 / (1 - (60 + 3 * 6) / (14 * 4 * (4**2 - 1)))
    # Three degrees of freedom: again a tail in closed form.
    tail = math.erfc(math.sqrt(corrected / 2)) + math.sqrt(2 * corrected / math.pi) * math.exp(-corrected / 2)
    assert found.p == pytest.approx(tail, rel=2e-3)


@pytest.mark.parametrize("seed", range(8))
def test_what_the_critical_difference_separates_nemenyi_calls_significant(seed):
    import scikit_posthocs as posthocs

    errors = some(seed)
    p = posthocs.posthoc_nemenyi_friedman(errors).to_numpy()
    found = ranks(errors)
    apart = np.abs(found.mean[:, None] - found.mean[None, :]) > found.critical
    assert (apart == (p < 0.05))[~np.eye(5, dtype=bool)].all()


@pytest.mark.parametrize(("k", "q"), [(3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_demsars_table(k, q):
    errors = np.random.default_rng(0).random((20, k))
    assert ranks(errors).critical == pytest.approx(q * math.sqrt(k * (k + 1) / 120), abs=2e-3)


def test_ties_share_their_rank_and_too_few_of_anything_says_nothing():
    assert list(ranks(np.zeros((4, 3))).mean) == [2, 2, 2]
    assert ranks(np.zeros((4, 3))).p == 1
    assert math.isnan(ranks(some(0, k=2)).critical)
    assert math.isnan(ranks(some(0, n=1)).critical)


def test_float_noise_breaks_no_tie():
    errors = np.array([[0.3, 0.1 + 0.2, 0.5]] * 4)
    assert list(ranks(errors).mean) == [1.5, 1.5, 3]


def test_a_profile_is_the_share_at_or_below():
    assert list(profile(np.array([[0.1, 0.4], [math.nan, 0.2]]), np.array([0, 0.2, 1]))) == [0, pytest.approx(2 / 3), 1]


@pytest.mark.parametrize("seed", range(5))
def test_hypervolume_agrees_with_moocore(seed):
    import moocore

    random = np.random.default_rng(seed)
    cost, error = np.exp(random.uniform(0, 5, 12)), random.random(12)
    scaled = np.column_stack([np.log(cost) / 5, error])
    mine = metrics.hypervolume(cost, error, low=1, high=math.exp(5))
    assert mine == pytest.approx(moocore.hypervolume(scaled, ref=[1, 1]))


@pytest.mark.parametrize("seed", range(5))
def test_the_front_agrees_with_moocore(seed):
    import moocore

    points = np.random.default_rng(seed).random((30, 2))
    assert list(metrics.pareto_front(*points.T, slack=0)) == list(moocore.is_nondominated(points))


def test_the_ranks_table_has_a_row_for_each_complete_strategy_and_budget(results):
    table = ranks_table(boards(read([results]))[0])
    assert len(table.frame) == 7 * 3
    assert (table.frame["n"] == 8).all()
    for _, part in table.frame.groupby("budget"):
        assert part["rank"].sum() == pytest.approx(7 * 8 / 2)


def test_profiles_are_of_one_budget(made, tmp_path):
    made(tmp_path, strategies=["finetune", "ridge"], budgets=["0.1ep", "1ep"], seeds=1)
    made(tmp_path, strategies=["linear_probe"], budgets=["0.1ep"], seeds=1)
    table = profiles_table(boards(read([tmp_path]))[0])
    assert {(row["strategy"], row["budget"]) for row in table.rows} == {("finetune", "1ep"), ("ridge", "1ep")}
    assert "at 1ep" in table.caption


def test_who_went_to_the_largest_budget_comes_before_who_did_not(made, tmp_path):
    made(tmp_path, strategies=["finetune"], budgets=["0.1ep", "1ep"], seeds=1, error_of=lambda *_: 0.6)
    made(tmp_path, strategies=["ridge"], budgets=["0.1ep"], seeds=1, error_of=lambda *_: 0.2)
    assert boards(read([tmp_path]))[0].labels == ("finetune", "ridge")
