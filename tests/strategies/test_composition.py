"""Any body with any learner: written in several ways, one run; charged what it costs; refused with its reason."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.compute.backbone import feature_width
from harness.compute.flops import flops_forward
from harness.config.options import flat
from harness.config.registry import canonical, make
from harness.core.errors import UserError
from harness.core.task import Split
from harness.learning.strategy import Strategy

SMALL: dict[str, Any] = {"backbone": "timm:test_efficientnet(weights=none)", "size": 32}


def identity(spec: str) -> tuple[str, dict[str, Any], int]:
    """What of a strategy enters a run's key."""
    strategy: Strategy = make("strategies", spec)
    return canonical(spec, strategy).name, flat(strategy), strategy.version


@pytest.mark.parametrize(
    ("spec", "same"),
    [
        ("filter_pruned(flops=0.5, lr=0.1)", "filter_pruned(flops=0.5, learner=finetune(lr=0.1))"),
        (
            "filter_pruned(flops=0.5, learner=ridge(penalty=0.3))",
            "filter_pruned(flops=0.5, learner='ridge(penalty=.3)')",
        ),
        ("filter_pruned(learner=ridge)", "filter_pruned(learner=ridge(penalty=0.1))"),
        ("ridge", "dense(learner=ridge)"),
        ("finetune(init=scratch)", "dense(init=scratch)"),
    ],
)
def test_one_thing_written_in_two_ways_is_one_run(spec: str, same: str) -> None:
    assert identity(spec) == identity(same)
    assert str(canonical(spec, make("strategies", spec))) == str(canonical(same, make("strategies", same)))


def test_every_option_of_the_learner_is_in_the_key() -> None:
    specs = [
        "ridge",
        "ridge(penalty=0.3)",
        "knn",
        "avalanche(method=LwF)",
        "avalanche(method=LwF, strength=2.0)",
        "finetune",
    ]
    found = {repr(identity(f"channel_pruned(flops=0.5, learner={learner})")) for learner in specs}
    assert len(found) == len(specs)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("ot_merged(learner=ridge)", "takes no learner: it merges the nets that finetuning leaves behind"),
        ("adaptive_pruned(learner=ridge)", "takes no learner: it prunes between stages"),
        ("compute_optimal(learner=ridge)", "takes no learner: its rule was fitted on finetuning"),
        ("tune(learner=ridge)", "takes no learner"),
        ("ot_fused(ground_cost=activation, learner=ridge)", "takes no learner=ridge"),
        ("filter_pruned(learner=ot_merged)", "cannot learn on another body: it merges"),
        ("filter_pruned(learner=filter_pruned)", "no learner 'filter_pruned'|expected a Strategy"),
        ("filter_pruned(learner=ridge, lr=0.1)", "learner=ridge(lr=0.1)"),
        ("filter_pruned(learner=finetune(lr=0.2), lr=0.1)", "given twice"),
        ("filter_pruned(learner=3)", "is no name"),
        ("filter_pruned(learner=ridg)", "did you mean 'ridge'"),
        ("filter_pruned(learner=ridge(penaltee=1.0))", "did you mean 'penalty'"),
    ],
)
def test_what_means_nothing_is_refused_and_says_why(spec: str, why: str) -> None:
    with pytest.raises(UserError) as refused:
        make("strategies", spec)
    assert any(part in str(refused.value) for part in why.split("|")), str(refused.value)


def test_a_frozen_body_costs_its_own_forward_pass_and_no_more(run: Callable[..., Any]) -> None:
    for spec in ("filter_pruned(flops=0.5, learner=ridge)", "channel_pruned(flops=0.5, learner=linear_probe)"):
        learnt = run(spec, epochs=1, **SMALL).learn()
        smaller = learnt.strategy._adapted.net
        images = learnt.meter.examples if "ridge" in spec else len(learnt.task.load(Split.TRAIN).labels)
        extracted = images * flops_forward(smaller.eval(), 2, 3, 32, 32) / 2
        assert learnt.meter.flops["extract"] == pytest.approx(extracted, rel=0.02)
        assert learnt.meter.spent_flops <= learnt.meter.flops_budget * (1 + 1e-9)


def test_half_the_flops_show_a_frozen_head_twice_the_images(run: Callable[..., Any]) -> None:
    few = {"epochs": 0.05, **SMALL}
    whole, half = (
        run(spec, **few).learn().meter.examples for spec in ("ridge", "filter_pruned(flops=0.5, learner=ridge)")
    )
    assert half > 1.7 * whole


def test_a_learner_sees_the_width_of_its_body_and_predicts_with_it(run: Callable[..., Any]) -> None:
    learnt = run("channel_pruned(flops=0.5, learner=ncm)", epochs=0.5, **SMALL).learn()
    width = feature_width(learnt.strategy._adapted.net, 32)
    assert width < learnt.ctx.num_features
    assert learnt.net.head.in_features == width
    assert learnt.accuracy() > 0.2  # Random weights, ten classes.


@pytest.mark.parametrize("learner", ["ridge", "finetune", "avalanche(method=LwF)"])
def test_what_the_body_made_is_paid_for_once_and_no_learner_changes_it(run: Callable[..., Any], learner: str) -> None:
    one = run(f"ot_fused(flops=0.5, learner={learner})", epochs=0.5, **SMALL)
    before = {name: value.clone() for name, value in one.strategy._adapted.net.state_dict().items()}
    one.learn()
    assert all(torch.equal(value, before[name]) for name, value in one.strategy._adapted.net.state_dict().items())
    assert one.setup.flops["fuse"] > 0
    assert one.meter.flops["fuse"] == 0
