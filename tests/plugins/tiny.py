"""A stream, a backbone and strategies that are small enough to run whole in a test."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from harness import (
    Backbone,
    ComputeMeter,
    Context,
    Examples,
    Kind,
    Learner,
    Phase,
    Provenance,
    Recipe,
    Split,
    Strategy,
    Stream,
    Task,
    fit,
)

SIZES = {Split.TRAIN: 48, Split.DEV: 12, Split.DEV_TEST: 24, Split.TEST: 24}


def examples(name: str, split: Split, classes: int, *, multilabel: bool = False) -> Examples:
    """Noise with a bright bar whose place is the class."""
    rng = np.random.default_rng([sum(name.encode()), list(Split).index(split)])
    n = SIZES[split]
    images = rng.integers(0, 100, (n, 16, 16, 3), dtype=np.uint8)
    if multilabel:
        labels = (rng.random((n, classes)) < 0.5).astype(np.uint8)
        for image, row in zip(images, labels, strict=True):
            for label in np.flatnonzero(row):
                image[:, 3 * label : 3 * label + 2] = 220
        return Examples(images, labels)
    numbers = np.arange(n) % classes
    for image, label in zip(images, numbers, strict=True):
        image[:, 3 * label : 3 * label + 2] = 220
    return Examples(images, numbers.astype(np.int64))


def task(name: str, year: int, classes: int, *, kind: Kind = Kind.MULTICLASS, phase: Phase = Phase.DEVELOPMENT) -> Task:
    return Task(
        name=name,
        year=year,
        domain="bars",
        kind=kind,
        num_classes=classes,
        provenance=Provenance.EMULATED,
        phase=phase,
        load=lambda split: examples(name, Split(split), classes, multilabel=kind is Kind.MULTILABEL),
        sizes=SIZES,
        digest="1",
    )


def bars(tasks: int = 3) -> Stream:
    """A few development tasks, the second multilabel, and one held out."""
    kinds = [Kind.MULTICLASS, Kind.MULTILABEL, Kind.BINARY, Kind.MULTICLASS]
    classes = {Kind.MULTICLASS: 4, Kind.MULTILABEL: 3, Kind.BINARY: 2}
    development = [task(f"bars{i}", 2000 + i, classes[kinds[i % 4]], kind=kinds[i % 4]) for i in range(tasks)]
    held_out = task("last", 2020, 4, phase=Phase.HELD_OUT)
    name = "tiny:bars" if tasks == 3 else f"tiny:bars(tasks={tasks})"
    return Stream(name, "1", (*development, held_out))


class Net(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d((1, 4)),
            nn.Flatten(),
        )


def net() -> Backbone:
    def build(*, pretrained: bool = True) -> nn.Module:
        if pretrained:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(7)
                return Net()
        return Net()

    return Backbone("tiny:net", 32, (127.0,) * 3, (128.0,) * 3, build, lambda: "seven")


@dataclass
class Finetune(Strategy):
    """Each task from where the last one ended, so that the state matters; dropout, so that global seeds do."""

    lr: float = 0.05
    dies_at: str = ""
    dies_before: str = ""
    flag: str = ""

    def __post_init__(self) -> None:
        self.body: nn.Module | None = None

    def learn(self, task: Task, ctx: Context) -> None:
        self.die(task.name == self.dies_at)
        body = ctx.body() if self.body is None else self.body
        net = ctx.classifier(task, nn.Sequential(body, nn.Dropout(0.1)))
        fit(net, task.load(Split.TRAIN), ctx, name=task.name, recipe=Recipe(lr=self.lr, batch_size=8))
        self.net, self.body = net, body

    def predict(self, task: Task, images: Tensor) -> Tensor:
        self.die(task.name == self.dies_before)
        logits: Tensor = self.net(images)
        return logits

    def die(self, now: bool) -> None:
        """Kill the whole process, the first time only."""
        if now and self.flag and not Path(self.flag).exists():
            Path(self.flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def state(self) -> dict[str, dict[str, Tensor]]:
        assert self.body is not None
        return {"body": self.body.state_dict()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.body = Net()
        self.body.load_state_dict(state["body"])


@dataclass
class Restarts(Finetune):
    """Cannot say what the next task needs."""

    resumable: ClassVar[bool] = False

    def state(self) -> dict[str, dict[str, Tensor]]:
        return {}


@dataclass
class OwnLoop(Strategy):
    """A loop of its own: nothing tells the meter what a step costs."""

    def learn(self, task: Task, ctx: Context) -> None:
        self.net = ctx.classifier(task).train()
        optimiser = torch.optim.SGD(self.net.parameters(), lr=0.05)
        for images, wanted in ctx.batches(task.load(Split.TRAIN), batch_size=8, name=task.name):
            logits = self.net(images) + self.net(images.flip(3))
            loss = nn.functional.mse_loss(
                logits, wanted if wanted.ndim == 2 else nn.functional.one_hot(wanted, logits.shape[1]).float()
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def predict(self, task: Task, images: Tensor) -> Tensor:
        logits: Tensor = self.net.eval()(images)
        return logits


@dataclass
class Broken(Learner):
    """Does one thing wrong, by name."""

    how: str = "raises"

    def learn(self, task: Task, ctx: Context) -> None:
        self.net = ctx.classifier(task)
        print("noise on standard output")
        if self.how == "raises" and task.name == "bars1":
            raise RuntimeError("a <bug> in 'my' plugin")
        if self.how == "exits":
            os._exit(3)
        if self.how == "peeks":
            task.load(Split.DEV_TEST)
        if self.how == "swaps":
            ctx.meter = ComputeMeter(flops=ctx.meter.flops_budget)

    def predict(self, task: Task, images: Tensor) -> Tensor:
        if self.how == "shape":
            return torch.zeros(len(images), task.num_classes + 1)
        if self.how == "nan":
            return torch.full((len(images), task.num_classes), torch.nan)
        return torch.zeros(len(images), task.num_classes)
