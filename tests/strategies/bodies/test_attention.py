"""Do vision transformers lose heads and hidden units as they should, and are they counted?"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.compute.flops import Counter, flops_forward, flops_train
from strategies.bodies.channel_pruned import ChannelPruned
from strategies.bodies.filter_pruned import FilterPruned
from strategies.bodies.ot_fused import OTFused
from strategies.bodies.structure.attention import with_prunable_attention
from strategies.bodies.structure.pruning import Pruning, kept_units, prunable, pruned
from strategies.bodies.structure.removal import remove
from strategies.bodies.structure.units import positions_first, weight_of
from strategies.bodies.transport.fusion import Scale, Transport, fuse

SIZE, PATCH, WIDTH, DEPTH, HEADS, HIDDEN = 16, 8, 16, 2, 4, 32
TOKENS = (SIZE // PATCH) ** 2 + 1


def of_timm() -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=SIZE, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, mlp_ratio=2, num_classes=0
    ).eval()


def of_torchvision() -> nn.Module:
    from torchvision.models.vision_transformer import VisionTransformer

    net = VisionTransformer(SIZE, PATCH, DEPTH, HEADS, WIDTH, HIDDEN)
    net.heads = nn.Sequential()
    return net.eval()


@pytest.fixture(params=[of_timm, of_torchvision])
def net(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = request.param()
    for parameter in made.parameters():  # Zeros at first would hide what is lost.
        nn.init.normal_(parameter, std=0.3)
    return made


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def analytic(*, width: int = WIDTH, heads: int = HEADS, hidden: int = HIDDEN) -> int:
    """Forward FLOPs of an image: patches, projections, the two products of attention, and the MLP."""
    inner = heads * (WIDTH // HEADS)
    block = TOKENS * (width * 3 * inner + inner * width + 2 * width * hidden) + 2 * TOKENS**2 * inner
    return 2 * ((TOKENS - 1) * 3 * PATCH**2 * width + DEPTH * block)


def count(net: nn.Module) -> float:
    return flops_forward(net, 2, 3, SIZE, SIZE) / 2


def test_the_products_of_attention_are_counted_on_meta_and_for_real_alike(net: nn.Module, images: Tensor) -> None:
    assert count(net) == analytic()
    with Counter() as forward:
        features = net(images)
    with Counter() as backward:
        features.sum().backward()
    assert forward.flops == 3 * analytic()
    assert forward.flops + backward.flops == flops_train(net, *images.shape)


def test_attention_made_prunable_computes_the_same(net: nn.Module, images: Tensor) -> None:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    torch.testing.assert_close(with_prunable_attention(net)(images), net(images))
    assert list(net.state_dict()) == list(before)


def test_heads_and_hidden_units_are_the_inside_of_a_transformer(net: nn.Module) -> None:
    widths = [group.width for group in prunable(with_prunable_attention(net), SIZE, "filter")]
    assert widths == [HEADS, HIDDEN] * DEPTH


def test_half_the_heads_and_hidden_units_cost_what_their_layers_say(net: nn.Module, images: Tensor) -> None:
    smaller = FilterPruned(pruning=Pruning(keep=0.5)).adapted(net, SIZE)
    assert count(smaller) == analytic(heads=HEADS // 2, hidden=HIDDEN // 2)
    assert smaller(images).shape == net(images).shape
    smaller(images).sum().backward()
    assert all(parameter.grad is not None for parameter in smaller.parameters())


def test_channel_pruning_takes_from_the_embedding_too(net: nn.Module, images: Tensor) -> None:
    smaller = ChannelPruned(pruning=Pruning(keep=0.5)).adapted(net, SIZE)
    assert count(smaller) == analytic(width=WIDTH // 2, heads=HEADS // 2, hidden=HIDDEN // 2)
    assert smaller(images).shape == (3, WIDTH // 2)


@pytest.mark.parametrize("share", [0.8, 0.65, 0.5])
def test_the_ratio_for_a_flops_target_is_found_though_heads_are_few(net: nn.Module, share: float) -> None:
    smaller = pruned(net, SIZE, "filter", Pruning(flops=share))
    # One hidden unit of all blocks is 1.3 % of these small nets.
    assert count(smaller) / count(net) == pytest.approx(share, abs=0.02)


def test_removing_heads_and_units_that_nobody_reads_changes_nothing(net: nn.Module, images: Tensor) -> None:
    net = with_prunable_attention(net)
    groups = prunable(net, SIZE, "filter")
    kept = kept_units(net, SIZE, groups, Pruning(keep=0.5))
    for group in groups:
        unread = torch.ones(group.width, dtype=torch.bool)
        unread[kept[group.name]] = False
        for member in group.of("consumer"):
            positions_first(weight_of(net, member.module), member)[member.index[unread].flatten()] = 0
    smaller = copy.deepcopy(net)
    remove(smaller, groups, kept)
    torch.testing.assert_close(smaller(images), net(images))


def test_duplicated_heads_and_units_fuse_into_one(net: nn.Module, images: Tensor) -> None:
    net = with_prunable_attention(net)
    groups = prunable(net, SIZE, "filter")
    kept = {group.name: torch.arange(group.width // 2) for group in groups}
    entries: dict[str, Callable[[nn.Module], Any]] = {"weight": lambda m: m.weight, "bias": lambda m: m.bias}
    for group in groups:
        half = group.width // 2
        for member in group.of("producer"):
            for entry in entries.values():
                value = entry(net.get_submodule(member.module)).data
                value[member.index[half:]] = value[member.index[:half]]
    scales: tuple[Scale, ...] = ("preserve", "variance")
    for scale in scales:
        smaller = copy.deepcopy(net)
        fuse(smaller, groups, kept, SIZE, Transport(scale=scale, weights="incoming"))
        torch.testing.assert_close(smaller(images), net(images), rtol=1e-4, atol=1e-4)
    plain = copy.deepcopy(net)
    remove(plain, groups, kept)
    assert (plain(images) - net(images)).abs().max() > 0.05


@pytest.mark.parametrize("layout", ["filter", "channel"])
def test_a_fused_transformer_has_the_shapes_of_the_pruned_one(net: nn.Module, images: Tensor, layout: str) -> None:
    family = {"filter": FilterPruned, "channel": ChannelPruned}[layout]
    plain = family(pruning=Pruning(keep=0.6)).adapted(net, SIZE)
    fused = OTFused(layout=layout, pruning=Pruning(keep=0.6)).adapted(net, SIZE)  # type: ignore[arg-type]
    shapes = {name: value.shape for name, value in plain.state_dict().items()}
    assert {name: value.shape for name, value in fused.state_dict().items()} == shapes
    assert count(fused) == count(plain)
    assert fused(images).isfinite().all()


def test_heads_that_point_elsewhere_leave_the_kept_ones_alone(net: nn.Module) -> None:
    net = with_prunable_attention(net)
    groups = [group for group in prunable(net, SIZE, "filter") if group.width == HEADS]
    with torch.no_grad():
        for group in groups:
            for member in group.of("producer"):
                weight = weight_of(net, member.module)
                opposite = -weight[member.index[2]] - weight[member.index[3]]
                weight[member.index[:2]] = opposite
    kept = {group.name: torch.tensor([2, 3]) for group in groups}
    plain, fused = copy.deepcopy(net), copy.deepcopy(net)
    remove(plain, groups, kept)
    fuse(fused, groups, kept, SIZE)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(fused.state_dict()[name], value)
