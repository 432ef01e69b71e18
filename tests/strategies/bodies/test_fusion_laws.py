"""Does fusion keep its laws, over random nets with every kind of layer?"""

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.fusion import remeasured
from harness.compute.flops import Counter, flops_forward
from harness.config.registry import make
from harness.core.errors import UserError
from strategies.bodies.structure.groups import Group, channel_groups
from strategies.bodies.structure.pruning import Pruning, kept_units, pruned
from strategies.bodies.structure.removal import Kept, remove
from strategies.bodies.structure.units import layer, positions_back, positions_first, weight_of
from strategies.bodies.transport.folding import Folded, folded, folded_weight, norms_behind, restore_norm
from strategies.bodies.transport.fusion import Transport, fuse
from strategies.bodies.transport.responses import responses

SIZE = 16
Net = Callable[..., nn.Module]
KINDS = [{}, {"groups": 12}, {"groups": 3}, {"excite": True}]
laws = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 10**6)
kinds = st.sampled_from(KINDS)
transports = st.builds(
    Transport,
    scale=st.sampled_from(["variance", "preserve", "published"]),
    target_mass=st.sampled_from(["uniform", "importance", "free"]),
    targets=st.sampled_from(["kept", "clusters"]),
    metric=st.sampled_from(["l1", "l2"]),
    weights=st.sampled_from(["all", "incoming", "outgoing"]),
    unit_length=st.booleans(),
    discount=st.sampled_from(["none", "depthwise", "all"]),
    plan=st.sampled_from(["transport", "function"]),
    probes=st.just(8),
)
BY_FUNCTION = Transport(plan="function", probes=32, shrinkage=1e-9)


def hidden(net: nn.Module) -> list[Group]:
    return [group for group in channel_groups(net, SIZE) if not group.output]


def fused(net: nn.Module, groups: list[Group], kept: Kept, transport: Transport = Transport()) -> nn.Module:
    smaller = copy.deepcopy(net)
    fuse(smaller, groups, kept, SIZE, transport)
    return smaller


def duplicated(net: nn.Module, larger: nn.Module, seed: int) -> tuple[nn.Module, Kept]:
    """``larger`` with every hidden unit of ``net`` as often as it has room for, and one of each to keep.

    What the duplicates give away is split among them at random.
    """
    generator = torch.Generator().manual_seed(seed)
    small, big = hidden(net), hidden(larger)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    kept = {}
    for group, wide in zip(small, big, strict=True):
        times = wide.width // group.width
        if times > 1:
            kept[wide.name] = torch.arange(group.width)
        for member, target in zip(group.members, wide.members, strict=True):
            split = torch.ones(times, group.width)
            if member.role == "consumer":
                split = torch.rand(times, group.width, generator=generator) + 0.2
                split /= split.sum(dim=0)
            module = layer(net, member.module)
            entries = ["weight"]
            if isinstance(module, nn.BatchNorm2d):
                entries = ["weight", "bias", "running_mean", "running_var"]
            elif member.role == "producer" and module.bias is not None:
                entries = ["weight", "bias"]
            for entry in entries:
                value = state[f"{member.module}.{entry}"]
                first = value if entry != "weight" or value.ndim == 1 else value.movedim(member.dim, 0)
                out = torch.zeros(target.index.numel(), *first.shape[1:])
                for copy_number in range(times):
                    where = target.index[copy_number * group.width : (copy_number + 1) * group.width]
                    factor = split[copy_number].view(-1, *[1] * first.ndim) if entry == "weight" else 1
                    out[where] = first[member.index] * factor
                keep_dim = entry != "weight" or value.ndim == 1
                state[f"{member.module}.{entry}"] = out if keep_dim else out.movedim(0, member.dim)
    larger.load_state_dict(state)
    return larger.eval(), kept


@pytest.mark.parametrize("kind", [{}, {"groups": 12}, {"excite": True}])
@pytest.mark.parametrize("transport", [Transport(), Transport(scale="preserve"), BY_FUNCTION])
def test_duplicated_units_fuse_into_the_net_they_came_from(
    kind: dict[str, int], transport: Transport, small_net: Net, images: Tensor
) -> None:
    net = small_net(**kind, blocks=1)
    wide_kind = {**kind, **({"groups": 24} if "groups" in kind else {})}
    wide, kept = duplicated(net, small_net(**wide_kind, blocks=1, width=16, inner=24), seed=1)
    torch.testing.assert_close(wide(images), net(images), rtol=1e-4, atol=1e-4)
    again = fused(wide, hidden(wide), kept, transport)
    torch.testing.assert_close(again(images), net(images), rtol=1e-3, atol=1e-3)


