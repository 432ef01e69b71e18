"""The small nets have the layers that their source names."""

import pytest
import torch

from strategies.backbones.small_nets import Convnet, Perceptron, SplitPerceptron, small_convnet, small_mlp, split_mlp


@pytest.mark.parametrize(
    ("net", "parameters"),
    [
        (Perceptron, 784 * 256 + 256 + 256 * 128 + 128 + 128 * 100 + 100 + 100 * 10 + 10),
        (SplitPerceptron, 784 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10),
        (Convnet, 25 * 32 + 32 + 25 * 32 * 64 + 64 + 3136 * 1024 + 1024 + 1024 * 10 + 10),
    ],
)
def test_layers_and_parameters_are_those_of_the_list(net, parameters):
    made = net().eval()
    assert sum(p.numel() for p in made.parameters()) == parameters
    grey = torch.rand(2, 1, 28, 28)
    assert made(grey.expand(2, 3, 28, 28)).shape == (2, 10)
    torch.testing.assert_close(made(grey.expand(2, 3, 28, 28)), made(grey))


@pytest.mark.parametrize(("backbone", "width"), [(small_mlp, 100), (split_mlp, 256), (small_convnet, 1024)])
def test_as_backbones_they_give_features_of_28_px(backbone, width):
    made = backbone()
    assert made.build(pretrained=False).eval()(torch.rand(1, 3, 28, 28)).shape == (1, width) == (1, made.num_features)
