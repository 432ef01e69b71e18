"""A step is the same arithmetic whether it is taken or replayed, and nothing in it waits for a device."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny import bars, net
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from harness.compute.meter import ComputeMeter
from harness.core.spec import Setting
from harness.core.task import Split
from harness.learning import training
from harness.learning.batches import loss_of
from harness.learning.context import Batch, Context
from harness.learning.optimiser import optimiser_of
from harness.learning.recipe import Optimiser, Settled
from harness.learning.resident import Resident
from harness.learning.step import REAL_STEPS, Step, Work, replays
from harness.learning.training import fit

RECIPE = Settled(lr=0.02, head_lr=0.05, batch_size=8, clip=1.0)


class Replayed:
    """A graph on a processor: what a GPU would replay is done again, into the results that it gave when recorded."""

    def __init__(self) -> None:
        self.apart_, self.replays_ = 0, 0

    def apart(self, work: Work) -> tuple[Tensor, Tensor]:
        self.apart_ += 1
        return work()

    def record(self, work: Work) -> tuple[Tensor, Tensor]:
        self.work, self.results = work, (torch.empty(()), torch.empty(()))
        return self.results

    def replay(self) -> None:
        self.replays_ += 1
        for result, value in zip(self.results, self.work(), strict=True):
            result.copy_(value)


class NeverWaits(TorchDispatchMode):
    """Refuses what reads a number from a device, and counts the numbers that go from one device to another."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.crossed: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        assert name not in ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::is_nonzero")
        out = func(*args, **(kwargs or {}))
        if name in ("aten::_to_copy", "aten::copy_"):
            source = args[1] if name == "aten::copy_" else args[0]
            if source.device != out.device:
                self.crossed.append(source.numel())
        return out


def trained(recipe: Settled, *, epochs: float = 6) -> tuple[nn.Module, ComputeMeter, Any]:
    task = bars().tasks[0]
    ctx = Context(net(), Setting(backbone="tiny:net", size=16), 0, ComputeMeter())
    classifier = ctx.classifier(task)
    with ctx.meter:
        how = fit(classifier, task.load(Split.TRAIN), ctx, name="t", recipe=recipe, epochs=epochs)
    return classifier, ctx.meter, how


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("norm", ["frozen", "batch"])
def test_replayed_steps_are_those_that_are_taken(
    optimiser: Optimiser, norm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPE, optimiser=optimiser, norm=norm)
    taken, meter, how = trained(recipe, epochs=6.1)
    graph = Replayed()
    monkeypatch.setattr(training, "graph_for", lambda *_, **__: graph)
    replayed, again, how_again = trained(recipe, epochs=6.1)
    assert how == how_again
    assert (meter.spent_flops, meter.steps) == (again.spent_flops, again.steps) == (again.spent_flops, 37)
    for one, other in zip(taken.state_dict().values(), replayed.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    # The first is counted, some make the net ready, and the last has fewer images. The momentum of a norm that measures
    # falls for 27 steps, as a number that a recording would keep.
    real = 27 if norm == "batch" else 1 + REAL_STEPS
    assert graph.apart_ == real + 1
    assert graph.replays_ == 37 - real - 1
    assert all(parameter.grad is None for parameter in replayed.parameters())


def test_a_step_reads_nothing_from_its_device() -> None:
    task = bars().tasks[0]
    ctx = Context(net(), Setting(backbone="tiny:net", size=16), 0, ComputeMeter())
    classifier, watch = ctx.classifier(task).train(), NeverWaits()
    data = task.load(Split.TRAIN)
    batches = ctx.batches(data, batch_size=8, name="t", epochs=1, augment=RECIPE.augmentation)
    step = Step(classifier, optimiser_of(classifier, RECIPE), RECIPE, loss=_loss, autocast=ctx.autocast(classifier))
    with watch:
        for number, batch in enumerate(batches):
            step(batch, number=number)
    assert number == 5


def test_on_a_device_images_come_once_and_then_a_few_numbers_a_step() -> None:
    """On ``meta`` everything has a place and nothing is computed."""
    task = bars().tasks[0]
    ctx = Context(net(), Setting(backbone="tiny:net", size=16), 0, ComputeMeter(), device="meta")
    recipe = replace(RECIPE, clip=None)
    classifier, data = ctx.classifier(task).train(), task.load(Split.TRAIN)
    step = Step(
        classifier, optimiser_of(classifier, recipe), recipe, loss=_loss, autocast=torch.autocast("cpu", enabled=False)
    )
    crossed, inside = [], []
    feeding = ctx.batches(data, batch_size=8, name="t", epochs=1, augment=recipe.augmentation)
    for number, batch in enumerate(_watched(feeding, crossed)):
        assert batch.inputs.device.type == batch.targets.device.type == "meta"
        assert batch.inputs.shape == (8, 3, 16, 16)
        with NeverWaits() as watch:
            loss, norm = step(batch, number=number)
        inside += watch.crossed
        assert loss.device.type == norm.device.type == "meta"
    assert inside == []
    assert sum(crossed[0]) >= data.images.size
    # Eight indices for the images and for the labels, and four numbers of each crop.
    assert crossed[1:-1] == [[8, 32, 8]] * 5


def _watched(batches: Iterator[Batch], crossed: list[list[int]]) -> Iterator[Batch]:
    while True:
        with NeverWaits() as watch:
            batch = next(batches, None)
        crossed.append(watch.crossed)
        if batch is None:
            return
        yield batch


def _loss(net: nn.Module, batch: Batch) -> Tensor:
    return loss_of(net(batch.inputs).float(), batch.targets)


def test_arrays_lie_on_a_device_while_they_fit_and_somebody_holds_them() -> None:
    one, other = np.arange(60, dtype=np.uint8).reshape(20, 3), np.zeros((1000, 3), dtype=np.uint8)
    resident = Resident(bound=100)
    for index in (slice(2, 7), np.array([3, 1]), np.array([0])):
        for array in (one, other):
            assert resident.rows(array, index, "meta").shape == array[index].shape
    assert resident.nbytes == 60
    assert torch.equal(resident.rows(one, np.array([3, 1]), "cpu"), torch.from_numpy(one[[3, 1]]))
    del one, array
    assert resident.nbytes == 0


class Counting(nn.Identity):
    """Does something in Python at each call."""


def test_only_nets_of_which_it_is_known_are_recorded() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten())
    assert replays(plain)
    assert not replays(nn.Sequential(plain, Counting()))
    hooked = copy.deepcopy(plain)
    hooked[0].register_forward_hook(lambda *_: None)
    assert not replays(hooked)
    vouched = Counting()
    vouched.replays = True  # type: ignore[assignment]
    assert replays(nn.Sequential(plain, vouched))