def test_the_published_scale_does_not_preserve_duplicated_units(small_net: Net, images: Tensor) -> None:
    net = small_net(blocks=1)
    wide, kept = duplicated(net, small_net(blocks=1, width=16, inner=24), seed=1)
    again = fused(wide, hidden(wide), kept, Transport(scale="published"))
    assert (again(images) - net(images)).norm() > net(images).norm()


def test_any_multiplicity_is_preserved_when_slots_are_free(small_net: Net, images: Tensor) -> None:
    net = small_net(blocks=1)
    wide, kept = duplicated(net, small_net(blocks=1, width=24, inner=36), seed=2)
    # A second copy of the first two units stays too: slots hold one, two and three units.
    kept = {name: torch.arange(len(units) + 2) for name, units in kept.items()}
    again = fused(wide, hidden(wide), kept, Transport(target_mass="free", scale="preserve"))
    torch.testing.assert_close(again(images), net(images), rtol=1e-4, atol=1e-4)


@laws
@given(kind=kinds, seed=seeds, transport=transports)
def test_a_fused_net_has_the_shapes_and_flops_of_the_pruned_one(
    kind: dict[str, int], seed: int, transport: Transport, small_net: Net, images: Tensor
) -> None:
    net = small_net(seed=seed, **kind)
    groups = channel_groups(net, SIZE)
    kept = kept_units(net, SIZE, groups, Pruning(keep=0.6))
    plain, other = pruned(net, SIZE, "channel", Pruning(keep=0.6)), fused(net, groups, kept, transport)
    shapes = {name: value.shape for name, value in plain.state_dict().items()}
    assert {name: value.shape for name, value in other.state_dict().items()} == shapes
    assert flops_forward(other, 1, 3, SIZE, SIZE) == flops_forward(plain, 1, 3, SIZE, SIZE)
    assert other(images).isfinite().all()


@laws
@given(kind=kinds, seed=seeds, plan=st.sampled_from(["transport", "function"]))
def test_where_nothing_goes_nothing_changes(kind: dict[str, int], seed: int, plan: str, small_net: Net) -> None:
    net = small_net(seed=seed, **kind)
    same = fused(net, hidden(net), {}, Transport(plan=plan, probes=8))  # type: ignore[arg-type]
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), same.state_dict().values(), strict=True))


@laws
@given(
    kind=st.sampled_from([{}, {"groups": 12}, {"excite": True}]),
    seed=seeds,
    transport=st.sampled_from([Transport(), Transport(plan="function", probes=16)]),
)
def test_the_order_of_the_sources_units_cannot_be_seen(
    kind: dict[str, int], seed: int, transport: Transport, small_net: Net, images: Tensor
) -> None:
    net = small_net(seed=seed, **kind)
    groups = hidden(net)
    shuffled = copy.deepcopy(net)
    for number, group in enumerate(groups):
        order = torch.randperm(group.width, generator=torch.Generator().manual_seed(seed + number))
        for member in group.members:
            weight = weight_of(shuffled, member.module)
            positions = positions_first(weight, member).clone()
            positions[member.index] = positions_first(weight, member)[member.index[order]]
            weight.copy_(positions_back(positions, member))
            module = layer(shuffled, member.module)
            for entry in ("bias", "running_mean", "running_var"):
                value = getattr(module, entry, None)
                if value is not None and member.role != "consumer":
                    value.data.copy_(value.data[order])
    torch.testing.assert_close(shuffled(images), net(images), rtol=1e-4, atol=1e-4)
    results = []
    for source in (net, shuffled):
        kept = kept_units(source, SIZE, groups, Pruning(keep=0.5))
        results.append(fused(source, groups, kept, transport)(images))
    torch.testing.assert_close(results[1], results[0], rtol=1e-3, atol=1e-3)


@laws
@given(kind=kinds, seed=seeds, transport=transports)
def test_the_order_of_groups_makes_no_difference(
    kind: dict[str, int], seed: int, transport: Transport, small_net: Net
) -> None:
    net = small_net(seed=seed, **kind)
    groups = hidden(net)
    kept = kept_units(net, SIZE, groups, Pruning(keep=0.5))
    one, other = fused(net, groups, kept, transport), fused(net, groups[::-1], kept, transport)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@laws
@given(kind=kinds, seed=seeds)
def test_after_batch_norm_is_measured_again_the_scales_agree(
    kind: dict[str, int], seed: int, small_net: Net, images: Tensor
) -> None:
    if "excite" in kind:
        return  # Without a norm behind it, a squeeze sees the scale.
    net = small_net(seed=seed, **kind)
    groups = hidden(net)
    kept = kept_units(net, SIZE, groups, Pruning(keep=0.5))
    nets = [fused(net, groups, kept, Transport(scale=scale)) for scale in ("variance", "published")]
    one, other = (remeasured(smaller, images)(images) for smaller in nets)
    torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2)


