"""Counted FLOPs are the FLOPs that were done: against arithmetic, layer by layer, and against torch where right."""

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from harness.compute.backbone import feature_width
from harness.compute.flops import Counter, flops_forward, flops_train


def analytic(net: nn.Module, shape: tuple[int, ...]) -> tuple[int, int]:
    """Forward and training FLOPs by hooks: 2 x output elements x weights an output; twice that for gradients."""
    forward, training = 0, 0
    first = True

    def count(layer: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal forward, training, first
        if isinstance(layer, nn.ConvTranspose2d):
            macs = inputs[0].numel() * prod(layer.weight.shape[1:])
        else:
            macs = output.numel() * prod(layer.weight.shape[1:])
        forward += 2 * macs
        # The first layer needs no gradient of its input.
        training += 2 * macs * (2 if first else 3)
        first = False

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    handles = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, kinds)]
    net(torch.zeros(shape))
    for handle in handles:
        handle.remove()
    return forward, training


CONVOLUTIONS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: nn.Conv2d(8, 16, 3, padding=1),
    "strided": lambda: nn.Conv2d(8, 16, 3, stride=2),
    "grouped": lambda: nn.Conv2d(8, 16, 3, groups=4),
    "depthwise": lambda: nn.Conv2d(8, 8, 5, padding=2, groups=8),
    "widening depthwise": lambda: nn.Conv2d(8, 24, 3, groups=8),
    "dilated": lambda: nn.Conv2d(8, 4, 3, dilation=2),
    "transposed": lambda: nn.ConvTranspose2d(8, 6, 3, stride=2),
    "grouped transposed": lambda: nn.ConvTranspose2d(8, 6, 3, stride=2, groups=2),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_each_gradient_of_a_convolution_costs_what_its_forward_pass_did(name: str) -> None:
    layer = CONVOLUTIONS[name]()
    shape = (3, 8, 12, 12)
    forward, training = analytic(layer, shape)
    assert flops_forward(layer, *shape) == forward
    assert flops_train(layer, *shape) == training
    x = torch.zeros(shape, requires_grad=True)
    with Counter() as count:
        layer(x).sum().backward()
    assert count.flops == 3 * forward


def test_the_depthwise_example_of_torchs_fault_is_mended() -> None:
    layer, x = nn.Conv2d(64, 64, 3, padding=1, groups=64), torch.zeros(1, 64, 8, 8, requires_grad=True)
    with Counter() as ours:
        layer(x).sum().backward()
    assert ours.flops == 221_184


def test_where_torch_is_right_both_counts_agree() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8 * 16, 5))
    x = torch.zeros(2, 3, 8, 8)
    with Counter() as ours:
        net(x).sum().backward()
    with FlopCounterMode(display=False) as theirs:
        net(x).sum().backward()
    assert ours.flops == theirs.get_total_flops()


def test_frozen_layers_cost_no_gradient() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 5))
    for parameter in net[0].parameters():
        parameter.requires_grad_(False)
    forward = flops_forward(net, 2, 3, 8, 8)
    head = 2 * 2 * 8 * 36 * 5
    assert flops_train(net, 2, 3, 8, 8) == forward + head


def test_solvers_and_vector_products_are_seen() -> None:
    a = torch.eye(6) * 2
    with Counter() as count:
        torch.linalg.solve(a, torch.ones(6, 3))
    assert count.flops == 2 * 6**3 // 3 + 2 * 6**2 * 3
    with Counter() as count:
        torch.cholesky_solve(torch.ones(6, 3), torch.linalg.cholesky(a))
    assert count.flops == 6**3 // 3 + 2 * 6**2 * 3
    with Counter() as count:
        a @ torch.ones(6)
    assert count.flops == 2 * 36


@settings(max_examples=20, deadline=None)
@given(widths=st.lists(st.integers(1, 9), min_size=2, max_size=4), batch=st.integers(1, 5))
def test_cost_is_proportional_to_the_batch(widths: list[int], batch: int) -> None:
    net = nn.Sequential(*(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths)))
    assert flops_train(net, batch, widths[0], 6, 6) == batch * flops_train(net, 1, widths[0], 6, 6)


class _FirstFeatures(nn.Module):
    """Gives the first features only; how many, its printed form does not tell."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.layer = nn.Linear(3, 8)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layer(images.mean((2, 3)))
        return features[:, : self.count]


def test_nets_that_differ_only_in_a_number_of_their_own_are_told_apart() -> None:
    assert [feature_width(_FirstFeatures(count), 8) for count in (5, 7, 5)] == [5, 7, 5]


class _Pretended(Counter):
    """Lets a pretended tensor say where it is, which it asks about itself as an operation."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.prim.device.default:
            return args[0].fake_device
        return super().__torch_dispatch__(func, types, args, kwargs)


def test_a_forward_pass_costs_the_same_wherever_it_is_placed() -> None:
    """A GPU that is only pretended places tensors and computes nothing; it needs none to be there."""

    def counted(device: str) -> float:
        with torch.device(device):
            net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten())
            head, images = nn.Linear(8 * 16, 5), torch.zeros(2, 3, 8, 8)
        with torch.no_grad(), _Pretended() as count:
            out = head(net(images))
        assert out.device.type == device
        return count.flops

    with FakeTensorMode():
        on_gpu = counted("cuda")
    assert on_gpu == counted("cpu") == counted("meta") > 0


def test_a_training_step_costs_on_meta_where_it_is_priced_what_it_costs_where_it_is_done() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten())
    with Counter() as count:
        net(torch.zeros(2, 3, 8, 8)).sum().backward()
    assert flops_train(net, 2, 3, 8, 8) == count.flops > 0
