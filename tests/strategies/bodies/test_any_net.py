"""What cannot be pruned is refused in one line, within bounds; what can be pruned loses nothing that anybody reads."""

import pytest
import torch
from torch import Tensor, nn

from harness.compute.sizes import shape_only
from harness.config.registry import make
from harness.core.errors import UserError
from harness.running.study import Request, check_strategies
from strategies.bodies.structure import dependency
from strategies.bodies.structure.attention import with_prunable_attention
from strategies.bodies.structure.groups import widths
from strategies.bodies.structure.pruning import Layout, Pruning, prunable, pruned
from strategies.bodies.structure.trial import tried, unread


def body(name: str) -> nn.Module:
    built: nn.Module = make("backbones", f"{name}(weights=none)").build(pretrained=False)
    return with_prunable_attention(built.eval())


@pytest.mark.parametrize("layout", ["filter", "channel"])
@pytest.mark.parametrize("name", ["torchvision:shufflenet_v2_x0_5", "torchvision:squeezenet1_1", "timm:test_convnext"])
def test_units_that_nobody_reads_can_go(name: str, layout: Layout) -> None:
    net = body(name)
    assert unread(net, 64, prunable(net, 64, layout)) == ""


class _Shuffled(nn.Module):
    """A stream whose halves change places between two layers, and a block that is plain."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.block = nn.Sequential(nn.Conv2d(8, 12, 1), nn.ReLU(), nn.Conv2d(12, 8, 1))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        n, _, h, w = x.shape
        x = x + x.view(n, 2, 4, h, w).transpose(1, 2).reshape(n, 8, h, w)
        return (x + self.block(x)).mean((2, 3))


def test_a_width_that_a_forward_pass_needs_whole_is_left_alone() -> None:
    groups = prunable(_Shuffled(), 16, "channel")
    assert [group.name for group in groups] == ["block.0"]
    assert pruned(_Shuffled(), 16, "channel", Pruning(keep=0.5))(torch.zeros(1, 3, 16, 16)).shape == (1, 8)


class _Swapped(nn.Module):
    """Shapes say nothing here: the second layer reads the units of the first in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.second(self.first(images).flip(1)).mean((2, 3))


def test_units_that_arrive_in_another_order_are_seen() -> None:
    net = _Swapped()
    groups = [group for group in widths(net, 8).groups if not group.output]
    assert "features differ" in unread(net, 8, groups)


class _Rigid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.stem(images).view(len(images), 4, 2, -1).mean((2, 3))


def test_a_net_that_can_lose_nothing_is_refused_by_layer_and_reason() -> None:
    with pytest.raises(UserError, match=r"_Rigid has no width.*'stem'"):
        prunable(_Rigid(), 8, "channel")
    assert prunable(body("torchvision:resnet18"), 32, "filter")


def test_following_units_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependency, "WORK", 1000)
    with pytest.raises(UserError, match="too entangled"):
        widths(body("torchvision:resnet18"), 32)


def test_a_tangled_net_is_followed_within_the_bound() -> None:
    backbone = make("backbones", "torchvision:swin_t(weights=none)")
    net = shape_only(lambda: backbone.build(pretrained=False))
    found = widths(net, 64)
    groups, _ = tried(net, 64, [group for group in found.groups if group.inner], whole_features=True)
    assert groups
    assert found.left_out


@pytest.mark.parametrize(
    ("backbone", "said"),
    [
        ("torchvision:alexnet(weights=none)", "filter_pruned cannot be made of torchvision:alexnet.*no blocks"),
        ("torchvision:vit_b_32(weights=none)", "does not take images of 64 px"),
    ],
)
def test_what_cannot_run_is_refused_before_any_run(backbone: str, said: str) -> None:
    asked = Request(
        "smoke", ["nevis22(tasks=[umist])"], ["filter_pruned"], ["1ep"], seeds=1, backbones=[backbone], size=64
    )
    specs = asked.specs()
    with pytest.raises(UserError, match=said):
        check_strategies(specs)
