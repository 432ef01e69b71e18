"""Do nets of one architecture become one by matching their units?"""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.compute.flops import Counter
from harness.compute.meter import ComputeMeter
from harness.config.registry import make
from harness.core.errors import UserError
from strategies.bodies.structure.groups import Group
from strategies.bodies.structure.pruning import prunable
from strategies.bodies.transport.alignment import averaged, match, match_flops, matchable, permute

SIZE = 16
KINDS = [{}, {"groups": 12}, {"excite": True}]


def widths(net: nn.Module) -> list[Group]:
    return matchable(prunable(net, SIZE, "channel"))


def shuffled(net: nn.Module, groups: list[Group], seed: int = 3) -> nn.Module:
    other = copy.deepcopy(net)
    generator = torch.Generator().manual_seed(seed)
    for group in groups:
        permute(other, group, torch.randperm(group.width, generator=generator))
    return other


@pytest.mark.parametrize("kind", KINDS)
def test_a_net_merged_with_a_permuted_copy_of_itself_computes_the_same(
    kind: dict[str, int], small_net: Callable[..., nn.Module], images: Tensor
) -> None:
    net = small_net(**kind)
    groups = widths(net)
    other = shuffled(net, groups)
    torch.testing.assert_close(other(images), net(images), rtol=1e-4, atol=1e-4)
    assert not torch.equal(other.get_parameter("stem.weight"), net.get_parameter("stem.weight"))
    mixed = copy.deepcopy(net)
    mixed.load_state_dict(averaged([net.state_dict(), other.state_dict()]))
    assert (mixed(images) - net(images)).abs().max() > 0.1, "without matching another net comes out"
    match(other, net, groups)
    mixed.load_state_dict(averaged([net.state_dict(), other.state_dict()]))
    torch.testing.assert_close(mixed(images), net(images), rtol=1e-4, atol=1e-4)


def test_matching_changes_nothing_that_a_net_computes(small_net: Callable[..., nn.Module], images: Tensor) -> None:
    net, other = small_net(seed=1, excite=True), small_net(seed=2, excite=True)
    before = net(images)
    match(net, other, widths(net))
    torch.testing.assert_close(net(images), before, rtol=1e-4, atol=1e-4)


def test_matching_brings_nets_nearer_and_costs_no_more_than_foretold(small_net: Callable[..., nn.Module]) -> None:
    net, other = small_net(seed=1), small_net(seed=2)
    groups = widths(net)

    def apart() -> float:
        pairs = zip(net.parameters(), other.parameters(), strict=True)
        return sum(float((a - b).detach().square().sum()) for a, b in pairs)

    before = apart()
    with Counter() as count:
        spent = match(net, other, groups)
    assert apart() < 0.95 * before
    assert 0 < count.flops + spent <= match_flops(net, groups) * 1.01


def test_one_parent_is_what_merging_gives(small_net: Callable[..., nn.Module]) -> None:
    state = small_net().state_dict()
    assert all(torch.equal(value, state[name]) for name, value in averaged([state]).items())


def test_a_task_starts_from_the_mean_of_the_nets_before_it(run: Callable[..., Any]) -> None:
    one = run("ot_merged(parents=2)", epochs=0.1)
    states = []
    for name in ("first", "second", "third"):
        one.task = replace(one.task, name=name)
        one.meter = ComputeMeter(flops=one.meter.flops_budget)
        one.learn()
        states.append({key: value.clone() for key, value in one.net.body.state_dict().items()})
        assert one.meter.spent_flops <= one.meter.flops_budget * (1 + 1e-9)
    resumed = run("ot_merged(parents=2)", epochs=0.1)
    resumed.strategy.load_state({"parents": states[:2]})
    resumed.task = one.task
    resumed.learn()
    assert all(torch.equal(value, states[2][name]) for name, value in resumed.net.body.state_dict().items())
    kept = resumed.strategy.state()["parents"]
    assert len(kept) == 2
    assert all(torch.equal(kept[0][name], value) for name, value in states[1].items())


@pytest.mark.parametrize(
    ("spec", "said"), [("ot_merged(parents=0)", "at least 1"), ("ot_merged(init=scratch)", "init")]
)
def test_a_merging_that_means_nothing_is_refused(spec: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make("strategies", spec)
