"""Are transport plans what they claim: complete, sparse, and optimal?"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.bodies.transport.costs import distances, normalised
from strategies.bodies.transport.plans import entropic, joined, nearest, transported


def vectors(n: int, seed: int, d: int = 6) -> torch.Tensor:
    return normalised(torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))


sizes = st.integers(2, 14).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1), st.integers(0, 10**6)))


@settings(max_examples=40, deadline=None)
@given(sizes, st.booleans())
def test_a_plan_moves_all_of_every_unit_and_fills_every_slot(size: tuple[int, int, int], even: bool) -> None:
    n, m, seed = size
    units, kept = vectors(n, seed), torch.arange(m)
    mass = torch.ones(m, dtype=torch.float64) if even else torch.arange(1, m + 1, dtype=torch.float64)
    plan = transported(distances(units, units[kept]), kept, mass / mass.sum())
    given_away = torch.zeros(n, dtype=torch.float64).index_add_(0, plan.source, plan.share)
    torch.testing.assert_close(given_away, torch.ones(n, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(plan.received / n, mass / mass.sum(), rtol=0, atol=1e-12)
    assert (plan.share > 0).all()
    assert len(plan.share) <= n + m - 1 + m
    own = plan.share[(plan.source == plan.slot)]
    assert len(own) == m, "every kept unit keeps a part of itself"


@settings(max_examples=40, deadline=None)
@given(sizes, st.sampled_from(["l2", "l1"]), st.booleans())
def test_the_reduced_problem_has_the_optimum_of_the_full_one(
    size: tuple[int, int, int], metric: str, even: bool
) -> None:
    import ot

    n, m, seed = size
    units, kept = vectors(n, seed), torch.arange(m)
    mass = torch.ones(m, dtype=torch.float64) if even else torch.arange(1, m + 1, dtype=torch.float64)
    cost = distances(units, units[kept], metric=metric)  # type: ignore[arg-type]
    full = ot.emd2(np.full(n, 1 / n), (mass / mass.sum()).numpy(), cost.numpy())
    assert transported(cost, kept, mass / mass.sum()).cost == pytest.approx(float(full), abs=1e-10)


def test_two_units_a_slot_are_an_assignment() -> None:
    units, kept = vectors(40, 0), torch.arange(20)
    plan = transported(distances(units, units[kept]), kept, torch.full((20,), 1 / 20, dtype=torch.float64))
    assert plan.received.tolist() == [2.0] * 20
    assert sorted(plan.source.tolist()) == list(range(40))


def test_nearest_sends_each_unit_whole_to_the_nearest_slot() -> None:
    units, kept, gone = vectors(12, 3), torch.tensor([1, 5, 7]), torch.tensor([0, 2, 3, 4, 6, 8, 9, 10, 11])
    cost = distances(units[gone], units[kept])
    plan = nearest(cost, kept, gone)
    assert plan.slot[3:].tolist() == cost.argmin(dim=1).tolist()
    assert (plan.share == 1).all()


def test_entropy_blurs_and_costs_more() -> None:
    units, kept = vectors(16, 1), torch.arange(6)
    cost, mass = distances(units, units[kept]), torch.full((6,), 1 / 6, dtype=torch.float64)
    blurred, sharp = entropic(cost, mass, regularisation=0.05), transported(cost, kept, mass)
    assert blurred.cost > sharp.cost
    assert len(blurred.share) > len(sharp.share)


def test_blocks_do_not_mix() -> None:
    units, kept = vectors(8, 2), torch.arange(4)
    plan = transported(distances(units, units[kept]), kept, torch.full((4,), 0.25, dtype=torch.float64))
    both = joined([plan, plan])
    assert ((both.source >= 8) == (both.slot >= 4)).all()
    values = torch.randn(16, 3, dtype=torch.float64)
    torch.testing.assert_close(both.total(values)[4:], plan.total(values[8:]))


@pytest.mark.parametrize("metric", ["l1", "l2"])
def test_equal_vectors_are_at_distance_zero(metric: str) -> None:
    units = torch.randn(50, 3000, generator=torch.Generator().manual_seed(0))
    far = distances(torch.cat([units, units]), units, metric=metric)  # type: ignore[arg-type]
    assert (far[50:].diagonal() == 0).all()
    reference = torch.cdist(units.double(), units.double(), p=1 if metric == "l1" else 2)
    torch.testing.assert_close(far[:50].double(), reference, rtol=1e-4, atol=1e-3)
