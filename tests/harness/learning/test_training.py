"""The training loop's parts: its optimizer is plain SGD, whatever form it takes for speed."""

import pytest
import torch
from torch import nn

from harness.compute.backbone import Classifier
from harness.learning.optimiser import optimiser_of
from harness.learning.recipe import RATES, STARTED, Recipe


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
