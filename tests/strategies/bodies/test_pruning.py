"""Do prunings take away what they say, and nothing else?"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.compute.backbone import Classifier, feature_width
from harness.compute.flops import flops_forward, flops_train
from harness.config.registry import make
from harness.core.errors import UserError
from strategies.bodies.structure.pruning import Layout, Pruning, kept_units, prunable, pruned
from strategies.bodies.structure.removal import remove
from strategies.bodies.structure.scores import Score
from strategies.bodies.structure.units import positions_back, positions_first, weight_of


def body(name: str) -> nn.Module:
    built: nn.Module = make("backbones", f"{name}(weights=none)").build()
    return built


def analytic(net: nn.Module, images: Tensor) -> tuple[int, int]:
    """FLOPs forward, and forward and backward, of convolutions and linear layers, from their shapes alone."""
    forward: dict[str, int] = {}
    first: list[str] = []

    def count(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            weight = module.weight
            assert isinstance(weight, Tensor)
            forward[name] = 2 * output.numel() * weight[0].numel()
            if not first:
                first.append(name)

        return hook

    for name, module in net.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count(name))
    net(images)
    # Backward: the gradients of weights and of inputs; the images need none.
    return sum(forward.values()), 3 * sum(forward.values()) - forward[first[0]]


# MAC ratio and parameter ratio of ResNet-50 at 224 px, 1000 classes, by exact layer count of torchvision's v1.5.
TABLE = {
    ("channel", 0.9): (0.813, 0.817), ("filter", 0.9): (0.871, 0.879),
    ("channel", 0.75): (0.568, 0.578), ("filter", 0.75): (0.695, 0.715),
    ("channel", 0.5): (0.257, 0.271), ("filter", 0.5): (0.446, 0.484),
    ("channel", 0.25): (0.068, 0.078), ("filter", 0.25): (0.253, 0.310),
}  # fmt: skip


def counts(net: nn.Module) -> tuple[int, int]:
    """FLOPs of an image of 224 px, and parameters, with a head of 1000 classes."""
    whole = Classifier(net, nn.Linear(feature_width(net, 64), 1000))
    return flops_forward(whole, 1, 3, 224, 224), sum(p.numel() for p in whole.parameters())


@pytest.fixture(scope="module")
def resnet50() -> tuple[nn.Module, tuple[int, int]]:
    """The whole net, and its counts. Read only: pruning works on copies."""
    net = body("torchvision:resnet50")
    return net, counts(net)


@pytest.mark.parametrize(("layout", "keep"), TABLE)
def test_resnet50_loses_what_its_layers_say(
    layout: Layout, keep: float, resnet50: tuple[nn.Module, tuple[int, int]]
) -> None:
    net, before = resnet50
    after = counts(pruned(net, 64, layout, Pruning(keep=keep)))
    assert (after[0] / before[0], after[1] / before[1]) == pytest.approx(TABLE[layout, keep], rel=0.02)


@pytest.mark.parametrize("name", ["torchvision:resnet50", "torchvision:resnet18", "efficientnet_lite0"])
@pytest.mark.parametrize("layout", ["filter", "channel", None])
def test_counted_flops_are_the_analytic_ones(name: str, layout: Layout | None) -> None:
    net = body(name)
    if layout is not None:
        net = pruned(net, 64, layout, Pruning(keep=0.5))
    expected = analytic(copy.deepcopy(net).to("meta"), torch.zeros(2, 3, 64, 64, device="meta"))
    assert (flops_forward(net, 2, 3, 64, 64), flops_train(net, 2, 3, 64, 64)) == pytest.approx(expected, rel=0.02)


def test_filter_pruning_leaves_stream_stem_and_features_untouched() -> None:
    net = body("torchvision:resnet50")
    smaller = dict(pruned(net, 64, "filter", Pruning(keep=0.5)).named_modules())
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            inside = name.endswith((".conv1", ".conv2"))
            assert smaller[name].out_channels == module.out_channels // (2 if inside else 1), name
    assert torch.equal(smaller["conv1"].weight, net.get_parameter("conv1.weight"))


def test_what_stays_is_not_changed(small_net: Callable[..., nn.Module]) -> None:
    net = small_net()
    groups = prunable(net, 16, "filter")
    kept = kept_units(net, 16, groups, Pruning(keep=0.5))
    smaller = pruned(net, 16, "filter", Pruning(keep=0.5))
    rows, columns = kept["blocks.0.conv2"], kept["blocks.0.conv1"]
    before: Any = net.get_submodule("blocks.0")
    after: Any = smaller.get_submodule("blocks.0")
    assert torch.equal(after.conv2.weight, before.conv2.weight[rows][:, columns])
    assert torch.equal(after.conv3.weight, before.conv3.weight[:, rows])
    for entry in ("weight", "bias", "running_mean", "running_var"):
        assert torch.equal(getattr(after.norm2, entry), getattr(before.norm2, entry)[rows])
        assert torch.equal(getattr(after.norm3, entry), getattr(before.norm3, entry))


@pytest.mark.parametrize("options", [{}, {"groups": 12}, {"groups": 3}, {"excite": True}])
def test_removing_units_that_nobody_reads_changes_nothing(
    options: dict[str, int], small_net: Callable[..., nn.Module], images: Tensor
) -> None:
    net = small_net(**options)
    groups = prunable(net, 16, "channel")
    kept = kept_units(net, 16, groups, Pruning(keep=0.5))
    for group in groups:
        for member in group.of("consumer"):
            weight = weight_of(net, member.module)
            positions = positions_first(weight, member).clone()
            unread = torch.ones(group.width, dtype=torch.bool)
            unread[kept[group.name]] = False
            positions[member.index[unread].flatten()] = 0
            weight.copy_(positions_back(positions, member))
    smaller = copy.deepcopy(net)
    remove(smaller, groups, kept)
    features = kept[next(group.name for group in groups if group.output)]
    torch.testing.assert_close(smaller(images), net(images)[:, features])


def test_the_kept_set_is_a_function_of_the_checkpoint_alone() -> None:
    net = make("backbones", "efficientnet_lite0").build()
    scores: tuple[Score, ...] = ("l1", "l2", "gm", "bn", "conv_in", "largest")
    sets = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        groups = prunable(net, 64, "filter")
        sets.append([kept_units(net, 64, groups, Pruning(keep=0.5, score=score), seed=seed) for score in scores])
    for score, first, second in zip(scores, *sets, strict=True):
        assert first.keys() == second.keys(), score
        assert all(torch.equal(first[name], second[name]) for name in first), score
    assert len({str(sorted((name, kept.tolist()) for name, kept in one.items())) for one in sets[0]}) == len(scores)


def test_random_depends_on_the_seed_and_largest_is_the_opposite_of_l1() -> None:
    net = make("backbones", "efficientnet_lite0").build()
    groups = prunable(net, 64, "filter")

    def kept(score: Score, seed: int = 0) -> set[int]:
        return set(
            kept_units(net, 64, groups, Pruning(keep=0.5, score=score), seed=seed)["blocks.3.1.conv_pw"].tolist()
        )

    assert kept("random") == kept("random") != kept("random", seed=1)
    assert kept("l1").isdisjoint(kept("largest"))
    assert len(kept("l1")) == 240


def test_l1_keeps_the_filters_with_the_largest_sum_of_absolute_weights() -> None:
    net = body("torchvision:resnet18")
    kept = kept_units(net, 64, prunable(net, 64, "filter"), Pruning(keep=0.25))["layer2.0.conv1"]
    sums = net.get_submodule("layer2.0.conv1").weight.detach().abs().sum(dim=(1, 2, 3))
    assert kept.tolist() == sorted(sums.argsort(descending=True)[:32].tolist())


def test_conv_in_keeps_the_filters_that_the_next_layer_reads_most() -> None:
    net = body("torchvision:resnet18")
    groups = prunable(net, 64, "filter")
    kept = kept_units(net, 64, groups, Pruning(keep=0.25, score="conv_in"))["layer2.0.conv1"]
    sums = net.get_submodule("layer2.0.conv2").weight.detach().abs().sum(dim=(0, 2, 3))
    assert kept.tolist() == sorted(sums.argsort(descending=True)[:32].tolist())
    head = body("efficientnet_lite0")
    with pytest.raises(UserError, match="no layer of the net reads width 'conv_head'"):
        kept_units(head, 64, prunable(head, 64, "channel"), Pruning(score="conv_in"))


def test_one_threshold_takes_most_where_scores_are_low_and_empties_no_width(
    small_net: Callable[..., nn.Module],
) -> None:
    net = small_net(inner=40)
    with torch.no_grad():
        net.get_submodule("blocks.0.conv1").weight[4:] *= 1e-3  # Relative to its mean, 4 of 40 tower above.
        net.get_submodule("blocks.1.conv2").weight[:] = 1.0
        net.get_submodule("blocks.1.conv2").weight[30:] = 0.01
    groups = prunable(net, 16, "filter")
    kept = kept_units(net, 16, groups, Pruning(keep=0.5, allocation="global"))
    left = {group.name: len(kept.get(group.name, range(group.width))) for group in groups}
    assert left["blocks.0.conv1"] == 4
    assert left["blocks.1.conv2"] == 30
    assert sum(left.values()) == pytest.approx(0.5 * sum(group.width for group in groups), abs=2)
    least = kept_units(net, 16, groups, Pruning(keep=0.01, allocation="global"))
    assert all(len(least[group.name]) >= 1 for group in groups)


def test_a_global_threshold_does_not_see_the_scale_of_a_layer(small_net: Callable[..., nn.Module]) -> None:
    net, scaled = small_net(), small_net()
    scaled.get_parameter("blocks.1.conv1.weight").data *= 100
    pruning = Pruning(keep=0.6, allocation="global")
    sets = [kept_units(one, 16, prunable(one, 16, "channel"), pruning) for one in (net, scaled)]
    # Only the widths that the layer consumes could tell, and no score reads those.
    assert sets[0].keys() == sets[1].keys()
    assert all(torch.equal(sets[0][name], sets[1][name]) for name in sets[0])


@pytest.mark.parametrize("layout", ["filter", "channel"])
def test_a_flops_target_is_met_with_a_global_threshold(layout: Layout) -> None:
    net = make("backbones", "efficientnet_lite0").build()
    smaller = pruned(net, 64, layout, Pruning(flops=0.5, allocation="global"))
    assert flops_forward(smaller, 1, 3, 64, 64) / flops_forward(net, 1, 3, 64, 64) == pytest.approx(0.5, rel=0.01)
    even = pruned(net, 64, layout, Pruning(flops=0.5))
    assert [p.shape for p in smaller.parameters()] != [p.shape for p in even.parameters()]


@pytest.mark.parametrize("name", ["torchvision:resnet18", "efficientnet_lite0", "timm:vit_tiny_patch16_224"])
@pytest.mark.parametrize("layout", ["filter", "channel"])
def test_the_keep_ratio_for_a_flops_target_is_found(name: str, layout: Layout) -> None:
    net = body(name)
    smaller = pruned(net, 64, layout, Pruning(flops=0.5))
    assert flops_forward(smaller, 1, 3, 64, 64) / flops_forward(net, 1, 3, 64, 64) == pytest.approx(0.5, rel=0.01)


def test_widths_are_rounded_to_a_multiple() -> None:
    net = pruned(body("torchvision:resnet18"), 64, "channel", Pruning(keep=0.55, round_to=16))
    widths = {module.out_channels for module in net.modules() if isinstance(module, nn.Conv2d)}
    assert all(width % 16 == 0 for width in widths)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("filter_pruned(keep=1)", "removes nothing"),
        ("filter_pruned(keep=0)", "no share"),
        ("channel_pruned(flops=1.0)", "removes nothing"),
        ("channel_pruned(keep=0.5, flops=0.5)", "give one"),
        ("filter_pruned(score=l3)", "value of 'score'"),
        ("filter_pruned(round_to=0)", "round_to=0"),
    ],
)
def test_a_pruning_that_means_nothing_is_refused(spec: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make("strategies", spec)


def test_a_pruning_that_removes_nothing_by_rounding_is_refused(small_net: Callable[..., nn.Module]) -> None:
    with pytest.raises(UserError, match="would remove nothing"):
        pruned(small_net(), 16, "filter", Pruning(keep=0.99))
    with pytest.raises(UserError, match="out of reach"):
        pruned(small_net(), 16, "filter", Pruning(flops=0.001))


def test_a_net_without_blocks_has_no_inside() -> None:
    with pytest.raises(UserError, match="no blocks"):
        prunable(body("torchvision:vgg11_bn"), 32, "filter")
