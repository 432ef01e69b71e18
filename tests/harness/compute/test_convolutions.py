"""Convolutions in a quicker form: the same numbers, the same FLOPs, only where it is meant."""

import copy
from collections import Counter as Tally
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from harness.compute.convolutions import QuickConvolutions
from harness.compute.flops import Counter, flops_train
from harness.config.registry import make

CHANNELS = 8
DEPTHWISE = [
    # height, width, k, stride, padding
    (1, 1, 3, 1, 1),
    (2, 2, 3, 1, 1),
    (2, 2, 5, 1, 2),
    (2, 1, 5, 1, 2),
    (3, 3, 3, 2, 1),
    (7, 7, 5, 2, 0),
    (4, 4, 5, 1, 2),
    (5, 9, 5, 1, 2),
    (5, 7, 5, 2, 2),
    (8, 8, 5, 2, 2),
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


def convolution(k: int, stride: Any = 1, padding: Any = 0, **options: Any) -> nn.Conv2d:
    """Depthwise without a bias, if nothing else is said."""
    torch.manual_seed(k)
    net = nn.Conv2d(CHANNELS, CHANNELS, k, stride, padding, **{"groups": CHANNELS, "bias": False, **options})
    return net.to(memory_format=torch.channels_last)


def images(height: int, width: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(3, CHANNELS, height, width, dtype=dtype).to(memory_format=torch.channels_last)


def gradients(net: nn.Module, x: Tensor, *, quick: bool) -> tuple[list[Tensor | None], Tally[str]]:
    """Output, gradient of ``x`` and of the weights; and the operations that were run."""
    net, x = copy.deepcopy(net), x.clone().requires_grad_()
    with Seen() as seen:
        if quick:
            with QuickConvolutions():
                y = net(x)
        else:
            y = net(x)
        torch.manual_seed(2)
        (y * torch.randn(y.shape)).sum().backward()
    assert y.is_contiguous(memory_format=torch.channels_last)
    return [y.detach(), x.grad, *(p.grad for p in net.parameters())], seen.names


@pytest.mark.parametrize(("height", "width", "k", "stride", "padding"), DEPTHWISE)
def test_depthwise_gradients_are_torchs_to_rounding(height: int, width: int, k: int, stride: int, padding: int) -> None:
    net, x = convolution(k, stride, padding), images(height, width)
    ours, ran = gradients(net, x, quick=True)
    theirs, _ = gradients(net, x, quick=False)
    assert ran["nevis_harness.depthwise_weight_gradient.default"] == 1
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=0)
    torch.testing.assert_close(ours[1:], theirs[1:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (4, 4)])
def test_a_1x1_convolution_as_a_matrix_product_is_the_same_to_rounding(height: int, width: int) -> None:
    net, x = convolution(1, groups=1), images(height, width)
    ours, ran = gradients(net, x, quick=True)
    theirs, _ = gradients(net, x, quick=False)
    assert ran["aten.mm.default"] == 3
    assert not any("convolution" in name for name in ran)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("net", "x"),
    [
        (convolution(3, 1, 1), images(8, 8)),
        (convolution(5, 2, 2), images(16, 16)),
        (convolution(5, 1, 2, bias=True), images(4, 4)),
        (convolution(5, 1, 4, dilation=2), images(4, 4)),
        (convolution(5, 1, 2, groups=2), images(4, 4)),
        (convolution(5, (1, 2), 2), images(4, 4)),
        (convolution(5, 1, "same"), images(4, 4)),
        (convolution(5, 1, 2).double(), images(4, 4, dtype=torch.float64)),
        (convolution(5, 1, 2).requires_grad_(False), images(4, 4)),
        (convolution(1, groups=1), images(32, 32)),
        (convolution(1, 2, groups=1), images(4, 4)),
        (convolution(1, 1, 1, groups=1), images(4, 4)),
    ],
    ids=[
        *("small filter", "large map", "bias", "dilation", "not depthwise", "two strides", "named padding", "double"),
        *("frozen", "many pixels", "1x1 with stride", "1x1 with padding"),
    ],
)
def test_what_torch_does_well_or_we_do_not_is_left_to_torch(net: nn.Module, x: Tensor) -> None:
    ours, ran = gradients(net, x, quick=True)
    theirs, torchs = gradients(net, x, quick=False)
    assert ran == torchs
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("all_layers", [True, False])
def test_a_step_counts_what_the_arithmetic_says(all_layers: bool) -> None:
    torch.manual_seed(0)
    net = make("backbones", "efficientnet_lite0(weights=none)").build(pretrained=False).train()
    for parameter in list(net.parameters())[: 0 if all_layers else 80]:
        parameter.requires_grad_(False)
    net = net.to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 64, 64).to(memory_format=torch.channels_last)
    with Counter() as counter:
        with QuickConvolutions():
            y = net(x)
        y.sum().backward()
    assert counter.flops == flops_train(net, 2, 3, 64, 64)


