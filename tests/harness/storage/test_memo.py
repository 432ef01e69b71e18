"""What another run of the suite has worked out is read back, changes no record, and never gets in the way."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
import torch
from command import Harness
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harness.compute.backbone import Classifier, zero_head
from harness.compute.flops import Counter
from harness.compute.memoised import Memoised
from harness.storage import memo as kept
from harness.storage.memo import once
from harness.storage.records import canonical, line_of, read_log


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    there = tmp_path / "kept"
    there.mkdir()
    kept.use_folder(there)
    yield there
    kept.use_folder(None)


class Times:
    """Work that can be counted."""

    def __init__(self, value: object = 1) -> None:
        self.value, self.done = value, 0

    def __call__(self) -> object:
        self.done += 1
        return self.value


class Net(nn.Sequential):
    """Tells how often it was asked, without holding anything that sets one such net apart from another."""

    asked: ClassVar[list[int]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.asked.append(id(self))
        out: torch.Tensor = super().forward(x)
        return out


def net() -> nn.Module:
    torch.manual_seed(3)
    return Net(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5)).eval()


def images(count: int = 6) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Watched(Memoised):
    """Tells how often the net itself was asked."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__(inner)
        self.before = Net.asked.count(id(inner))

    @property
    def asked(self) -> int:
        return Net.asked.count(id(self.net)) - self.before


