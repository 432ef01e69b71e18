"""A strategy that breaks a promise is told which one; those that keep them all pass."""

import pytest
from command import Harness


def check(harness: Harness, spec: str, *, code: int) -> dict[str, bool]:
    said = harness("check", spec, "--stream", "tiny:bars", "--backbone", "tiny:net", "--size", 16, code=code).stdout
    return {line[8:].partition(":")[0]: line.startswith("kept") for line in said.splitlines()}


@pytest.mark.parametrize("spec", ["tiny:Finetune", "tiny:OwnLoop", "finetune(init=previous)", "linear_probe", "ncm"])
def test_a_strategy_that_keeps_the_contract_passes(harness: Harness, spec: str) -> None:
    answers = check(harness, spec, code=0)
    assert len(answers) == 7
    assert all(answers.values())


@pytest.mark.parametrize(
    ("spec", "broken"),
    [
        ("tiny:Broken(how=shape)", "runs a stream, with finite logits of the right shape"),
        ("tiny:Broken(how=nan)", "runs a stream, with finite logits of the right shape"),
        ("tiny:Broken(how=raises)", "runs a stream, with finite logits of the right shape"),
        ("tiny:Broken(how=peeks)", "asks for no split that is hidden while learning"),
        ("tiny:Careless(how=overspends)", "keeps to its budget, by one step at most"),
        ("tiny:Careless(how=remembers)", "depends on its seed and on nothing else"),
        ("tiny:Forgets", "goes on from its state as if nothing had happened"),
        ("tiny:Careless(how=trains)", "predicts without changing itself, each image by itself"),
        ("tiny:Careless(how=uncounted)", "is charged what it computes"),
    ],
)
def test_the_promise_that_is_broken_is_named(harness: Harness, spec: str, broken: str) -> None:
    assert check(harness, spec, code=1)[broken] is False
