"""Do convolutions that read less cost less, and nothing else?"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.compute.backbone import Classifier, feature_width
from harness.compute.flops import flops_forward
from harness.config.registry import make
from strategies.bodies.structure.inputs import input_groups, read_less
from strategies.bodies.structure.pruning import Pruning, kept_units

# MAC ratio and parameter ratio of ResNet-50 at 224 px, 1000 classes, by exact layer count of torchvision's v1.5.
TABLE = {0.9: (0.903, 0.908), 0.75: (0.757, 0.771), 0.5: (0.515, 0.541), 0.25: (0.272, 0.312), 0.1: (0.126, 0.174)}


def test_resnet50_loses_what_its_layers_say() -> None:
    def counts(body: nn.Module) -> tuple[int, int]:
        whole = Classifier(body, nn.Linear(feature_width(body, 64), 1000))
        return flops_forward(whole, 1, 3, 224, 224), sum(p.numel() for p in whole.parameters())

    body = make("backbones", "torchvision:resnet50(weights=none)").build()
    dense = counts(body)
    for keep in (0.75, 0.25):
        after = counts(make("strategies", f"conv_in_pruned(keep={keep})").adapted(body, 64))
        assert (after[0] / dense[0], after[1] / dense[1]) == pytest.approx(TABLE[keep], rel=0.02)


@pytest.mark.parametrize("options", [{}, {"groups": 12}, {"groups": 3}, {"excite": True}])
def test_inputs_that_were_not_read_can_go_and_nothing_changes(
    options: dict[str, int], small_net: Callable[..., nn.Module], images: Tensor
) -> None:
    net = small_net(**options)
    groups = input_groups(net)
    assert "stem" not in {group.name for group in groups}
    kept = kept_units(net, 16, groups, Pruning(keep=0.5))
    for group in groups:
        convolution = net.get_submodule(group.name)
        each = group.width // group.blocks
        for block, filters in enumerate(convolution.weight.data.chunk(group.blocks)):
            unread = set(range(block * each, (block + 1) * each)) - set(kept[group.name].tolist())
            filters[:, sorted(i - block * each for i in unread)] = 0
    smaller = copy.deepcopy(net)
    read_less(smaller, groups, kept)
    torch.testing.assert_close(smaller(images), net(images))
    assert flops_forward(smaller, 1, 3, 16, 16) < 0.75 * flops_forward(net, 1, 3, 16, 16)


def test_the_slices_that_stay_are_the_largest(small_net: Callable[..., nn.Module]) -> None:
    net = small_net()
    kept = kept_units(net, 16, input_groups(net), Pruning(keep=0.25))["blocks.1.conv2"]
    sums = net.get_submodule("blocks.1.conv2").weight.detach().abs().sum(dim=(0, 2, 3))
    assert kept.tolist() == sorted(sums.argsort(descending=True)[:3].tolist())


def test_a_flops_target_is_met_and_the_net_learns(run: Callable[..., Any]) -> None:
    learnt = run("conv_in_pruned(flops=0.6, allocation=global)", epochs=0.2).learn()
    body, dense = learnt.net.body, learnt.ctx.body()
    assert flops_forward(body, 2, 3, 32, 32) / flops_forward(dense, 2, 3, 32, 32) == pytest.approx(0.6, rel=0.02)
    assert learnt.meter.examples > 0
    assert all(parameter.grad is not None for parameter in body.parameters())
