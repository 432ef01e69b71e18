"""How are many runs carried out on a cluster? As Ray tasks, each of which is a local runner for one run on its node.

What a run is made of, isolation, watchdog, claim and commit included, is therefore what it is on one machine, and so
are its events. Results go to a folder that all nodes share; progress is read from there.
"""

import logging
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import UserError
from harness.core.schema import LearnRecord, RunStatus, parse_record, score_of
from harness.core.spec import RunSpec
from harness.running.executor import PATIENCE, Outcome, Watch, run_all
from harness.storage.run_folder import Busy, RunFolder

if TYPE_CHECKING:
    from harness.running.messages import Message

RETRIES = 3
"""How often a run begins again elsewhere after its node or process was lost."""

_POLL = 1.0


class _Silent:
    """Nobody watches on the node: the driver reads the shared folder."""

    def began(self, spec: RunSpec) -> None: ...
    def received(self, spec: RunSpec, message: "Message") -> None: ...
    def ended(self, outcome: Outcome) -> None: ...


def _carry_out(spec: RunSpec, out: Path, device: str, retry_failed: bool, patience: float, path: list[str]) -> Outcome:
    """On a node: one run, as ``harness run --jobs 1`` would do it."""
    # Plugins are found where the driver finds them, on a file system that all nodes share.
    sys.path += [place for place in path if place not in sys.path]
    (outcome,) = run_all(
        [spec], out, jobs=1, watch=_Silent(), device=device, retry_failed=retry_failed, patience=patience
    )
    return outcome


def run_on_ray(
    specs: Sequence[RunSpec],
    out: Path,
    *,
    jobs: int | None,
    watch: Watch,
    device: str = "cpu",
    cpus: float = 1.0,
    gpus: float = 0.0,
    retry_failed: bool = False,
    patience: float = PATIENCE,
) -> list[Outcome]:
    """Carry out ``specs`` on the Ray cluster of ``RAY_ADDRESS``, or on a local one that is started for it.

    Args:
        jobs: runs at a time; as many as the cluster has room for if None.
        cpus, gpus: what a run takes of its node; 0.25 GPUs put four runs on one.

    Raises:
        UserError: Ray is not installed, the cluster cannot be reached, or it never has room for a run.
        KeyboardInterrupt: after every run was told to leave.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise UserError("--executor ray needs the package 'ray': pip install 'nevis-harness[cluster]'") from error
    if not ray.is_initialized():
        try:
            ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.WARNING)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UserError(f"cannot reach the Ray cluster {os.environ.get('RAY_ADDRESS', '')}: {error}") from error
    cluster: Any = ray
    _check_room(cluster.cluster_resources(), cpus, gpus)
    task = cluster.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(_carry_out)
    out = out.resolve()
    waiting, outcomes = deque(specs), list[Outcome]()
    active: dict[Any, _Seen] = {}
    try:
        while waiting or active:
            room = jobs or _room(cluster.cluster_resources(), cpus, gpus)
            while waiting and len(active) < room:
                spec = waiting.popleft()
                active[task.remote(spec, out, device, retry_failed, patience, sys.path)] = _Seen(spec, out, watch)
            ended, _ = cluster.wait(list(active), timeout=_POLL)
            for seen in active.values():
                seen.look()
            for reference in ended:
                seen = active.pop(reference)
                try:
                    outcome = ray.get(reference)
                except ray.exceptions.RayError as error:
                    outcome = _lost(seen.spec, out, f"{type(error).__name__} after {RETRIES} retries")
                outcome = _visible(outcome, out)
                outcomes.append(outcome)
                watch.ended(outcome)
    except KeyboardInterrupt:
        for reference in active:
            ray.cancel(reference)
        ray.wait(list(active), num_returns=len(active), timeout=60)
        raise
    return outcomes


class _Seen:
    """What was already told of a run that goes on elsewhere."""

    def __init__(self, spec: RunSpec, out: Path, watch: Watch) -> None:
        self.spec = spec
        self.store = RunFolder(out / spec.folder)
        self.watch = watch
        self.tasks = sum(record["event"] == "learn" for record in self.store.records())
        watch.began(spec)

    def look(self) -> None:
        """Tell of the tasks that were committed since the last look."""
        from harness.running.messages import Message

        records = [parse_record(record) for record in self.store.records()]
        learnt = [record for record in records if isinstance(record, LearnRecord)]
        total = max(len(self.store.describe().get("tasks", [])), len(learnt))
        for record in learnt[self.tasks :]:
            own = score_of(records, record.task)
            message = Message(
                task=record.task, index=record.index, tasks=total, record=record, error=own.error if own else None
            )
            self.watch.received(self.spec, message)
        self.tasks = len(learnt)


def _room(resources: dict[str, float], cpus: float, gpus: float) -> int:
    rooms = [resources.get(name, 0.0) / share for name, share in (("CPU", cpus), ("GPU", gpus)) if share]
    return max(1, int(min(rooms))) if rooms else 1


def _check_room(resources: dict[str, float], cpus: float, gpus: float) -> None:
    for name, share in (("CPU", cpus), ("GPU", gpus)):
        if share > resources.get(name, 0.0):
            raise UserError(
                f"a run takes {share:g} {name}, the Ray cluster has {resources.get(name, 0.0):g} in all; "
                f"change --{name.lower()}s or add nodes"
            )


def _lost(spec: RunSpec, out: Path, reason: str) -> Outcome:
    store = RunFolder(out / spec.folder)
    try:
        with store.claim():
            if store.status() is not RunStatus.DONE:
                store.finish(RunStatus.FAILED, finished=datetime.now(UTC).isoformat(timespec="seconds"), error=reason)
    except Busy:
        return Outcome(spec, RunStatus.INTERRUPTED, f"{reason}; another runner is on it")
    return Outcome(spec, RunStatus.FAILED, reason)


def _visible(outcome: Outcome, out: Path) -> Outcome:
    """A run that is done must be seen to be done from here."""
    store = RunFolder(out / outcome.spec.folder)
    # A network file system may show it some seconds later.
    for _ in range(10):
        if outcome.status is not RunStatus.DONE or store.status() is RunStatus.DONE:
            return outcome
        time.sleep(1)
    reason = f"its node says it is done, but {store.folder} here does not: choose an --out that all nodes share"
    return Outcome(outcome.spec, RunStatus.FAILED, reason)
