"""The training loop's parts: its optimiser is plain SGD, whatever form it takes for speed."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from harness.compute.backbone import Backbone, Classifier
from harness.compute.meter import ComputeMeter
from harness.core.spec import Setting
from harness.learning import watch
from harness.learning.batches import Features, loss_of
from harness.learning.context import Batch, Context
from harness.learning.optimiser import optimiser_of
from harness.learning.recipe import RATES, STARTED, Optimiser, Recipe, Schedule, Settled
from harness.learning.step import scheduled
from harness.learning.training import fit
from harness.learning.watch import Watch, ends_above

PLAIN = Settled(lr=0.1, head_lr=0.1)


def context() -> Context:
    nothing = Backbone("none", 4, (0.0,) * 3, (1.0,) * 3, lambda **_: nn.Identity(), lambda: "")
    return Context(nothing, Setting(), 0, ComputeMeter())


def features(*, scale: float = 1.0) -> Features:
    labels = np.arange(64) % 3
    values = torch.randn(64, 4, generator=torch.Generator().manual_seed(0)) + torch.eye(4)[labels] * 3
    return Features(scale * values, labels.astype(np.int64))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("layout_of_gradients", [torch.contiguous_format, torch.channels_last])
def test_the_optimizer_takes_the_steps_of_plain_sgd(
    layout: torch.memory_format, layout_of_gradients: torch.memory_format
) -> None:
    recipe = Recipe().settled(statistics_hold=True)

    def net() -> Classifier:
        torch.manual_seed(0)
        body = nn.Sequential(nn.Conv2d(3, 24, 5), nn.BatchNorm2d(24), nn.Flatten())
        return Classifier(body, nn.Linear(24, 7)).to(memory_format=layout)

    def trained(net: Classifier, optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
        for images in torch.randn(3, 4, 3, 5, 5, generator=torch.Generator().manual_seed(1)):
            for parameter in net.parameters():
                parameter.grad = None
            net(images).square().sum().backward()
            for parameter in net.parameters():
                if parameter.ndim == 4:
                    assert parameter.grad is not None
                    parameter.grad = parameter.grad.contiguous(memory_format=layout_of_gradients)
            optimizer.step()
        return list(net.parameters())

    plainly = net()
    convolution, norm = plainly.body[0], plainly.body[1]  # type: ignore[index]
    plain = torch.optim.SGD(
        [
            {"params": [convolution.weight], "lr": recipe.lr, "weight_decay": recipe.weight_decay},
            {"params": [convolution.bias, *norm.parameters()], "lr": recipe.lr},
            {"params": [plainly.head.weight], "lr": recipe.head_lr, "weight_decay": recipe.weight_decay},
            {"params": [plainly.head.bias], "lr": recipe.head_lr},
        ],
        momentum=recipe.momentum,
        nesterov=True,
        foreach=False,
    )
    ours = net()
    for stepped, wanted in zip(trained(ours, optimiser_of(ours, recipe)), trained(plainly, plain), strict=True):
        torch.testing.assert_close(stepped, wanted, rtol=0, atol=1e-7)


def test_a_head_that_was_started_has_rates_of_its_own_unless_they_are_given() -> None:
    started = Recipe().settled(statistics_hold=True, started=True)
    assert (started.lr, started.head_lr) == pytest.approx([STARTED * rate for rate in RATES["frozen"]])
    given = Recipe(lr=0.02, head_lr=0.3).settled(statistics_hold=True, started=True)
    assert (given.lr, given.head_lr) == (0.02, 0.3)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_gradient_is_clipped_to_its_norm_before_any_step(optimiser: Optimiser) -> None:
    recipe = replace(PLAIN, clip=0.5, optimiser=optimiser)
    ctx, net = context(), nn.Linear(4, 3)
    seen: list[float] = []

    def after_step(net: nn.Module, _: float) -> None:
        seen.append(float(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]).norm()))

    trained = fit(net, features(scale=50), ctx, name="t", recipe=recipe, epochs=2, after_step=after_step)
    assert trained is not None
    assert trained.grad_norm_first > 0.5
    assert max(seen) == pytest.approx(0.5, rel=1e-4)


def test_adamw_takes_the_steps_of_plain_adamw() -> None:
    recipe = replace(PLAIN, optimiser="adamw", weight_decay=0.1)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 9, 2)).to(memory_format=torch.channels_last)
    plainly = copy.deepcopy(net)
    decayed = [p for p in plainly.parameters() if p.ndim > 1]
    rest = {"params": [p for p in plainly.parameters() if p.ndim <= 1], "weight_decay": 0.0}
    plain = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, rest], lr=recipe.lr, foreach=False)
    ours = optimiser_of(net, recipe)
    for images in torch.randn(4, 5, 3, 5, 5, generator=torch.Generator().manual_seed(1)):
        for one, optimizer in ((net, ours), (plainly, plain)):
            one.zero_grad()
            one(images).square().sum().backward()
            optimizer.step()
    for stepped, wanted in zip(net.parameters(), plainly.parameters(), strict=True):
        torch.testing.assert_close(stepped, wanted, rtol=0, atol=1e-6)


def test_an_own_loss_is_charged_step_by_step_for_what_it_computes() -> None:
    ctx, teacher, net = context(), nn.Linear(4, 3), nn.Linear(4, 3)
    steps = 0

    def loss(net: nn.Module, batch: Batch) -> torch.Tensor:
        nonlocal steps
        steps += 1
        value = loss_of(net(batch.inputs), batch.targets)
        if steps % 2:  # A replay now and then, say: no two steps need cost the same.
            with torch.no_grad():
                extra = teacher(batch.inputs).sum()
            value = value + 0 * extra
        return value

    with ctx.meter:
        fit(net, features(), ctx, name="t", recipe=PLAIN, epochs=4, loss=loss)
    # Forward and the gradient of the weights; the teacher forward, every second step.
    assert ctx.meter.spent_flops == 64 * 4 * 2 * 4 * 3 * 2 + 64 * 2 * 2 * 4 * 3


def test_a_training_that_gets_worse_is_diverged_and_one_that_gets_better_is_not() -> None:
    ctx, torch_net, ruinous = context(), nn.Linear(4, 3), replace(PLAIN, head_lr=300.0, schedule="constant")
    nn.init.zeros_(torch_net.weight)
    good = fit(copy.deepcopy(torch_net), features(), ctx, name="t", recipe=PLAIN, epochs=6)
    bad = fit(copy.deepcopy(torch_net), features(), ctx, name="t", recipe=ruinous, epochs=6)
    assert good is not None
    assert bad is not None
    assert not good.diverged
    assert good.loss_last < good.loss_first <= good.loss_max
    assert bad.diverged
    assert bad.finite
    assert bad.loss_last > bad.loss_first
    assert ctx.trainings == [good, bad]


@pytest.mark.parametrize(("end", "diverged"), [(0.05, False), (0.9, False), (1.4, True), (9.0, True)])
def test_a_head_solved_on_the_very_images_has_to_lose_half_of_what_it_knew(end: float, diverged: bool) -> None:
    # Of ten classes, nobody knows 2.3; the start, .04, was worked out on the images that it is now shown.
    assert ends_above([0.04] * 8, [end] * 8, math.log(10)) is diverged


def test_who_starts_from_knowing_nothing_has_diverged_a_tenth_above_it() -> None:
    assert not ends_above([2.3] * 8, [2.4] * 8, math.log(10))
    assert ends_above([2.3] * 8, [2.6] * 8, math.log(10))


def test_what_a_watch_tells_does_not_depend_on_how_it_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = torch.rand(50, generator=torch.Generator().manual_seed(0))
    told = []
    for every in (3, 50, 1000):
        monkeypatch.setattr(watch, "FOLDED_EVERY", every)
        one = Watch()
        for loss in losses:
            one.see(loss, 2 * loss)
        told.append(one.result())
    assert told[0] == told[1] == told[2]
    assert told[0].loss_first == pytest.approx(float(losses[:8].mean()))
    assert told[0].loss_last == pytest.approx(float(losses[-8:].mean()))
    assert told[0].grad_norm_max == pytest.approx(2 * float(losses.max()))


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_one_step_that_is_no_number_is_seen_wherever_it_was(wrong: float) -> None:
    one = Watch()
    for loss in (1.0, wrong, 1.0, 1.0):
        one.see(torch.tensor(loss), torch.tensor(1.0))
    result = one.result()
    assert result is not None
    assert not result.finite
    assert result.diverged


@pytest.mark.parametrize(("shape", "half"), [("cosine", 0.5), ("linear", 0.5), ("constant", 1.0)])
def test_a_schedule_warms_up_and_then_has_its_shape(shape: Schedule, half: float) -> None:
    assert scheduled(0.05, warmup=0.1, shape=shape) == pytest.approx(0.5)
    assert scheduled(0.55, warmup=0.1, shape=shape) == pytest.approx(half)
    assert scheduled(1.0, warmup=0.1, shape=shape) == pytest.approx(0.0 if shape != "constant" else 1.0)
