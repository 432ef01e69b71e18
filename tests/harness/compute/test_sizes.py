"""A net that does not take an image size is told before any run, with sizes that it takes."""

import pytest
import torch
from torch import nn

from harness.compute.sizes import check_size, shape_only, takes, without_weights
from harness.config.registry import make
from harness.core.errors import UserError


@pytest.mark.parametrize(
    ("name", "size", "others"),
    [("torchvision:vit_b_32", 64, "224"), ("torchvision:inception_v3", 64, "80, 96, 112"), ("timm:vgg11", 16, "32")],
)
def test_a_size_that_is_not_taken_is_answered_with_those_that_are(name: str, size: int, others: str) -> None:
    with pytest.raises(UserError, match=f"does not take images of {size} px .*; choose --size {others}"):
        check_size(make("backbones", f"{name}(weights=none)"), size)


def test_a_size_that_is_taken_is_not_mentioned_and_draws_no_numbers() -> None:
    before = torch.get_rng_state()
    check_size(make("backbones", "torchvision:resnet18(weights=none)"), 32)
    assert torch.equal(before, torch.get_rng_state())


def test_regnets_open_and_the_largest_without_memory_for_its_weights() -> None:
    for name, width in (("x_400mf", 400), ("y_400mf", 440)):
        assert make("backbones", f"torchvision:regnet_{name}(weights=none)").num_features == width
    net = shape_only(lambda: make("backbones", "torchvision:regnet_y_128gf(weights=none)").build(pretrained=False))
    assert all(parameter.is_meta for parameter in net.parameters())
    assert takes(net, 32) == ""


def test_layers_are_made_without_memory_for_their_weights() -> None:
    with without_weights():
        layers = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.Linear(3, 4), nn.BatchNorm2d(3), nn.MultiheadAttention(4, 2)])
    assert all(parameter.is_meta for parameter in layers.parameters())


def test_the_pooled_features_of_squeezenet_are_a_backbone() -> None:
    backbone = make("backbones", "torchvision:squeezenet1_1(weights=none)")
    assert backbone.build(pretrained=False)(torch.zeros(2, 3, 64, 64)).shape == (2, backbone.num_features) == (2, 512)
