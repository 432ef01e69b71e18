"""Is a fusion that compares units on images paid by the task whose images they are?"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from harness.compute.flops import flops_forward
from harness.compute.meter import ComputeMeter
from harness.config.registry import make
from harness.core.errors import UserError
from harness.learning.strategy import Infeasible

SMALL: dict[str, Any] = {"backbone": "timm:test_efficientnet(weights=none)", "size": 32}
SPEC = "ot_fused(ground_cost=activation, responses=16)"


def test_images_that_units_are_compared_on_are_charged_inside_the_tasks_budget(run: Callable[..., Any]) -> None:
    learnt = run(SPEC, epochs=0.5, **SMALL)
    assert sum(learnt.setup.flops.values()) == 0
    learnt.learn()
    forward = flops_forward(learnt.ctx.body(), 2, 3, 32, 32) / 2
    assert learnt.meter.flops["fuse"] > 16 * forward
    assert learnt.meter.spent_flops <= learnt.meter.flops_budget * (1 + 1e-9)


def test_each_task_fuses_the_pretrained_net_anew(run: Callable[..., Any]) -> None:
    one = run(SPEC, epochs=0.3, **SMALL)
    bodies = []
    for name in ("first", "second", "first"):
        one.task = replace(one.task, name=name)  # Other images are drawn.
        one.meter = ComputeMeter(flops=one.meter.flops_budget)
        one.learn()
        bodies.append([value.clone() for value in one.strategy._adapted.net.parameters()])
    assert any(not torch.equal(a, b) for a, b in zip(bodies[0], bodies[1], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(bodies[0], bodies[2], strict=True))


def test_shapes_are_told_without_images() -> None:
    body = make("backbones", SMALL["backbone"]).build()
    by_images, by_weights = (make("strategies", spec).adapted(body, 32) for spec in (SPEC, "ot_fused"))
    assert [p.shape for p in by_images.parameters()] == [p.shape for p in by_weights.parameters()]


def test_a_budget_for_no_image_is_infeasible(run: Callable[..., Any]) -> None:
    with pytest.raises(Infeasible, match="less than 2 images"):
        run(SPEC, epochs=0.001, **SMALL).learn()


@pytest.mark.parametrize(
    ("options", "said"), [("init=previous", "leave out init"), ("responses=1", "at least 2"), ("init=scratch", "init")]
)
def test_what_means_nothing_is_refused(options: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make("strategies", f"ot_fused(ground_cost=activation, {options})")
