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

from harness.compute.backbone import Backbone
from harness.compute.caps import Spent, cap, dense_flops, scored_tasks
from harness.compute.device import out_of_memory, settle
from harness.compute.ledger import Ledger
from harness.compute.memory import begin_peak, peak_bytes
from harness.compute.meter import ComputeMeter
from harness.compute.processes import Processes
from harness.compute.threads import Threads
from harness.config.registry import make, make_with_modules
from harness.config.suite import sources
from harness.core.errors import UserError
from harness.core.schema import EvalRecord, LearnRecord, RunStatus, TaskStatus, parse_record, score_of
from harness.core.seeding import named_seed
from harness.core.spec import RunSpec
from harness.core.stream import Stream
from harness.core.task import Split, Task
from harness.learning.context import Context
from harness.learning.evaluation import Scored, evaluate, evaluate_before, latency
from harness.learning.strategy import Infeasible, Strategy, nets
from harness.learning.training import Diverged
from harness.learning.watch import as_recorded
from harness.running.manifest import manifest
from harness.running.messages import Leave, Listener, Message
from harness.storage.disk import CannotWrite
from harness.storage.run_folder import Busy, RunFolder


class Overspent(RuntimeError):
    """A strategy went on computing after its budget was gone."""


class OtherMeter(RuntimeError):
    """A strategy put a meter of its own in the place of ``ctx.meter``."""


