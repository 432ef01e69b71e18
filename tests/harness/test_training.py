"""The training loop's parts: its optimizer is plain SGD, whatever form it takes for speed."""

import pytest
import torch
from torch import nn

from harness.backbone import Classifier
from harness.training import RATES, STARTED, Recipe, sgd


def test_the_optimizer_takes_the_steps_of_plain_sgd() -> None:
    def trained(*, fused: bool) -> nn.Module:
        torch.manual_seed(0)
        net = Classifier(nn.Sequential(nn.Conv2d(3, 24, 5), nn.BatchNorm2d(24), nn.Flatten()), nn.Linear(24, 7))
        optimizer = sgd(net, Recipe().settled(statistics_hold=True))
        for group in optimizer.param_groups:
            assert group["fused"]
            group["fused"] = fused
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.randn(4, 3, 5, 5)).square().sum().backward()
            optimizer.step()
        return net

    for ours, plain in zip(trained(fused=True).parameters(), trained(fused=False).parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=0, atol=1e-7)


def test_a_head_that_was_started_has_rates_of_its_own_unless_they_are_given() -> None:
    started = Recipe().settled(statistics_hold=True, started=True)
    assert (started.lr, started.head_lr) == pytest.approx([STARTED * rate for rate in RATES["frozen"]])
    given = Recipe(lr=0.02, head_lr=0.3).settled(statistics_hold=True, started=True)
    assert (given.lr, given.head_lr) == (0.02, 0.3)
