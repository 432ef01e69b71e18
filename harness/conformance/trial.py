"""How is a plugin tried out? On whole runs of small tasks, and task by task under the eyes of a second counter."""

import io
import math
import multiprocessing
import threading
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.compute.backbone import Backbone
from harness.compute.caps import dense_flops
from harness.compute.flops import Counter
from harness.compute.meter import ComputeMeter
from harness.compute.processes import Processes
from harness.compute.threads import Threads
from harness.config.blame import blamed
from harness.config.options import flat
from harness.config.registry import make
from harness.config.suite import on_net
from harness.core.budget import Budget
from harness.core.schema import Record
from harness.core.seeding import named_seed
from harness.core.spec import RunSpec, Setting
from harness.core.stream import Stream
from harness.core.task import Examples, HiddenSplit, Split, Task
from harness.learning.context import Context
from harness.learning.strategy import Infeasible, Strategy
from harness.learning.training import Diverged
from harness.running.executor import warm, without_main
from harness.running.messages import Message
from harness.running.runner import run
from harness.storage.records import read_log

LINGER = 0.5
"""Seconds for which a thread that outlives ``learn`` is watched."""


class _Stopped(Exception):
    """Raised between two tasks, as an interruption would come."""


@dataclass(frozen=True)
class Work:
    """What was done in one stretch, and what was said of it.

    Attributes:
        charged, counted: FLOPs that the meter charged, and those that a second counter saw.
        cap: FLOPs that might be spent.
        steps: metered steps.
        learnt: false where the task was infeasible or diverged.
        later: FLOPs that threads computed after it had ended.
    """

    charged: float
    counted: float
    cap: float = math.inf
    steps: int = 0
    learnt: bool = False
    later: float = 0.0


@dataclass(frozen=True)
class Trial:
    """A strategy, and what it is tried on."""

    strategy: str
    stream: Stream
    backbone: Backbone
    setting: Setting
    budget: Budget
    device: str = "cpu"

    def opened(self) -> Strategy:
        """A new object of the strategy."""
        strategy: Strategy = make("strategies", self.strategy)
        return strategy

    def spec(self) -> RunSpec:
        made = self.opened()
        _, here = on_net(self.strategy, made, self.backbone.name)
        options = tuple(flat(here).items())
        fingerprint = self.stream.fingerprint()
        return RunSpec(
            self.stream.name, fingerprint, self.strategy, options, here.version, self.budget, self.setting, seed=0,
            identity=self.stream.identity,
        )  # fmt: skip

    def records(self, folder: Path, *, stop_after: int | None = None) -> list[Record]:
        """Carry out the run below ``folder``, or go on with it; stop as if interrupted after that many tasks."""

        def listen(message: Message) -> None:
            if message.record is not None and message.index + 1 == stop_after:
                raise _Stopped

        spec = self.spec()
        with suppress(_Stopped), redirect_stdout(io.StringIO()):
            run(spec, folder, device=self.device, listener=listen)
        return read_log(folder / spec.folder / "events.jsonl").records

    def records_elsewhere(self, folder: Path) -> list[Record]:
        """Carry out the run below ``folder``, or go on with it, in a process that has seen nothing of it.

        Raises:
            Elsewhere: whatever was raised there.
        """
        spec = self.spec()
        ours, theirs = multiprocessing.get_context("forkserver").Pipe(duplex=False)
        process = warm().Process(target=_carry_out, args=(spec, folder, self.device, theirs))
        with without_main():
            process.start()
        theirs.close()
        try:
            failure = ours.recv()
        except EOFError:
            failure = "the process ended without a message"
        finally:
            process.join()
        if failure:
            raise Elsewhere(failure)
        return read_log(folder / spec.folder / "events.jsonl").records


def _carry_out(spec: RunSpec, folder: Path, device: str, parent: Connection) -> None:
    torch.set_num_threads(1)
    try:
        with redirect_stdout(io.StringIO()):
            run(spec, folder, device=device)
    except BaseException as error:
        place = blamed(error, spec.strategy)
        parent.send(f"{type(error).__name__}: {' '.join(str(error).split())}{f' ({place})' if place else ''}")
    else:
        parent.send("")


class Elsewhere(Exception):
    """What was raised in another process, with its place."""


class Attempt:
    """One strategy, led through tasks without the runner.

    Attributes:
        setup: what it did before the stream.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.strategy = trial.opened()
        device = trial.device
        self.ctx = Context(trial.backbone, trial.setting, 0, ComputeMeter(device=device), device=device)
        torch.manual_seed(named_seed(0, "attempt"))
        with redirect_stdout(io.StringIO()), Executed() as count, self.ctx.meter as meter:
            self.strategy.prepare(self.ctx)
        self.setup = Work(meter.spent_flops, count.flops)

    def learn(self, task: Task) -> Work:
        """Learn ``task``, a view of one that hides what is to be hidden, under the trial's budget."""
        ctx, learnt = self.ctx, False
        running = set(threading.enumerate())
        ctx.dense_flops = dense_flops(self.trial.backbone, task.num_classes, self.trial.setting.size)
        cap = self.trial.budget.flops_for(dense_flops=ctx.dense_flops, images=task.sizes[Split.TRAIN])
        # Held here as well: the strategy might put another one into its context.
        meter = ctx.meter = ComputeMeter(flops=cap, device=ctx.device)
        with Processes(), Threads() as after:
            with redirect_stdout(io.StringIO()), suppress(Infeasible, Diverged), Executed() as count, meter:
                self.strategy.learn(task, ctx)
                learnt = True
            self._wait_for_threads(running)
        return Work(meter.spent_flops, count.flops, cap, meter.steps, learnt, after.take())

    @staticmethod
    def _wait_for_threads(before: set[threading.Thread]) -> None:
        """Give threads that were begun meanwhile, and still run, the time to show what they do."""
        for thread in set(threading.enumerate()) - before:
            thread.join(timeout=LINGER)


class Executed(Counter):
    """Counts what is really computed: shapes priced on ``meta`` are not."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = self.flops
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if any(isinstance(item, Tensor) and item.is_meta for item in (out if isinstance(out, tuple) else (out,))):
            self.flops = before
        return out


def noting_refusals(task: Task, refused: list[Split]) -> Task:
    """The view of ``task`` for learning, which adds each refused split to ``refused``; a strategy may hide it."""
    view = task.for_learning()

    def load(split: Split) -> Examples:
        try:
            return view.load(split)
        except HiddenSplit:
            refused.append(Split(split))
            raise

    return replace(view, load=load)
