"""Does a strategy keep the contract? Each promise is tried on real runs of small tasks, and answered in one line."""

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.backbone import Backbone
from harness.budget import Budget
from harness.caps import dense_flops
from harness.context import Context
from harness.flops import Counter
from harness.meter import BudgetExhausted, ComputeMeter
from harness.options import flat
from harness.records import Record, canonical, read_log
from harness.registry import make
from harness.runner import Overspent, Told, run
from harness.seeding import named_seed
from harness.spec import RunSpec, Setting
from harness.strategy import Strategy
from harness.stream import Stream
from harness.task import HiddenSplit, Split

TOLERANCE = 0.02
"""Share by which charged and independently counted FLOPs may differ."""


PEEKS = "asks for no split that is hidden while learning"
SPENDS = "keeps to its budget, by one step at most"


@dataclass(frozen=True)
class Answer:
    """Whether one promise is kept; ``why`` tells what was found where it is not."""

    promise: str
    kept: bool
    why: str = ""


class _Stopped(Exception):
    """Raised between two tasks, as an interruption would come."""


@dataclass(frozen=True)
class Trial:
    """What the promises are tried on."""

    strategy: str
    stream: Stream
    backbone: Backbone
    setting: Setting
    budget: Budget

    def spec(self) -> RunSpec:
        made: Strategy = make("strategies", self.strategy)
        options = tuple(flat(made).items())
        fingerprint = self.stream.fingerprint()
        return RunSpec(
            self.stream.name, fingerprint, self.strategy, options, made.version, self.budget, self.setting, seed=0
        )

    def records(self, folder: Path, *, stop_after: int | None = None) -> list[Record]:
        """Carry out the run below ``folder``, or go on with it; stop as if interrupted after that many tasks."""

        def tell(told: Told) -> None:
            if told.record is not None and told.index + 1 == stop_after:
                raise _Stopped

        spec = self.spec()
        with suppress(_Stopped), redirect_stdout(io.StringIO()):
            run(spec, folder, tell=tell)
        return read_log(folder / spec.folder / "events.jsonl").records

    def learn_first(self) -> tuple[Strategy, Context, float]:
        """A strategy after its first task, its context, and the FLOPs that an independent counter saw."""
        strategy: Strategy = make("strategies", self.strategy)
        task = self.stream.tasks[0]
        ctx = Context(self.backbone, self.setting, 0, ComputeMeter())
        torch.manual_seed(named_seed(0, "conformance"))
        with _Executed() as seen:
            with ctx.meter as setup:
                strategy.prepare(ctx)
            ctx.dense_flops = dense_flops(self.backbone, task.num_classes, self.setting.size)
            cap = self.budget.flops_for(dense_flops=ctx.dense_flops, images=task.sizes[Split.TRAIN])
            ctx.meter = ComputeMeter(flops=cap)
            with ctx.meter:
                strategy.learn(task.for_learning(), ctx)
        # Charged by a formula and not by an operation: the counter could not see it.
        ctx.meter.flops["fuse"] += setup.flops["fuse"]
        ctx.meter.flops["prune"] += setup.flops["prune"]
        return strategy, ctx, float(seen.flops)


class _Executed(Counter):
    """Counts what is really computed: shapes priced on ``meta`` are not."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = self.flops
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if any(isinstance(item, Tensor) and item.is_meta for item in (out if isinstance(out, tuple) else (out,))):
            self.flops = before
        return out


def conformance(strategy: str, *, stream: str, backbone: str, size: int, budget: str = "0.5ep") -> Iterator[Answer]:
    """Answers for every promise, one after another.

    Raises:
        UserError: the strategy, stream or backbone cannot be opened.
    """
    opened: Stream = make("streams", stream)
    net: Backbone = make("backbones", backbone)
    setting = Setting(backbone=backbone, weights_hash=net.weights_hash, size=size)
    trial = Trial(strategy, opened, net, setting, Budget.parse(budget))
    trial.spec()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        whole: list[Record] = []
        yield _answered("runs a stream, with finite logits of the right shape", lambda: _runs(trial, folder, whole))
        if not whole:
            return
        yield Answer(PEEKS, True)
        yield _answered(SPENDS, lambda: _spends(whole))
        yield _answered(
            "depends on its seed and on nothing else", lambda: _same(whole, trial.records(folder / "again"))
        )
        yield _answered("goes on from its state as if nothing had happened", lambda: _resumes(trial, folder, whole))
        yield _answered("predicts without changing itself, each image by itself", lambda: _predicts(trial))
        yield _answered("is charged what it computes", lambda: _charged(trial))


def _answered(promise: str, check: Callable[[], None]) -> Answer:
    try:
        check()
    except HiddenSplit as error:
        return Answer(PEEKS, False, str(error))
    except (Overspent, BudgetExhausted) as error:
        return Answer(SPENDS, False, str(error))
    except Exception as error:
        return Answer(promise, False, f"{type(error).__name__}: {' '.join(str(error).split())}")
    return Answer(promise, True)


def _runs(trial: Trial, folder: Path, whole: list[Record]) -> None:
    found = trial.records(folder / "whole")
    unsaid = [r["task"] for r in found if r.get("metric") == "cross_entropy" and r["value"] is None]
    assert not unsaid, f"logits that are not finite on task {unsaid[0]!r}"
    whole += found


def _spends(whole: list[Record]) -> None:
    for record in whole:
        if record["event"] == "learn" and record["budget_flops"] is not None and record["steps"]:
            spent = record["flops"] - record["setup_flops"]
            step = spent / record["steps"]
            over = spent - record["budget_flops"]
            assert over <= step * 1.01, f"task {record['task']!r} spent {over:.3g} FLOPs over its budget"


def _same(one: list[Record], other: list[Record]) -> None:
    for a, b in zip(canonical(one), canonical(other), strict=True):
        differing = [key for key in a if a[key] != b.get(key)]
        assert not differing, f"task {a['task']!r}: {differing[0]} was {a[differing[0]]}, then {b[differing[0]]}"


def _resumes(trial: Trial, folder: Path, whole: list[Record]) -> None:
    trial.records(folder / "resumed", stop_after=1)
    _same(whole, trial.records(folder / "resumed"))


def _predicts(trial: Trial) -> None:
    strategy, ctx, _ = trial.learn_first()
    task = trial.stream.tasks[0]
    images = ctx.inputs(task.load(Split.DEV), slice(0, 8))
    before = _weights(strategy)
    with torch.inference_mode():
        whole, again = strategy.predict(task, images), strategy.predict(task, images)
        alone = torch.cat([strategy.predict(task, images[i : i + 1]) for i in range(len(images))])
    assert torch.equal(whole, again), "the same images gave other logits the second time"
    assert all(torch.equal(a, b) for a, b in zip(before, _weights(strategy), strict=True)), "predict changed weights"
    assert torch.allclose(whole, alone, rtol=1e-3, atol=1e-3), "an image's logits depend on the others of its batch"


def _charged(trial: Trial) -> None:
    _, ctx, seen = trial.learn_first()
    charged = sum(ctx.meter.flops.values())
    assert charged >= (1 - TOLERANCE) * seen, f"{charged:.4g} FLOPs were charged, {seen:.4g} were done"


def _weights(strategy: Strategy) -> list[Tensor]:
    nets = [held for held in vars(strategy).values() if isinstance(held, nn.Module)]
    return [tensor.detach().clone() for net in nets for tensor in net.state_dict().values()]
