"""Nothing that a strategy computes escapes the meter, and a repeated step is charged what it costs."""

import math

import pytest
import torch
from tiny import Net, bars, net
from torch import nn

from harness.compute.backbone import Classifier, zero_head
from harness.compute.flops import Counter, flops_forward, flops_train
from harness.compute.meter import BudgetExhausted, ComputeMeter, MeterError
from harness.core.seeding import named_seed
from harness.core.spec import Setting
from harness.core.task import HiddenSplit, Split
from harness.learning.context import Context
from harness.learning.recipe import Recipe
from harness.learning.step import scheduled
from harness.learning.training import Diverged, fit


def context(meter: ComputeMeter) -> Context:
    return Context(backbone=net(), setting=Setting(backbone="tiny:net", size=16), seed=0, meter=meter)


def test_work_outside_of_loops_is_charged_to_its_phase() -> None:
    meter = ComputeMeter()
    a = torch.ones(4, 4)
    with meter:
        a @ a
        with meter.phase("fuse"):
            a @ a @ a
        a @ a
    assert meter.flops["train"] == 2 * 128
    assert meter.flops["fuse"] == 2 * 128
    assert meter.spent_flops == 4 * 128


def test_evaluation_cannot_be_claimed_by_a_strategy() -> None:
    with (
        ComputeMeter() as meter,
        pytest.raises(ValueError, match="no chargeable phase 'evaluate'"),
        meter.phase("evaluate"),
    ):
        pass


def test_a_whole_fit_is_charged_what_an_independent_counter_sees() -> None:
    task = bars().tasks[0]
    meter = ComputeMeter(flops=4e6)
    ctx = context(meter)
    classifier = ctx.classifier(task)
    # Known beforehand, so that the counter below sees nothing but the steps.
    flops_train(classifier, 2, 3, 16, 16)
    # The meter pauses its own counting in repeated steps; the outer counter sees every one of them.
    with Counter() as independent, meter:
        fit(classifier, task.load(Split.TRAIN), ctx, name="t", recipe=Recipe(batch_size=8))
    assert meter.steps > 5
    assert math.isclose(meter.spent_flops, independent.flops, rel_tol=1e-9)


def test_a_body_is_counted_once_and_its_heads_by_arithmetic() -> None:
    for classes, frozen in ((2, False), (7, False), (7, True)):
        whole = Classifier(Net(), zero_head(32, classes))
        whole.body.requires_grad_(not frozen)
        plain = nn.Sequential(whole.body, whole.head)
        assert flops_train(whole, 2, 3, 16, 16) == flops_train(plain, 2, 3, 16, 16)
        assert flops_forward(whole, 2, 3, 16, 16) == flops_forward(plain, 2, 3, 16, 16)


def test_the_last_batch_shrinks_to_what_is_left() -> None:
    task = bars().tasks[0]
    each = flops_train(Classifier(Net(), zero_head(32, 4)).train(), 2, 3, 16, 16) / 2
    meter = ComputeMeter(flops=21.5 * each)
    ctx = context(meter)
    sizes = []
    with meter:
        for images, _ in ctx.batches(
            task.load(Split.TRAIN), batch_size=8, name="t", net=(n := ctx.classifier(task).train())
        ):
            sizes.append(len(images))
            n(images).sum().backward()
    assert sizes == [8, 8, 5]
    assert meter.spent_flops == 21 * each
    assert meter.stopped == "flops"


def test_a_step_that_changes_inside_one_loop_ends_the_run() -> None:
    task = bars().tasks[0]
    ctx = context(ComputeMeter(flops=1e9))
    n = ctx.classifier(task).train()
    with ctx.meter, pytest.raises(MeterError, match="changed inside one loop"):
        for step, (images, _) in enumerate(ctx.batches(task.load(Split.TRAIN), batch_size=8, name="t", net=n)):
            n(images).sum().backward()
            if step >= 50:
                n(images)


def test_a_strategy_that_steps_on_regardless_is_stopped() -> None:
    meter = ComputeMeter(flops=10)
    with meter, pytest.raises(BudgetExhausted), meter.step(None, 1):
        torch.ones(4, 4) @ torch.ones(4, 4)
        with meter.step(None, 1):
            pass


def test_features_cost_one_forward_pass_and_a_subset_is_stratified() -> None:
    task = bars().tasks[0]
    each = flops_forward(Net(), 2, 3, 16, 16) / 2
    meter = ComputeMeter(flops=8.5 * each)
    ctx = context(meter)
    with meter:
        features = ctx.features(ctx.body(), task.load(Split.TRAIN), name="t")
    assert features.values.shape == (8, 32)
    assert sorted(features.labels.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert meter.flops["extract"] == meter.spent_flops == 8 * each


def test_tests_are_hidden_from_a_learning_strategy() -> None:
    view = bars().tasks[0].for_learning()
    assert len(view.load(Split.TRAIN)) == 48
    for split in ("dev_test", "test"):
        with pytest.raises(HiddenSplit):
            view.load(Split(split))


def test_an_interruption_inside_an_unwatched_step_stays_what_it_is() -> None:
    """The loop's generator is closed only after the meter: it must neither fail there nor begin to count again."""
    meter = ComputeMeter(flops=1e9)
    ctx = context(meter)
    task = next(iter(bars()))
    classifier = ctx.classifier(task)
    batches = ctx.batches(task.load(Split.TRAIN), batch_size=4, name="loop", net=classifier, epochs=2)
    with pytest.raises(KeyboardInterrupt), meter:
        for number, (inputs, wanted) in enumerate(batches):
            if number == 2:
                raise KeyboardInterrupt
            nn.functional.cross_entropy(classifier(inputs), wanted).backward()
    spent = meter.spent_flops
    batches.close()  # type: ignore[attr-defined]
    torch.ones(4, 4) @ torch.ones(4, 4)
    with meter:
        pass
    assert meter.spent_flops == spent > 0


def test_divergence_is_noticed() -> None:
    task = bars().tasks[0]
    ctx = context(ComputeMeter(flops=2e6))
    n = ctx.classifier(task)
    with ctx.meter, pytest.raises(Diverged):
        fit(n, task.load(Split.TRAIN), ctx, name="t", recipe=Recipe(lr=1e30, head_lr=1e30, batch_size=8))


def test_the_schedule_rises_and_ends_at_zero() -> None:
    shares = [scheduled(share / 100, warmup=0.1) for share in range(101)]
    assert shares[0] == 0
    assert shares[10] == max(shares) == 1
    assert shares[100] < 1e-12
    assert shares[10:] == sorted(shares[10:], reverse=True)


def test_randomness_has_names() -> None:
    assert named_seed(0, "a", "b") == named_seed(0, "a", "b") != named_seed(0, "b", "a")
    assert named_seed(0, "ab") != named_seed(0, "a", "b")
    assert len({named_seed(seed, "order") for seed in range(100)}) == 100
