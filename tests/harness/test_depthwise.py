"""The quicker weight gradient of depthwise convolutions: the same numbers, the same FLOPs, only where it is meant."""

import copy
from collections import Counter as Tally
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from harness.depthwise import QuickDepthwise
from harness.flops import Counter, flops_train
from harness.registry import make

CHANNELS = 8
SHAPES = [
    # side, other side, k, stride, padding
    (1, 1, 3, 1, 1),
    (2, 2, 3, 1, 1),
    (2, 2, 5, 1, 2),
    (2, 1, 5, 1, 2),
    (3, 3, 3, 2, 1),
    (7, 7, 5, 2, 0),
    (4, 4, 5, 1, 2),
    (5, 9, 5, 1, 2),
    (9, 5, 5, 2, 2),
    (8, 8, 5, 2, 1),
    (11, 11, 5, 2, 0),
    (10, 10, 5, 3, 2),
    (6, 6, 7, 1, 3),
    (7, 5, 5, 1, 0),
]


class Seen(TorchDispatchMode):
    """Which operations are run inside it, how often."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: Tally[str] = Tally()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names[str(func)] += 1
        return func(*args, **(kwargs or {}))


def depthwise(k: int, stride: Any = 1, padding: Any = 0, **options: Any) -> nn.Conv2d:
    torch.manual_seed(k)
    net = nn.Conv2d(CHANNELS, CHANNELS, k, stride, padding, **{"groups": CHANNELS, "bias": False, **options})
    return net.to(memory_format=torch.channels_last)


def gradients(net: nn.Module, x: Tensor, *, quick: bool) -> tuple[list[Tensor | None], bool]:
    """Output, gradient of ``x`` and of the weights; and whether the quicker form was used."""
    net, x = copy.deepcopy(net), x.clone().requires_grad_()
    with Seen() as seen:
        if quick:
            with QuickDepthwise():
                y = net(x)
        else:
            y = net(x)
        torch.manual_seed(2)
        (y * torch.randn(y.shape)).sum().backward()
    used = any("depthwise_weight_gradient" in name for name in seen.names)
    return [y.detach(), x.grad, *(p.grad for p in net.parameters())], used


def images(height: int, width: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(3, CHANNELS, height, width, dtype=dtype).to(memory_format=torch.channels_last)


@pytest.mark.parametrize(("height", "width", "k", "stride", "padding"), SHAPES)
def test_gradients_are_torchs_to_rounding(height: int, width: int, k: int, stride: int, padding: int) -> None:
    net, x = depthwise(k, stride, padding), images(height, width)
    ours, used = gradients(net, x, quick=True)
    theirs, _ = gradients(net, x, quick=False)
    assert used
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=0)
    for mine, torchs in zip(ours[1:], theirs[1:], strict=True):
        torch.testing.assert_close(mine, torchs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("net", "x"),
    [
        (depthwise(3, 1, 1), images(8, 8)),
        (depthwise(5, 1, 2, bias=True), images(4, 4)),
        (depthwise(5, 1, 4, dilation=2), images(4, 4)),
        (depthwise(5, 1, 2, groups=2), images(4, 4)),
        (depthwise(5, (1, 2), 2), images(4, 4)),
        (depthwise(5, 1, "same"), images(4, 4)),
        (depthwise(5, 1, 2).double(), images(4, 4, dtype=torch.float64)),
        (depthwise(5, 1, 2).requires_grad_(False), images(4, 4)),
    ],
    ids=["quick in torch", "bias", "dilation", "not depthwise", "two strides", "named padding", "double", "frozen"],
)
def test_what_torch_does_well_or_we_do_not_is_left_to_torch(net: nn.Module, x: Tensor) -> None:
    ours, used = gradients(net, x, quick=True)
    theirs, _ = gradients(net, x, quick=False)
    assert not used
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("trained", [True, False], ids=["all layers", "without the first half"])
def test_a_step_counts_what_the_arithmetic_says(trained: bool) -> None:
    torch.manual_seed(0)
    net = make("backbones", "efficientnet_lite0(weights=none)").build(pretrained=False).train()
    for parameter in list(net.parameters())[: 0 if trained else 80]:
        parameter.requires_grad_(False)
    x = torch.randn(2, 3, 64, 64).to(memory_format=torch.channels_last)
    with Counter() as counter:
        with QuickDepthwise():
            y = net(x)
        y.sum().backward()
    assert counter.flops == flops_train(net, 2, 3, 64, 64)


def test_two_steps_give_the_same_bits() -> None:
    net, x = depthwise(5, 1, 2), images(4, 4)
    first, _ = gradients(net, x, quick=True)
    second, _ = gradients(net, x, quick=True)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