@settings(max_examples=40, deadline=None)
@given(st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_what_is_read_back_is_what_was_worked_out(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    kept.use_folder(tmp_path_factory.mktemp("kept"))
    try:
        work = Times(value)
        assert once("it", work) == once("it", work) == value
        assert work.done == 1
    finally:
        kept.use_folder(None)


def test_without_a_folder_the_work_is_done_each_time() -> None:
    work = Times()
    assert once("it", work) == once("it", work) == 1
    assert work.done == 2


def test_other_content_is_other_work(folder: Path) -> None:
    assert once(("width", 64), Times(1)) == 1
    assert once(("width", 32), Times(2)) == 2


@pytest.mark.parametrize("damage", [b"", b"half of", None])
def test_a_damaged_file_only_costs_time(folder: Path, damage: bytes | None) -> None:
    once("it", Times(torch.arange(5)))
    (path,) = folder.iterdir()
    path.write_bytes(damage if damage is not None else path.read_bytes()[:-40])
    work = Times(torch.arange(5))
    assert torch.equal(once("it", work), torch.arange(5))  # type: ignore[arg-type]
    assert work.done == 1
    assert torch.equal(once("it", work), torch.arange(5))  # type: ignore[arg-type]
    assert work.done == 1


def test_a_folder_that_has_gone_only_costs_time(folder: Path) -> None:
    folder.rmdir()
    work = Times()
    assert once("it", work) == once("it", work) == 1
    assert work.done == 2


def test_no_more_is_kept_than_may_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "LIMIT", 12_000)
    big = torch.zeros(1000)  # 4 kB, and what torch puts around it.
    for name in "abcd":
        once(name, Times(big))
    assert 4_000 < sum(path.stat().st_size for path in folder.iterdir()) <= 12_000
    first, last = Times(big), Times(big)
    once("a", first)
    once("d", last)
    assert (first.done, last.done) == (0, 1)


def test_a_frozen_net_gives_the_same_bits_and_flops_without_being_asked_again(folder: Path) -> None:
    inner, x = net(), images()
    with torch.no_grad():
        inner(x)
        with Counter() as direct:
            wanted = inner(x)
        first, second = Watched(inner), Watched(net_like(inner))
        for recalled, asked in ((first, 1), (second, 0)):
            with Counter() as counted:
                assert torch.equal(recalled(x), wanted)
            assert recalled.asked == asked
            assert counted.flops == direct.flops > 0


def net_like(other: nn.Module) -> nn.Module:
    """Another object with the same content."""
    made = net()
    with torch.no_grad():
        made(images())
    made.load_state_dict(other.state_dict())
    return made.eval()


def test_other_weights_images_order_in_memory_or_number_format_are_computed(folder: Path) -> None:
    x = images()
    base = net()
    with torch.no_grad():
        base(x)
        Memoised(base)(x)
        changed = net_like(base)
        changed[1].running_var.mul_(2)  # type: ignore[index, union-attr, operator]
        other_act = net_like(base)
        other_act[2] = nn.Tanh()  # type: ignore[index]
        for inner, given_images in (
            (changed, x),
            (other_act, x),
            (net_like(base), x + 1e-6),
            (net_like(base), x[:5]),
            (net_like(base), x.contiguous(memory_format=torch.channels_last)),
        ):
            recalled = Watched(inner)
            assert torch.equal(recalled(given_images), inner(given_images))
            assert recalled.asked == 2, "once through Memoised, once by hand"
        half = Watched(net_like(base))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half(x)
        assert half.asked == 1


def test_latency_and_training_are_never_recalled(folder: Path) -> None:
    inner, x = net(), images()
    with torch.no_grad():
        inner(x)
    recalled = Watched(inner)
    with torch.no_grad():
        for _ in range(3):
            recalled(x[:1])
    assert recalled.asked == 3
    for _ in range(2):
        assert recalled(x).requires_grad
    assert recalled.asked == 5
    assert not list(folder.iterdir())


@pytest.mark.parametrize("what", ["hook", "closure", "dropout"])
def test_a_net_that_is_not_understood_or_not_settled_is_computed_each_time(folder: Path, what: str) -> None:
    x, nets = images(), []
    for factor in (1.0, 2.0):
        inner = net_like(nets[0].net) if nets else net()
        with torch.no_grad():
            inner(x)
        nets.append(Watched(inner))
        if what == "hook":
            inner.register_forward_hook(lambda module, inputs, out, factor=factor: factor * out)
        elif what == "closure":
            inner.factor = lambda factor=factor: factor  # type: ignore[assignment]
        else:
            inner[2].train()  # type: ignore[index]
    with torch.no_grad():
        for _ in range(2):
            for one in nets:
                assert torch.equal(one(x), one.net(x))
    assert all(one.asked == 4 for one in nets)
    assert not list(folder.iterdir())


def test_a_classifier_on_a_recalled_body_learns_and_predicts_as_without(folder: Path) -> None:
    inner, x = net(), images()
    with torch.no_grad():
        inner(x)
        head = zero_head(5, 3)
        head.weight.normal_()
        wanted = Classifier(inner, head)(x)
        for _ in range(2):
            assert torch.equal(Classifier(Memoised(inner), head).eval()(x), wanted)


SUITE = """
streams = ["tiny:bars"]
strategies = ["channel_pruned(keep=0.5)", "linear_probe", "ridge"]
budgets = ["1ep", "2ep"]
[setting]
backbone = "tiny:net"
size = 16
"""


def test_runs_of_one_suite_have_the_records_of_runs_apart(harness: Harness, tmp_path: Path) -> None:
    suite = tmp_path / "tiny.toml"
    suite.write_text(SUITE)
    harness("run", suite, "--out", "together", "--jobs", 1)
    for strategy in ("channel_pruned(keep=0.5)", "linear_probe", "ridge"):
        for budget in ("1ep", "2ep"):
            harness("run", suite, "--out", "apart", "--strategy", strategy, "--budget", budget)
    together, apart = (
        ["".join(map(line_of, canonical(read_log(p).records))) for p in sorted((tmp_path / out).rglob("events.jsonl"))]
        for out in ("together", "apart")
    )
    assert together == apart
    assert len(together) == 6


def test_what_a_suite_kept_goes_when_it_ends(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_at_the_end: list[int] = []

    class Noted(TemporaryDirectory[str]):
        def cleanup(self) -> None:
            kept_at_the_end.append(len(list(Path(self.name).iterdir())))
            super().cleanup()

    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr("harness.running.executor.TemporaryDirectory", Noted)
    suite = tmp_path / "tiny.toml"
    suite.write_text(SUITE)
    harness("run", suite, "--out", "out", "--strategy", "ridge")
    assert len(kept_at_the_end) == 1
    assert kept_at_the_end[0] > 0
    assert not list(temporary.iterdir())
    harness("run", suite, "--out", "alone", "--strategy", "ridge", "--budget", "1ep")
    assert len(kept_at_the_end) == 1, "a run alone keeps nothing"
