"""Two nets have one width and one price only where they are the same: told apart by anything, each has its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.compute.backbone import feature_width, structure
from harness.compute.flops import flops_forward
from harness.config.registry import make
from harness.storage import memo


class Some(nn.Module):
    """As many of its inputs as ``picks``, in whatever form, says; and a linear layer over them."""

    def __init__(self, picks: Any, count: Callable[[Any], int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 1))
        self.picks = picks
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)[:, : self.count(self.picks)]
        return x @ self.weight.expand(4, x.shape[1]).t() @ torch.ones(4, x.shape[1], device=x.device)


@dataclass
class Holder:
    number: int


class Opaque:
    def __init__(self, number: int) -> None:
        self.number = number


def first(picks: Any) -> int:
    return int(picks[0])


def named(picks: Any) -> int:
    return int(picks["units"])


def held(picks: Any) -> int:
    return int(picks.number)


def asked(picks: Any) -> int:
    return int(picks())


KINDS: dict[str, tuple[Callable[[int], Any], Callable[[Any], int]]] = {
    "list": (lambda n: [n], first),
    "tuple": (lambda n: (n,), first),
    "dict": (lambda n: {"units": n}, named),
    "nested": (lambda n: {"units": np.int64(n), "of": [{"x": [n]}]}, named),
    "array": (lambda n: np.array([n]), first),
    "tensor": (lambda n: torch.tensor([n]), first),
    "dataclass": (Holder, held),
    "object": (Opaque, held),
    "closure": (lambda n: lambda: n, asked),
}


@pytest.fixture(params=["a run alone", "runs of one suite"])
def _memo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    memo.use_folder(tmp_path if "suite" in request.param else None)
    yield
    memo.use_folder(None)


@pytest.mark.usefixtures("_memo")
@pytest.mark.parametrize("kind", KINDS)
def test_nets_that_differ_in_anything_they_hold_have_widths_and_prices_of_their_own(kind: str) -> None:
    value, count = KINDS[kind]
    widths = [feature_width(Some(value(number), count), 8) for number in (16, 8, 16)]
    assert widths == [16, 8, 16]
    prices = [flops_forward(Some(value(number), count), 2, 3, 8, 8) for number in (16, 8, 16)]
    assert prices[0] == prices[2] == 2 * prices[1] > 0


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"object", "closure"}))
def test_what_is_understood_is_looked_up(kind: str) -> None:
    value, count = KINDS[kind]
    assert structure(Some(value(16), count)) == structure(Some(value(16), count)) is not None


def test_hooks_and_buffers_tell_nets_apart() -> None:
    plain, hooked, buffered = (Some([8], first) for _ in range(3))
    hooked.register_forward_pre_hook(lambda module, inputs: inputs)
    buffered.register_buffer("index", torch.arange(3))
    assert structure(hooked) is None
    assert structure(plain) != structure(buffered)


@pytest.mark.parametrize(
    "name", ["efficientnet_lite0", "torchvision:resnet18(weights=none)", "timm:test_efficientnet(weights=none)"]
)
def test_the_backbones_that_come_along_are_understood(name: str) -> None:
    backbone = make("backbones", name)
    assert structure(backbone.build(pretrained=False)) == structure(backbone.build(pretrained=False)) is not None
