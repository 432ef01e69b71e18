"""Training is never worse than its start as far as dev can tell; what asking costs is charged, and kept free for."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from harness.core.errors import UserError
from harness.core.task import Split
from harness.learning.recipe import Settled
from harness.learning.watch import Trained
from strategies.learners import choosing
from strategies.learners.choosing import steady, weights_of

SMALL = "timm:test_efficientnet(weights=none)"
Run = Callable[..., Any]
RUINED = "finetune(recipe=v1, head_init=ridge, lr=3.0, head_lr=30.0"


@pytest.mark.parametrize("choose", ["dev", "steady"])
def test_a_start_that_training_ruins_is_kept(choose: str, run: Run) -> None:
    torch.manual_seed(0)  # The weights of the small net are drawn.
    start = run("finetune(recipe=v1, head_init=ridge, choose=start)", epochs=2, backbone=SMALL).learn()
    torch.manual_seed(0)
    one = run(f"{RUINED}, choose={choose})", epochs=2, backbone=SMALL).learn()
    assert one.ctx.trainings[-1].chosen == "start"
    assert one.ctx.trainings[-1].diverged
    assert one.accuracy() == start.accuracy() > 0.3
    assert one.meter.flops["validate"] == 0 or choose == "dev"


def test_what_asking_dev_costs_is_left_free_and_charged(run: Run) -> None:
    one = run("finetune(head_init=ridge, choose=dev)", epochs=2, backbone=SMALL).learn()
    assert one.meter.flops["validate"] > 0
    assert 0.9 * one.meter.flops_budget < one.meter.spent_flops <= one.meter.flops_budget
    assert one.meter.flops["validate"] <= 0.1 * one.meter.flops_budget


def test_dev_is_not_asked_where_that_is_too_dear(run: Run) -> None:
    one = run("finetune(head_init=ridge, choose=dev, choose_else=average)", epochs=0.3).learn()
    assert one.ctx.trainings[-1].chosen == "average"
    assert one.meter.flops["validate"] == 0


def test_the_average_lies_in_the_middle() -> None:
    start, end = nn.BatchNorm1d(2).state_dict(), nn.BatchNorm1d(2).state_dict()
    end = {name: value + 2 for name, value in copy.deepcopy(end).items()}
    middle = weights_of("average", start, end)
    assert torch.equal(middle["weight"], torch.full((2,), 2.0))
    assert middle["num_batches_tracked"] == 2


def test_who_does_not_choose_says_so(run: Run) -> None:
    with pytest.raises(UserError, match="leave out choose"):
        run("adaptive_pruned(flops=0.5, choose=dev)", epochs=0.5).learn()


def test_a_named_recipe_starts_heads_clips_and_is_charged_within_the_budget(run: Run) -> None:
    one = run("finetune(recipe=v2)", epochs=0.3).learn()
    assert one.meter.flops["extract"] > 0
    assert one.meter.spent_flops <= one.meter.flops_budget
    assert one.accuracy() > run("finetune(recipe=v1)", epochs=0.3).learn().accuracy()
    assert one.task.sizes[Split.DEV] >= choosing.LEAST


@pytest.mark.parametrize(
    ("head_init", "loss_max", "diverged", "kept"),
    [("ridge", 2.0, False, "start"), ("ridge", 1.2, False, "average"), ("zero", 2.0, False, "end"),
     ("ncm", 1.2, True, "start")],
)  # fmt: skip
def test_where_the_loss_did_not_rise_the_average_is_kept_and_where_nothing_was_solved_the_end(
    head_init, loss_max, diverged, kept
) -> None:
    one = Trained(steps=8, loss_first=1.0, loss_last=0.5, loss_max=loss_max, grad_norm_first=1.0, grad_norm_max=1.0,
                  diverged=diverged)  # fmt: skip
    assert steady([one], Settled(lr=0.1, head_lr=0.1, head_init=head_init)) == kept