@laws
@given(kind=kinds, seed=seeds)
def test_a_norm_written_anew_computes_the_same(kind: dict[str, int], seed: int, small_net: Net, images: Tensor) -> None:
    net = small_net(seed=seed, **kind)
    with torch.no_grad():
        net.get_submodule("norm").weight[:3] *= -1  # Also where a norm turns the sign.
    before, norms = net(images), norms_behind(net, SIZE)
    assert len(norms) == 1 + 3 * 3
    for name in norms:
        fold = folded(net, name, norms)
        scale = fold.scale.abs()
        weight_of(net, name).copy_(folded_weight(net, name, fold) / scale.float().view(-1, 1, 1, 1))
        restore_norm(net, name, Folded(scale, fold.shift, fold.mean, fold.deviation, fold.norm))
    torch.testing.assert_close(net(images), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["l1", "l2"])
def test_dead_constant_and_tied_units_give_finite_and_repeatable_results(
    kind: dict[str, int], metric: str, small_net: Net, images: Tensor
) -> None:
    net = small_net(**kind)
    with torch.no_grad():
        for block in (0, 1):
            net.get_submodule(f"blocks.{block}.conv1").weight[:4] = 0  # Constant: only the norm's shift is left.
            net.get_submodule(f"blocks.{block}.norm1").weight[2:5] = 0  # Dead.
            net.get_submodule(f"blocks.{block}.conv2").weight[6:9] = net.get_submodule(f"blocks.{block}.conv2").weight[
                6
            ]
        net.get_submodule("blocks.0.norm1").bias[:4] = 0
        net.get_submodule("stem").weight.zero_()
    groups = hidden(net)
    kept = kept_units(net, SIZE, groups, Pruning(keep=0.5))
    for scale, plan in (("variance", "function"), *((s, "transport") for s in ("variance", "preserve", "published"))):
        transport = Transport(scale=scale, metric=metric, plan=plan, probes=8)  # type: ignore[arg-type]
        results = [fused(net, groups, kept, transport)(images) for _ in range(2)]
        assert results[0].isfinite().all()
        assert torch.equal(*results)


def test_units_that_are_multiples_of_kept_ones_are_carried_on_whole_by_function(small_net: Net, images: Tensor) -> None:
    net = small_net(excite=True)
    groups = [group for group in hidden(net) if group.name == "blocks.0.conv1"]
    with torch.no_grad():
        net.get_submodule("blocks.0.conv1").weight[6:] = net.get_submodule("blocks.0.conv1").weight[:6]
        norm = net.get_submodule("blocks.0.norm1")
        for entry, factor in ((norm.weight, 0.3), (norm.bias, 0.3), (norm.running_mean, 1), (norm.running_var, 1)):
            entry[6:] = factor * entry[:6]
    by_function, wanted = copy.deepcopy(net), net(images)
    report = fuse(by_function, groups, {groups[0].name: torch.arange(6)}, SIZE, BY_FUNCTION)
    torch.testing.assert_close(by_function(images), wanted, rtol=1e-3, atol=1e-3)
    assert report.widths[0].cost == pytest.approx(0, abs=1e-4)
    plain = fused(net, groups, {groups[0].name: torch.arange(6)}, Transport(plan="function", shrinkage=1e9))
    assert (plain(images) - wanted).norm() > 0.01 * wanted.norm()


def test_plans_by_function_do_not_ask_in_which_range_a_net_takes_pixels(small_net: Net, images: Tensor) -> None:
    net, groups = small_net(), hidden(small_net())
    bytewise = copy.deepcopy(net)
    with torch.no_grad():
        bytewise.get_submodule("stem").weight.div_(64)
    kept = kept_units(net, SIZE, groups, Pruning(keep=0.5))
    transport = Transport(plan="function", probes=16)
    results = [fused(net, groups, kept, transport)(images), fused(bytewise, groups, kept, transport)(64 * images)]
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


def test_plans_by_function_are_charged_for_every_picture(small_net: Net) -> None:
    net, groups = small_net(), hidden(small_net())
    kept = kept_units(net, SIZE, groups, Pruning(keep=0.5))
    with Counter() as count:
        report = fuse(net, groups, kept, SIZE, Transport(plan="function", probes=32))
    assert count.flops > 32 * flops_forward(small_net(), 1, 3, SIZE, SIZE)
    assert report.flops > 0


def test_the_source_is_left_alone_and_its_traits_are_kept(small_net: Net) -> None:
    net = small_net().double()
    net.get_submodule("stem").weight.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    smaller = make("strategies", "ot_fused(layout=channel)").adapted(net, SIZE)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not smaller.get_submodule("stem").weight.requires_grad
    assert smaller.get_submodule("last").weight.requires_grad
    assert all(p.dtype == torch.float64 for p in smaller.parameters())
    assert not smaller.training


