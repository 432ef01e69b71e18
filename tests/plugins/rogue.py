"""Strategies that misbehave, each in one way by name, at the second task."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tiny import Finetune
from torch import Tensor

from harness import Context, Recipe, Split, Strategy, Task, fit


@dataclass
class Rogue(Finetune):
    """As :class:`tiny.Finetune`, until ``how`` happens; with ``flag`` only while that file is missing."""

    how: str = "waits"

    def learn(self, task: Task, ctx: Context) -> None:
        super().learn(task, ctx)
        if task.name == "bars1" and not (self.flag and Path(self.flag).exists()):
            getattr(self, self.how)(task, ctx)

    def waits(self, task: Task, ctx: Context) -> None:
        """For the flag."""
        while not Path(self.flag).exists():
            time.sleep(0.02)

    def hangs(self, task: Task, ctx: Context) -> None:
        while True:
            try:
                time.sleep(0.1)
            except Exception:
                continue

    def blocks(self, task: Task, ctx: Context) -> None:
        """No signal gets through but SIGKILL, and a child of it holds all files open."""
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        os.fork()
        while True:
            time.sleep(1)

    def prints(self, task: Task, ctx: Context) -> None:
        print("the first words")
        for _ in range(200):
            print("x" * (1 << 16))
        print("the last words")
        time.sleep(0.1)

    def leaves(self, task: Task, ctx: Context) -> None:
        sys.exit(0)

    def aborts(self, task: Task, ctx: Context) -> None:
        os.abort()

    def hoards(self, task: Task, ctx: Context) -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 36, 1 << 36))
        torch.ones(1 << 40)

    def overfills(self, task: Task, ctx: Context) -> None:
        """The memory of a GPU, as torch says it."""
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    def fills(self, task: Task, ctx: Context) -> None:
        """The disk, as far as this process can tell."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))

    def starts(self, task: Task, ctx: Context) -> None:
        """A thread and children that outlive it, one of which has every file it had."""
        threading.Thread(target=time.sleep, args=(60,)).start()
        child = subprocess.Popen(["sleep", "60"])
        Path(self.flag).write_text(str(child.pid))
        if os.fork() == 0:
            time.sleep(60)

    def overspends(self, task: Task, ctx: Context) -> None:
        images = ctx.inputs(task.load(Split.TRAIN))
        for _ in range(3):
            self.net(images).sum().backward()

    def gives_a_set(self, task: Task, ctx: Context) -> None:
        self.state = lambda: {"seen": {1, 2}}  # type: ignore[method-assign, assignment, return-value]


@dataclass
class Diverges(Strategy):
    def learn(self, task: Task, ctx: Context) -> None:
        self.net = ctx.classifier(task)
        fit(self.net, task.load(Split.TRAIN), ctx, name=task.name, recipe=Recipe(lr=1e30, norm="batch"))

    def predict(self, task: Task, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        return logits
