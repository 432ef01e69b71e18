"""The training loop's parts: its optimizer is plain SGD, whatever form it takes for speed."""

import torch
from torch import nn

from harness.backbone import Classifier
from harness.training import Recipe, sgd


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
