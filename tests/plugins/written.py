"""Strategies as people write them: with data loaders and processes, or with a slip."""

import multiprocessing
from dataclasses import dataclass
from typing import Any

import torch
from tiny import OwnLoop
from torch.utils.data import DataLoader

from harness import Context, Split, Strategy, Task


class Plain(Strategy):
    def learn(self, task: Task, ctx: Context) -> None: ...
    def predict(self, task: Task, images: torch.Tensor) -> torch.Tensor:
        return images


class Below(OwnLoop):
    decay: float = 0.9


class NoOptions(OwnLoop):
    """Adds none to those of a dataclass."""


@dataclass
class Loads(OwnLoop):
    """Its images come from a worker process."""

    def learn(self, task: Task, ctx: Context) -> None:
        images = task.load(Split.TRAIN).images
        assert sum(len(batch) for batch in DataLoader(images, batch_size=16, num_workers=1)) == len(images)  # type: ignore[arg-type]
        super().learn(task, ctx)


@dataclass
class Elsewhere(OwnLoop):
    """Computes in a process of its own, begun in the way that ``how`` names."""

    how: str = "spawn"

    def learn(self, task: Task, ctx: Context) -> None:
        super().learn(task, ctx)
        context: Any = multiprocessing.get_context(self.how)
        answers = context.SimpleQueue()
        process = context.Process(target=_multiply, args=(answers,))
        process.start()
        if answer := answers.get():
            raise RuntimeError(answer)


def _multiply(answers: Any) -> None:
    try:
        torch.ones(2, 2) @ torch.ones(2, 2)
    except Exception as error:
        answers.put(str(error))
    else:
        answers.put("")
