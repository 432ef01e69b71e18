"""Pruning on the way ends where it should, keeps to the budget, and pays in steps."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.compute.flops import flops_forward
from harness.config.registry import make
from harness.core.errors import UserError

Start = Callable[..., Any]
SMALL = {"backbone": "timm:test_resnet(weights=none)", "size": 32}


def test_pruning_on_the_way_ends_with_the_share_that_was_asked_for(run: Start) -> None:
    learnt = run("adaptive_pruned(recipe=v1, flops=0.6, stages=3)", epochs=1, **SMALL).learn()
    dense = flops_forward(learnt.ctx.body(), 2, 3, 32, 32)
    assert flops_forward(learnt.net.body, 2, 3, 32, 32) / dense == pytest.approx(0.6, abs=0.06)
    assert 0.97 * learnt.meter.flops_budget < learnt.meter.spent_flops <= learnt.meter.flops_budget * (1 + 1e-9)
    # Dense all the way, the budget pays for 400 examples: for the second third at 0.77 and the last at 0.6, about 500.
    assert learnt.meter.examples == pytest.approx(400 / 3 * (1 + 1 / 0.77 + 1 / 0.6), rel=0.06)


def test_what_is_removed_stage_by_stage_is_what_was_asked_for_in_all(run: Start) -> None:
    bodies = [run(spec, epochs=0.5, **SMALL).learn().net.body
              for spec in ("adaptive_pruned(keep=0.5, stages=3)", "filter_pruned(keep=0.5)")]  # fmt: skip
    for name, found in bodies[0].state_dict().items():
        assert all(abs(a - b) <= 1 for a, b in zip(found.shape, bodies[1].state_dict()[name].shape, strict=True)), name


def test_features_keep_their_width_so_the_head_goes_on(run: Start) -> None:
    learnt = run("adaptive_pruned(keep=0.5, stages=2, lr=0.0001, head_lr=0.5)", epochs=1, **SMALL).learn()
    assert torch.count_nonzero(learnt.net.head.weight)
    assert learnt.net.head.in_features == learnt.ctx.backbone.num_features


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("adaptive_pruned(init=nearest)", "expected pretrained"),
        ("adaptive_pruned(stages=1)", "at least 2"),
    ],
)
def test_what_cannot_be_is_said(spec: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        make("strategies", spec)
