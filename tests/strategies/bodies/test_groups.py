"""Are the widths of a net found, and told apart?"""

import gc
import weakref
from collections.abc import Callable

import pytest
from torch import nn

from harness.config.registry import make
from harness.core.errors import UserError
from strategies.bodies.structure.groups import channel_groups


def body(name: str) -> nn.Module:
    built: nn.Module = make("backbones", f"{name}(weights=none)").build()
    return built


def inner(name: str) -> list[str]:
    return [group.name for group in channel_groups(body(name), 64) if group.inner]


def test_inside_a_basic_block_is_its_first_convolution() -> None:
    assert inner("torchvision:resnet18") == [f"layer{i}.{j}.conv1" for i in (1, 2, 3, 4) for j in (0, 1)]


def test_inside_a_bottleneck_are_its_first_two_convolutions() -> None:
    blocks = [(i, j) for i, n in ((1, 3), (2, 4), (3, 6), (4, 3)) for j in range(n)]
    assert inner("torchvision:resnet50") == [f"layer{i}.{j}.conv{k}" for i, j in blocks for k in (1, 2)]


def test_inside_an_inverted_residual_is_the_expanded_width_with_its_depthwise_filters() -> None:
    groups = [group for group in channel_groups(body("efficientnet_lite0"), 64) if group.inner]
    # The first block has no expansion.
    assert [group.width for group in groups] == [96, 144, 144, 240, 240, *[480] * 3, *[672] * 3, *[1152] * 4]
    assert all([member.role for member in group.members].count("unitwise") == 3 for group in groups)


def test_inside_a_transformer_block_is_the_width_of_its_mlp() -> None:
    assert inner("timm:vit_tiny_patch16_224") == [f"blocks.{i}.mlp.fc1" for i in range(12)]


def test_widths_tied_by_a_shortcut_are_one_group(small_net: Callable[..., nn.Module]) -> None:
    groups = {group.name: group for group in channel_groups(small_net(), 16)}
    stream = groups["stem"]
    assert stream.residual
    assert not stream.inner
    assert [m.module for m in stream.of("producer")] == ["stem", "blocks.0.conv3", "blocks.1.conv3"]
    assert [m.module for m in stream.of("consumer")] == [f"blocks.{i}.conv1" for i in range(3)]


def test_behind_a_flatten_a_unit_has_several_places(small_net: Callable[..., nn.Module]) -> None:
    groups = {group.name: group for group in channel_groups(small_net(), 16)}
    last = groups["blocks.2.conv3"].of("consumer")[0]
    assert last.module == "last"
    assert last.index[:2].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_the_gate_of_squeeze_and_excitation_is_told_apart(small_net: Callable[..., nn.Module]) -> None:
    gates = [m.module for group in channel_groups(small_net(excite=True), 16) for m in group.members if m.gate]
    assert gates == [f"blocks.{i}.gate" for i in range(3)]


@pytest.mark.parametrize("name", ["torchvision:resnet18", "efficientnet_lite0"])
def test_no_net_is_kept_alive(name: str) -> None:
    net = body(name)
    gone = [weakref.ref(module) for module in net.modules()]
    gc.collect()
    before = sum(type(thing) is type(net) for thing in gc.get_objects())  # Backbones keep their pretrained net.
    channel_groups(net, 64)
    assert sum(type(thing) is type(net) for thing in gc.get_objects()) == before
    del net
    gc.collect()
    assert not any(ref() is not None for ref in gone)


def test_another_torch_pruning_is_refused_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch_pruning.__version__", "1.7.0")
    with pytest.raises(UserError, match=r"torch-pruning 1\.7\.0 is installed.*pip install 'torch-pruning==1\.6\.\*'"):
        channel_groups(body("torchvision:resnet18"), 64)
