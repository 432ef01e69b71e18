"""Ledgers add up: in any order, phase by phase, and what is free is in no sum."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.compute.ledger import COST_PHASES, Ledger
from harness.compute.meter import ComputeMeter

SPENDING = st.dictionaries(st.sampled_from(COST_PHASES), st.integers(0, 2**50))
LEDGERS = st.builds(Ledger, SPENDING, SPENDING)


@given(LEDGERS, LEDGERS, LEDGERS)
def test_ledgers_add_up_in_any_order_and_from_nothing(a: Ledger, b: Ledger, c: Ledger) -> None:
    assert ((a + b) + c).fields() == (a + (c + b)).fields()
    assert sum([a, b], Ledger()).fields() == (a + b).fields()
    assert (a + b).charged_flops == a.charged_flops + b.charged_flops


@given(LEDGERS)
def test_evaluation_is_in_no_sum(a: Ledger) -> None:
    fields = a.fields()
    for unit in ("flops", "seconds"):
        charged = sum(fields[f"{unit}_{phase}"] for phase in COST_PHASES if phase != "evaluate")
        assert fields[unit] == charged
    free = a.as_evaluation().fields()
    assert free["flops"] == 0
    assert free["flops_evaluate"] == a.charged_flops


def test_a_meter_absorbs_what_another_counted_in_its_phases_or_in_one() -> None:
    other = ComputeMeter()
    with other, other.phase("prune"):
        torch.ones(2, 3) @ torch.ones(3, 4)
    with other:
        other.charge(10)
    other.steps, other.examples = 2, 32
    for phase, found in ((None, (48, 10, 0)), ("search", (0, 0, 58))):
        meter = ComputeMeter()
        with meter:
            meter.absorb(other, phase=phase)  # type: ignore[arg-type]
        assert (meter.flops["prune"], meter.flops["train"], meter.flops["search"]) == found
        assert (meter.steps, meter.examples, meter.spent_flops) == (2, 32, 58)