def run(
    spec: RunSpec, out: Path, *, device: str = "cpu", listener: Listener = lambda _: None, retry_failed: bool = True
) -> RunStatus:
    """Carry out what is left of ``spec`` below ``out``; what is done is not done again.

    Args:
        listener: hears how far the run is.
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
            # From before its plugin is there: whatever begins is counted for who watches then, or refused.
            with Threads(), Processes():
                try:
                    _run(spec, store, device, listener)
                except torch.OutOfMemoryError as error:
                    raise out_of_memory(device) from error
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


def _run(spec: RunSpec, store: RunFolder, device: str, listener: Listener) -> None:
    stream: Stream = make("streams", spec.stream)
    if stream.fingerprint() != spec.fingerprint:
        raise UserError(
            f"stream {spec.stream} has fingerprint {stream.fingerprint()[:12]}, the plan was made for "
            f"{spec.fingerprint[:12]}: its data changed; plan again"
        )
    strategy: Strategy
    backbone: Backbone
    strategy, makes_strategy = make_with_modules("strategies", spec.strategy)
    backbone, makes_net = make_with_modules("backbones", spec.setting.backbone)
    now = dict(sources(strategy=makes_strategy, backbone=makes_net))
    for what, source in spec.sources:
        if what in now and now[what] != source:
            raise UserError(
                f"the source of the {what} was edited since this run was planned; the same command plans anew"
            )
    tasks = scored_tasks(stream, spec)
    store.begin({**manifest(spec, stream, tasks, backbone), "started": _now(), "finished": None})
    done, state, note = store.resume(tasks=len(tasks), resumable=strategy.resumable)
    if note:
        listener(Message(task=tasks[min(done, len(tasks) - 1)].name, index=done, tasks=len(tasks), note=note))
    if done == len(tasks):
        return
    settle(device)
    setup = ComputeMeter(device=device)
    ctx = Context(backbone=backbone, setting=spec.setting, seed=spec.seed, meter=setup, device=device)
    _seed_everything(spec.seed, "prepare")
    with setup:
        strategy.prepare(ctx)
    if done:
        strategy.load_state(state)
    learnt = [record for record in map(parse_record, store.records()) if isinstance(record, LearnRecord)]
    split = Split(spec.setting.scoring)
    for index, task in enumerate(tasks[done:], start=done):
        may = cap(spec, backbone, tasks, index, _spent(learnt, setup.ledger()))
        # Held here, whatever a strategy makes of the one in its context.
        ctx.meter = meter = ComputeMeter(flops=may.flops, seconds=may.seconds, device=device)
        ctx.dense_flops = dense_flops(backbone, task.num_classes, spec.setting.size)
        ctx.report_progress = _at_most_once_a_second(task.name, index, len(tasks), listener)
        before = Ledger() if index else setup.ledger()
        evals, record = _learn(strategy, task, index, ctx, meter, before, split)
        if index == 0:
            record = record.model_copy(update={"prepared": strategy.body_digest})
        if index == len(tasks) - 1 and strategy.shares_weights:
            for earlier in tasks[:-1]:
                evals += evaluate(strategy, Scored.load(earlier, split), ctx, after=task.name)
                ctx.report_progress(1.0)
        store.commit(index, strategy.state(), [line.record() for line in (*evals, record)])
        learnt.append(record)
        score = score_of(evals, task.name)
        error = score.error if score else None
        listener(Message(task=task.name, index=index, tasks=len(tasks), record=record, error=error))


def _spent(learnt: list[LearnRecord], setup: Ledger) -> Spent:
    """What a run has spent: the record of the first task holds what was spent before the stream, too."""
    if not learnt:
        return Spent(setup.charged_flops, setup.charged_seconds)
    return Spent(sum(record.flops for record in learnt), sum(record.seconds for record in learnt))


def _learn(
    strategy: Strategy, task: Task, index: int, ctx: Context, meter: ComputeMeter, before: Ledger, split: Split
) -> tuple[list[EvalRecord], LearnRecord]:
    """Learn one task under ``meter``: what is measured of it, and what it has cost, ``before`` included."""
    device = ctx.device
    _seed_everything(ctx.seed, task.name)
    begin_peak(device)
    cpu = time.process_time()
    ctx.trainings.clear()
    try:
        with meter:
            strategy.learn(task.for_learning(), ctx)
        _check_spent(meter, task)
        status = TaskStatus(meter.stopped or meter.exhausted or TaskStatus.DONE)
        # A net whose start was kept has not ended above it; its losses are on record all the same.
        if ctx.trainings and ctx.trainings[-1].diverged and ctx.trainings[-1].chosen != "start":
            status = TaskStatus.DIVERGED
    except Infeasible:
        status = TaskStatus.INFEASIBLE
    except Diverged:
        status = TaskStatus.DIVERGED
    cpu = time.process_time() - cpu
    if ctx.meter is not meter:
        raise OtherMeter(
            f"task {task.name!r} was learnt with another meter in ctx.meter than the run's own, which alone knows the "
            "budget; to spend a part of it, hand dataclasses.replace(ctx, meter=...) on and leave ctx as it is"
        )
    evals: list[EvalRecord] = []
    free = ComputeMeter(device=device)
    delay = None
    if status is not TaskStatus.INFEASIBLE:
        scored = Scored.load(task, split)
        with free:
            evals = evaluate(strategy, scored, ctx, after=task.name)
        # Metered apart: flops_evaluate over n is what a prediction costs.
        ctx.meter = ComputeMeter(device=device)
        with ctx.meter:
            evals += evaluate_before(strategy, scored, ctx)
        delay = latency(strategy, scored, ctx)
    record = LearnRecord(
        task=task.name,
        index=index,
        status=status,
        **(before + meter.ledger() + free.ledger().as_evaluation()).fields(),
        setup_flops=before.charged_flops,
        budget_flops=meter.flops_budget,
        cpu_seconds=cpu,
        steps=meter.steps,
        examples=meter.examples,
        parameters=_parameters(strategy),
        peak_bytes=peak_bytes(device),
        latency_seconds=delay,
        **as_recorded(ctx.trainings),
    )
    return evals, record


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
    """Parameters of the net that predicts, each tensor once."""
    seen = {id(p): p.numel() for net in nets(strategy) for p in net.parameters()}
    return sum(seen.values())


def _seed_everything(seed: int, *names: object) -> None:
    """For code that draws from global generators, such as dropout: anew for each task, so that resuming agrees."""
    torch.manual_seed(named_seed(seed, *names, "torch"))
    np.random.seed(named_seed(seed, *names, "numpy") % 2**32)
    random.seed(named_seed(seed, *names, "python"))


def _at_most_once_a_second(task: str, index: int, tasks: int, listener: Listener) -> Callable[[float], None]:
    last = time.monotonic()

    def report(share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= 1:
            last = time.monotonic()
            listener(Message(task=task, index=index, tasks=tasks, share=share))

    return report


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
