"""Strategies that learn, but break one promise of the contract, each in three ways by name."""

import copy
import multiprocessing
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from tiny import Finetune, OwnLoop
from torch import Tensor, nn

import harness
from harness import Context, Split, Task
from harness.learning.strategy import Infeasible

_learnt = 0


@dataclass
class Overspends(OwnLoop):
    how: str = "goes_on"

    def learn(self, task: Task, ctx: Context) -> None:
        if self.how == "lifts_its_budget":
            ctx.meter.flops_budget *= 3
        super().learn(task, ctx)
        images = ctx.inputs(task.load(Split.TRAIN))
        if self.how == "goes_on":
            for _ in range(20):
                self.net(images)
        if self.how == "loops_on_its_own":
            while ctx.meter.steps < 1000:
                with ctx.meter.phase("validate"):
                    self.net(images)
                ctx.meter.steps += 100


@dataclass
class Hides(OwnLoop):
    """Computes what it is not charged."""

    how: str = "looks_away"

    def learn(self, task: Task, ctx: Context) -> None:
        data = task.load(Split.TRAIN)
        if self.how == "claims_less":
            # The step that is counted is what it says; those that are multiplied are not.
            self.net = ctx.classifier(task)
            for step, (images, _) in enumerate(ctx.batches(data, batch_size=8, name=task.name, net=self.net)):
                for _ in range(1 if step == 0 else 9):
                    self.net(images).sum().backward()
            return
        super().learn(task, ctx)
        if self.how == "looks_away":
            with ctx.meter.unmetered():
                self.net(ctx.inputs(data))
        if self.how == "takes_back":
            ctx.meter.flops["train"] /= 2
        images = ctx.inputs(data)
        if self.how == "in_a_thread_that_goes_on":
            threading.Thread(target=later, args=(self.net, images), daemon=True).start()
        if self.how == "in_a_program":
            subprocess.run([sys.executable, "-S", "-c", "2 * 2"], check=True)
        if self.how == "in_a_process":
            work = multiprocessing.get_context("fork").Process(target=self.net, args=(images,))
            work.start()
            work.join()
            if work.exitcode:
                raise RuntimeError("the process that trains has failed")
        if self.how == "in_an_operation_without_price":
            torch.linalg.matrix_exp(images)


def later(net: nn.Module, images: Tensor) -> None:
    time.sleep(0.1)
    net(images)


@dataclass
class Remembers(OwnLoop):
    """Depends on more than its seed."""

    how: str = "counts"
    before: ClassVar[list[Tensor]] = []

    def learn(self, task: Task, ctx: Context) -> None:
        global _learnt
        _learnt += 1
        super().learn(task, ctx)
        bias = self.net.head.bias.data
        if self.how == "counts":
            bias += _learnt
        if self.how == "draws_unseeded":
            bias += torch.from_numpy(np.random.default_rng().normal(size=len(bias)))
        if self.how == "goes_on_from_another_run":
            bias += sum(float(seen.sum()) for seen in self.before)
            self.before.append(bias.clone() + 1)


@dataclass
class Peeks(OwnLoop):
    how: str = "asks"

    def learn(self, task: Task, ctx: Context) -> None:
        super().learn(task, ctx)
        if self.how == "asks":
            task.load(Split.DEV_TEST)
        if self.how == "tries":
            with suppress(PermissionError):
                task.load(Split.TEST)

    def predict(self, task: Task, images: Tensor) -> Tensor:
        if self.how == "looks_up":
            task.load(Split.TEST)
        return super().predict(task, images)


@dataclass
class Unfinite(OwnLoop):
    how: str = "nan"

    def predict(self, task: Task, images: Tensor) -> Tensor:
        logits = super().predict(task, images)
        if self.how == "nan":
            return logits * torch.nan
        if self.how == "one_class":
            logits[:, -1] = -torch.inf
        if self.how == "one_image":
            logits[len(logits) // 2, 0] = torch.nan
        return logits


@dataclass
class Misshapen(OwnLoop):
    how: str = "one_more"

    def predict(self, task: Task, images: Tensor) -> Tensor:
        logits = super().predict(task, images)
        if self.how == "one_more":
            return torch.cat([logits, logits[:, :1]], dim=1)
        if self.how == "squeezed":
            return logits.squeeze(0)
        match self.how:
            case "numpy":
                return logits.numpy()  # type: ignore[return-value]
            case "list":
                return list(logits)  # type: ignore[return-value]
            case "classes":
                return logits.argmax(dim=1)
            case "whole_numbers":
                return logits.long()
            case "elsewhere":
                return logits.to("meta")
        return logits.mean(dim=0, keepdim=True)


@dataclass
class Fails(OwnLoop):
    how: str = "raises"

    def learn(self, task: Task, ctx: Context) -> None:
        if self.how == "raises" and task.name == "bars1":
            raise RuntimeError("a <bug> in 'my' plugin")
        if self.how == "leaves":
            raise SystemExit(3)
        if self.how == "gives_up":
            raise Infeasible("never enough")
        super().learn(task, ctx)


@dataclass
class Forgets(Finetune):
    """Goes on from where the last task ended, but does not say so."""

    how: str = "says_nothing"

    def state(self) -> dict[str, Any]:
        return {} if self.how == "says_nothing" else super().state()

    def load_state(self, state: dict[str, Any]) -> None:
        if self.how == "cannot_take_back":
            raise NotImplementedError("load_state")
        if self.how == "says_nothing":
            super().load_state(state)


_last: list[Tensor] = []


@dataclass
class Module(OwnLoop):
    """Holds what the next task needs in a variable of the module, where it ends with the process."""

    how: str = "variable"

    def prepare(self, ctx: Context) -> None:
        _last.clear()

    def learn(self, task: Task, ctx: Context) -> None:
        super().learn(task, ctx)
        bias = self.net.head.bias.data
        bias += sum(float(seen.sum()) for seen in _last)
        _last.append(bias.clone() + 1)


@dataclass
class Adapts(OwnLoop):
    """Changes while it predicts, or mixes images."""

    how: str = "trains"

    def predict(self, task: Task, images: Tensor) -> Tensor:
        if self.how == "trains":
            return self.net.train()(images)  # type: ignore[no-any-return]
        logits = super().predict(task, images)
        if self.how == "drifts":
            self.net.head.bias.data += 0.1
        if self.how == "mixes":
            return logits - logits.mean(dim=0)
        return logits


@dataclass
class Body(harness.Body):
    """Makes a body that it should not have made."""

    how: str = "draws_unseeded"

    def adapted(self, body: nn.Module, size: int, *, seed: int = 0) -> nn.Module:
        global _learnt
        if self.how != "changes_what_it_is_given":
            body = copy.deepcopy(body)
        _learnt += 1
        first = next(body.parameters())
        with torch.no_grad():
            match self.how:
                case "draws_unseeded":
                    first += torch.rand(())
                case "counts":
                    first += _learnt
                case _:
                    first *= 0.5
        return body