def test_fusing_keeps_more_of_a_trained_net_than_removing() -> None:
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = torch.from_numpy(data.images).float().div(8).sub(1)[:, None].expand(-1, 3, -1, -1)
    labels = torch.from_numpy(data.target)
    distance: dict[str, list[float]] = {"plain": [], "fused": [], "by function": []}
    for seed in range(3):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 64)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
        optimiser = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        for _ in range(60):
            index = torch.randint(len(labels), (64,))
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(pixels[index]), labels[index]).backward()
            optimiser.step()
        net.eval()
        groups = [group for group in channel_groups(net, 8) if not group.output]
        for keep in (0.7, 0.5, 0.4):
            kept = kept_units(net, 8, groups, Pruning(keep=keep))
            nets = {name: copy.deepcopy(net) for name in distance}
            remove(nets["plain"], groups, kept)
            fuse(nets["fused"], groups, kept, 8, Transport(discount="depthwise"))
            fuse(nets["by function"], groups, kept, 8, Transport(plan="function"))
            with torch.no_grad():
                wanted = net(pixels[:300])
                for name, smaller in nets.items():
                    distance[name].append(float((smaller(pixels[:300]) - wanted).norm() / wanted.norm()))
    assert sum(distance["fused"]) < 0.9 * sum(distance["plain"]), distance
    assert sum(distance["by function"]) < 0.9 * sum(distance["plain"]), distance


@pytest.mark.parametrize("name", ["timm:vit_tiny_patch16_224", "torchvision:resnext50_32x4d", "timm:efficientnet_b0"])
def test_nets_of_every_family_can_be_fused(name: str) -> None:
    body = make("backbones", f"{name}(weights=none)").build().eval()
    strategy = make("strategies", "ot_fused(layout=channel)")
    assert strategy.adapted(body, 32)(torch.randn(1, 3, 32, 32)).isfinite().all()


def test_units_that_say_the_same_are_at_distance_zero_by_their_responses(small_net: Net, images: Tensor) -> None:
    net = small_net(excite=True)
    groups = channel_groups(net, SIZE)
    inside = next(group for group in groups if group.name == "blocks.0.conv1")
    with torch.no_grad():
        norm = net.get_submodule("blocks.0.norm1")
        for entry in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            entry[5] = entry[2]
        net.get_submodule("blocks.0.conv1").weight[5] = net.get_submodule("blocks.0.conv1").weight[2]
    found = responses(net, groups, images)
    assert {name: len(vectors) for name, vectors in found.items()} == {group.name: group.width for group in groups}
    assert torch.equal(found[inside.name][5], found[inside.name][2])
    assert not torch.equal(found[inside.name][4], found[inside.name][2])
    # One layer reads each unit of the last width in four places of its map of 2 x 2, for ten images.
    assert found["blocks.2.conv3"].shape == (16, 4 * 10)


def test_units_compared_by_their_responses_fuse_into_what_the_plan_says(small_net: Net, images: Tensor) -> None:
    net = small_net()
    groups = [group for group in hidden(net) if group.inner]
    kept = kept_units(net, SIZE, groups, Pruning(keep=0.5))
    by_images = copy.deepcopy(net)
    report = fuse(by_images, groups, kept, SIZE, vectors=responses(net, groups, images))
    other = fused(net, groups, kept)
    assert all(width.cost > 0 for width in report.widths)
    assert [p.shape for p in by_images.parameters()] == [p.shape for p in other.parameters()]
    assert any(not torch.equal(a, b) for a, b in zip(by_images.parameters(), other.parameters(), strict=True))


class TwoHeads(nn.Module):
    """A small net whose features two heads read, in one forward pass."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.first, self.second = nn.Linear(10, 3), nn.Linear(10, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(x)
        return self.first(features), self.second(features)


@laws
@given(kind=kinds, seed=seeds)
def test_every_head_of_a_fused_net_keeps_the_shape_of_its_logits(
    kind: dict[str, int], seed: int, small_net: Net, images: Tensor
) -> None:
    net = TwoHeads(small_net(seed=seed, **kind)).eval()
    groups = hidden(net)
    # The features are an inner width here: both heads consume them.
    features = next(group for group in groups if group.name == "body.last")
    assert [member.module for member in features.of("consumer")] == ["first", "second"]
    assert not {"first", "second"} & {group.name for group in groups}
    kept = kept_units(net, SIZE, groups, Pruning(keep=0.5))
    logits = fused(net, groups, kept)(images)
    assert [part.shape for part in logits] == [(10, 3), (10, 5)]
    assert all(part.isfinite().all() for part in logits)
    # A head that the traced forward pass does not reach would be left with its old width.
    net.third = nn.Linear(10, 2)
    with pytest.raises(UserError, match="third"):
        fused(net, hidden(net), kept)
