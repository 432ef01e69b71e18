"""A strategy that breaks a promise is told which one; those that keep them all pass."""

import re

import pytest
from command import Harness

from harness.config.registry import entries
from harness.conformance.promises import (
    BODY,
    CHARGED,
    PEEKS,
    PREDICTS,
    PROMISES,
    REPEATS,
    RESUMES,
    RUNS,
    SPENDS,
    Answer,
    conformance,
)

WAYS = {
    SPENDS: ["Overspends(how=goes_on)", "Overspends(how=lifts_its_budget)", "Overspends(how=loops_on_its_own)"],
    CHARGED: [
        *("Hides(how=looks_away)", "Hides(how=takes_back)", "Hides(how=claims_less)"),
        "Hides(how=in_a_program)",
    ],
    REPEATS: ["Remembers(how=counts)", "Remembers(how=draws_unseeded)", "Remembers(how=goes_on_from_another_run)"],
    PEEKS: ["Peeks(how=asks)", "Peeks(how=tries)", "Peeks(how=looks_up)"],
    RUNS: [
        *("Unfinite(how=nan)", "Unfinite(how=one_class)", "Unfinite(how=one_image)"),
        *("Misshapen(how=one_more)", "Misshapen(how=squeezed)", "Misshapen(how=averaged)"),
        *("Misshapen(how=numpy)", "Misshapen(how=list)", "Misshapen(how=whole_numbers)", "Misshapen(how=elsewhere)"),
        *("Fails(how=raises)", "Fails(how=leaves)", "Fails(how=gives_up)"),
    ],
    RESUMES: [
        "Module",
        *("Forgets(how=says_nothing)", "Forgets(how=takes_nothing_back)", "Forgets(how=cannot_take_back)"),
    ],
    PREDICTS: ["Adapts(how=trains)", "Adapts(how=drifts)", "Adapts(how=mixes)"],
}


def answers(spec: str) -> dict[str, Answer]:
    return {one.promise: one for one in conformance(spec, stream="tiny:bars", backbone="tiny:net", size=16)}


@pytest.mark.parametrize("spec", ["tiny:Finetune", "tiny:OwnLoop", "tiny:Restarts"])
def test_a_strategy_that_keeps_the_contract_passes(spec: str) -> None:
    found = answers(spec)
    assert list(found) == list(PROMISES)
    assert all(one.holds for one in found.values())


@pytest.mark.parametrize(("promise", "spec"), [(promise, spec) for promise in WAYS for spec in WAYS[promise]])
def test_the_promise_that_is_broken_is_named_and_no_other(promise: str, spec: str) -> None:
    broken = {one.promise: one.why for one in answers(f"careless:{spec}").values() if not one.holds}
    assert list(broken) == [promise]
    assert re.search(r"\((careless|tiny)\.py:\d+\)$", broken[promise])


@pytest.mark.parametrize(
    ("spec", "promise", "what"),
    [
        ("Misshapen(how=numpy)", RUNS, r"gave a numpy.ndarray for 24 images .*; expected a torch.Tensor of floats"),
        ("Misshapen(how=whole_numbers)", RUNS, r"logits of torch.int64"),
        ("Misshapen(how=elsewhere)", RUNS, r"logits on meta .* on cpu"),
        ("Hides(how=in_a_thread_that_goes_on)", CHARGED, r"a thread computed .* FLOPs after learn had returned"),
        ("Hides(how=in_a_program)", CHARGED, r"started a program, .*: .*python.* -S -c 2 \* 2"),
        ("Hides(how=in_an_operation_without_price)", CHARGED, r"matrix_exp has no known cost"),
        ("Hides(how=in_a_process)", RUNS, r"the process that trains has failed"),
    ],
)
def test_what_came_and_what_is_wanted_are_said(spec: str, promise: str, what: str) -> None:
    assert re.search(what, answers(f"careless:{spec}")[promise].why)


COMPOSED = [
    "filter_pruned(flops=0.5, learner=ridge)",
    "ot_fused(flops=0.5, learner=linear_probe)",
    "channel_pruned(flops=0.5, learner=avalanche(method=LwF))",
]


@pytest.mark.parametrize("how", ["draws_unseeded", "counts", "changes_what_it_is_given"])
def test_a_body_that_depends_on_more_than_its_net_or_changes_it_is_named(how: str) -> None:
    found = answers(f"careless:Body(how={how}, learner=ncm)")
    assert found[BODY].why


# What a checkpoint brings needs the task that it was trained on: see tests/strategies/test_as_trained.py.
@pytest.mark.parametrize("spec", [*sorted(entries("strategies").keys() - {"as_trained"}), *COMPOSED])
def test_every_strategy_that_is_built_in_keeps_the_contract(spec: str) -> None:
    broken = {one.promise: one.why for one in conformance(spec, stream="tiny:bars", size=32) if not one.holds}
    assert broken == {}


def test_check_says_a_line_for_each_promise_and_leaves_with_1_where_one_is_broken(harness: Harness) -> None:
    options = ["--stream", "tiny:bars", "--backbone", "tiny:net", "--size", 16]
    said = harness("check", "tiny:OwnLoop", *options)
    assert said.stdout.splitlines() == [f"kept    {promise}" for promise in PROMISES]
    assert said.stderr == "tiny:OwnLoop: keeps the contract\n"
    said = harness("check", "careless:Peeks", *options, code=1)
    assert said.stdout.startswith(f"BROKEN  {PEEKS}: task 'bars0'")
    assert said.stderr == "careless:Peeks: 1 broken\n"


def test_a_run_ends_where_labels_are_looked_up_while_predicting(harness: Harness) -> None:
    suite = ["--stream", "tiny:bars", "--backbone", "tiny:net", "--size", 16, "--budget", "1ep", "--seeds", 1]
    said = harness("run", "smoke", *suite, "--strategy", "careless:Peeks(how=looks_up)", "--out", "out", code=1)
    assert "split test is hidden" in said.stdout + said.stderr
