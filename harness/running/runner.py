"""What happens in one run? Each task in order: learn under a fresh meter, evaluate, commit."""

import random
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch import nn

from harness.compute.backbone import Backbone
from harness.compute.caps import Spent, cap, dense_flops, scored_tasks
from harness.compute.memory import begin_peak, peak_bytes
from harness.compute.meter import COST_PHASES, ComputeMeter
from harness.config.registry import make
from harness.core.errors import UserError
from harness.core.seeding import named_seed
from harness.core.spec import RunSpec
from harness.core.stream import Stream
from harness.core.task import Split, Task
from harness.learning.context import Context
from harness.learning.evaluation import evaluate, evaluate_before, latency
from harness.learning.strategy import Infeasible, Strategy
from harness.learning.training import Diverged
from harness.running.manifest import manifest
from harness.running.messages import Leave, Tell, Told
from harness.storage.disk import CannotWrite
from harness.storage.records import Record, RunStatus, TaskStatus, number
from harness.storage.run_folder import Busy, RunFolder


class Overspent(RuntimeError):
    """A strategy went on computing after its budget was gone."""


def run(
    spec: RunSpec, out: Path, *, device: str = "cpu", tell: Tell = lambda _: None, retry_failed: bool = True
) -> RunStatus:
    """Carry out what is left of ``spec`` below ``out``; what is done is not done again.

    Args:
        retry_failed: whether to begin again where another runner has failed meanwhile.

    Returns:
        How the run stands: done; or failed, where it had and is not tried again.

    Raises:
        Busy: another process is on this run.
        CannotWrite: the disk did not take the results; what is committed stays, and the run is not called failed.
        UserError: the stream's content is not what the spec was made for, or a part cannot be opened.
        Exception: whatever the strategy raised, after its traceback was stored.
    """
    store = RunFolder(out / spec.folder)
    with store.claim():
        # Asked again inside the claim: another runner may have ended it since we looked.
        status = store.status()
        if status is RunStatus.DONE or (status is RunStatus.FAILED and not retry_failed):
            return status
        try:
            _run(spec, store, device, tell)
        except Busy:
            raise
        except (KeyboardInterrupt, Leave, CannotWrite):
            with suppress(CannotWrite):
                store.finish(RunStatus.INTERRUPTED, finished=_now())
            raise
        except BaseException:
            store.finish(RunStatus.FAILED, finished=_now(), error=traceback.format_exc())
            raise
        store.finish(RunStatus.DONE, finished=_now())
    return RunStatus.DONE


def _run(spec: RunSpec, store: RunFolder, device: str, tell: Tell) -> None:
    stream: Stream = make("streams", spec.stream)
    if stream.fingerprint() != spec.fingerprint:
        raise UserError(
            f"stream {spec.stream} has fingerprint {stream.fingerprint()[:12]}, the plan was made for "
            f"{spec.fingerprint[:12]}: its data changed; plan again"
        )
    strategy: Strategy = make("strategies", spec.strategy)
    backbone: Backbone = make("backbones", spec.setting.backbone)
    tasks = scored_tasks(stream, spec)
    store.begin({**manifest(spec, stream, tasks, backbone), "started": _now(), "finished": None})
    done, state, note = store.resume(tasks=len(tasks), resumable=strategy.resumable)
    if note:
        tell(Told(task=tasks[min(done, len(tasks) - 1)].name, index=done, tasks=len(tasks), note=note))
    if done == len(tasks):
        return
    ctx = Context(backbone=backbone, setting=spec.setting, seed=spec.seed, meter=ComputeMeter(), device=device)
    _seed_everything(spec.seed, "prepare")
    with ctx.meter as setup:
        strategy.prepare(ctx)
    if done:
        strategy.load_state(state)
    learnt = [record for record in store.records() if record["event"] == "learn"]
    spent = Spent(sum(r["flops"] for r in learnt), sum(r["seconds"] for r in learnt))
    if not done:
        spent = Spent(setup.spent_flops, setup.spent_seconds)
    for index, task in enumerate(tasks[done:], start=done):
        may = cap(spec, backbone, tasks, index, spent)
        ctx.meter = ComputeMeter(flops=may.flops, seconds=may.seconds, device=device)
        ctx.dense_flops = dense_flops(backbone, task.num_classes, spec.setting.size)
        ctx.said = _told_at_most_once_a_second(task.name, index, len(tasks), tell)
        records = _learn(strategy, task, index, ctx, setup if index == 0 else None, spec)
        if index == 0:
            records[-1]["prepared"] = ctx.prepared
        if index == len(tasks) - 1 and strategy.shares_weights:
            split = Split(spec.setting.scoring)
            again: list[Record] = []
            for earlier in tasks[:-1]:
                again += evaluate(strategy, earlier, split, ctx, after=task.name)
                ctx.said(1.0)
            records = [*records[:-1], *again, records[-1]]
        store.commit(index, strategy.state(), records)
        mine = Spent(records[-1]["flops"], records[-1]["seconds"])
        # The first task's record holds what was spent before the stream, which is in `spent` already.
        spent = mine if index == 0 else Spent(spent.flops + mine.flops, spent.seconds + mine.seconds)
        score = next((r["value"] for r in records if r["event"] == "eval"), None)
        tell(Told(task=task.name, index=index, tasks=len(tasks), record=records[-1], score=score))