def test_two_steps_give_the_same_bits() -> None:
    net, x = convolution(5, 1, 2), images(4, 4)
    first, _ = gradients(net, x, quick=True)
    second, _ = gradients(net, x, quick=True)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def dense(cin: int, cout: int, k: int, stride: int = 1, padding: int = 1, **options: Any) -> nn.Conv2d:
    torch.manual_seed(k)
    net = nn.Conv2d(cin, cout, k, stride, padding, **{"bias": False, **options})
    return net.to(memory_format=torch.channels_last)


def seen_pixels(channels: int, height: int, width: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(6, channels, height, width).to(memory_format=torch.channels_last)


def gradients_in_bf16(net: nn.Module, x: Tensor, *, quick: bool) -> tuple[list[Tensor | None], Tally[str]]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return gradients(net, x, quick=quick)


@pytest.mark.parametrize(
    ("net", "x"),
    [
        (dense(64, 48, 3), seen_pixels(64, 2, 2)),
        (dense(64, 33, 3), seen_pixels(64, 1, 2)),
        (dense(96, 64, 3, 2), seen_pixels(96, 8, 7)),
        (dense(64, 64, 5, 3, 2), seen_pixels(64, 9, 9)),
        (dense(64, 64, 3, 1, 0), seen_pixels(64, 4, 3)),
        (dense(64, 64, 3), seen_pixels(64, 2, 2).bfloat16()),
    ],
)
def test_dense_gradients_in_bf16_are_as_near_to_the_exact_ones_as_torchs(net: nn.Module, x: Tensor) -> None:
    ours, ran = gradients_in_bf16(net, x, quick=True)
    theirs, torchs = gradients_in_bf16(net, x, quick=False)
    assert ran["aten.mm.default"] == 1 > torchs["aten.mm.default"]
    # What torch itself works with: numbers rounded to bf16.
    rounded = copy.deepcopy(net).bfloat16().double()
    exact, _ = gradients(rounded, x.bfloat16().double(), quick=False)
    torch.testing.assert_close(ours[:2], theirs[:2], rtol=0, atol=0)
    mine, torch_s, true = ours[2], theirs[2], exact[2]
    assert mine is not None and torch_s is not None and true is not None
    assert mine.dtype == torch_s.dtype == torch.float32
    assert mine.is_contiguous(memory_format=torch.channels_last)
    assert (mine - true).abs().max() <= 1.1 * (torch_s - true).abs().max()


@pytest.mark.parametrize(
    ("net", "x"),
    [
        (dense(63, 64, 3), seen_pixels(63, 2, 2)),
        (dense(64, 64, 3), seen_pixels(64, 3, 3)),
        (dense(64, 64, 3, 2), seen_pixels(64, 9, 9)),
        (dense(64, 64, 1, 1, 0), seen_pixels(64, 2, 2)),
        (dense(64, 64, 3, groups=64), seen_pixels(64, 2, 2)),
        (dense(64, 64, 3, bias=True), seen_pixels(64, 2, 2)),
        (dense(64, 64, 3).requires_grad_(False), seen_pixels(64, 2, 2)),
    ],
    ids=["few channels", "large map", "large map with steps", "1x1", "depthwise", "bias", "frozen"],
)
def test_what_torch_does_well_in_bf16_is_left_to_torch(net: nn.Module, x: Tensor) -> None:
    ours, ran = gradients_in_bf16(net, x, quick=True)
    theirs, torchs = gradients_in_bf16(net, x, quick=False)
    assert ran == torchs
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_step_in_bf16_counts_what_the_arithmetic_says() -> None:
    torch.manual_seed(0)
    net = make("backbones", "torchvision:resnet18(weights=none)").build(pretrained=False).train()
    net = net.to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 64, 64).to(memory_format=torch.channels_last)
    with Counter() as counter, Seen() as seen:
        with torch.autocast("cpu", dtype=torch.bfloat16), QuickConvolutions():
            y = net(x)
        y.float().sum().backward()
    assert seen.names["aten.mm.default"] >= 4, "the last stage takes the quicker form"
    assert counter.flops == flops_train(net, 2, 3, 64, 64)