def _learn(
    strategy: Strategy, task: Task, index: int, ctx: Context, setup: ComputeMeter | None, spec: RunSpec
) -> list[Record]:
    """The records of one task: its ``eval`` lines, then its ``learn`` line."""
    meter, device = ctx.meter, ctx.device
    _seed_everything(spec.seed, task.name)
    begin_peak(device)
    cpu = time.process_time()
    try:
        with meter:
            strategy.learn(task.for_learning(), ctx)
        _check_spent(meter, task)
        status = TaskStatus(meter.stopped or meter.exhausted or TaskStatus.DONE)
    except Infeasible:
        status = TaskStatus.INFEASIBLE
    except Diverged:
        status = TaskStatus.DIVERGED
    cpu = time.process_time() - cpu
    records: list[Record] = []
    free = ComputeMeter(device=device)
    split = Split(spec.setting.scoring)
    delay = None
    if status is not TaskStatus.INFEASIBLE:
        with free:
            records = evaluate(strategy, task, split, ctx, after=task.name)
        # Metered apart: flops_evaluate over n is what a prediction costs.
        ctx.meter = ComputeMeter(device=device)
        with ctx.meter:
            records += evaluate_before(strategy, task, split, ctx)
        delay = latency(strategy, task, split, ctx)
    ledger = meter.ledger()
    for phase in COST_PHASES:
        ledger[f"flops_{phase}"] += setup.flops[phase] if setup else 0
        ledger[f"seconds_{phase}"] += setup.seconds[phase] if setup else 0
    ledger["flops"] += setup.spent_flops if setup else 0
    ledger["seconds"] += setup.spent_seconds if setup else 0
    ledger["flops_evaluate"], ledger["seconds_evaluate"] = free.spent_flops, free.spent_seconds
    records.append(
        {
            "event": "learn",
            "task": task.name,
            "index": index,
            "status": status,
            **{key: number(value) for key, value in ledger.items()},
            "setup_flops": number(setup.spent_flops if setup else 0),
            "budget_flops": number(meter.flops_budget),
            "cpu_seconds": cpu,
            "steps": meter.steps,
            "examples": meter.examples,
            "parameters": _parameters(strategy),
            "peak_bytes": peak_bytes(device),
            "latency_seconds": delay,
        }
    )
    return records


def _check_spent(meter: ComputeMeter, task: Task) -> None:
    """Refuse what was learnt with more than the budget and one step of FLOPs."""
    a_step = meter.spent_flops / meter.steps if meter.steps else 0.0
    # A millionth for the rounding of sums.
    if meter.spent_flops > (meter.flops_budget + a_step) * (1 + 1e-6):
        raise Overspent(
            f"task {task.name!r} was learnt with {meter.spent_flops:.4g} FLOPs, its budget is "
            f"{meter.flops_budget:.4g}; loops over ctx.batches end in time, others ask ctx.meter.exhausted"
        )


def _parameters(strategy: Strategy) -> int:
    """Parameters of the net that predicts: the modules the strategy holds as attributes, each tensor once."""
    seen = {
        id(p): p.numel() for held in vars(strategy).values() if isinstance(held, nn.Module) for p in held.parameters()
    }
    return sum(seen.values())


def _seed_everything(seed: int, *names: object) -> None:
    """For code that draws from global generators, such as dropout: anew for each task, so that resuming agrees."""
    torch.manual_seed(named_seed(seed, *names, "torch"))
    np.random.seed(named_seed(seed, *names, "numpy") % 2**32)
    random.seed(named_seed(seed, *names, "python"))


def _told_at_most_once_a_second(task: str, index: int, tasks: int, tell: Tell) -> Callable[[float], None]:
    last = time.monotonic()

    def said(share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= 1:
            last = time.monotonic()
            tell(Told(task=task, index=index, tasks=tasks, share=share))

    return said


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
