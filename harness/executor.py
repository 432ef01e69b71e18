"""How are many runs carried out on one machine? A process each, so that a dying run takes no other with it."""

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.records import RunStatus
from harness.spec import RunSpec
from harness.store import Busy, RunStore

if TYPE_CHECKING:
    from harness.runner import Told


@dataclass(frozen=True)
class Outcome:
    """How a run ended here. ``busy``: another runner is on it."""

    spec: RunSpec
    status: RunStatus | None
    reason: str = ""

    @property
    def busy(self) -> bool:
        return self.status is None


class Watch(Protocol):
    """Who looks on while runs go."""

    def began(self, spec: RunSpec) -> None: ...
    def told(self, spec: RunSpec, told: "Told") -> None: ...
    def ended(self, outcome: Outcome) -> None: ...


@dataclass
class _Worker:
    process: BaseProcess
    spec: RunSpec
    pipe: Connection
    last: str = ""


def missing(specs: Iterable[RunSpec], out: Path, *, retry_failed: bool) -> list[RunSpec]:
    """The runs that are not done below ``out``; failed ones only where they are to be tried again."""
    settled = {RunStatus.DONE} if retry_failed else {RunStatus.DONE, RunStatus.FAILED}
    return [spec for spec in specs if RunStore(out / spec.folder).status() not in settled]


def run_all(specs: Sequence[RunSpec], out: Path, *, jobs: int, watch: Watch, device: str = "cpu") -> list[Outcome]:
    """Carry out ``specs``, ``jobs`` at a time, one thread each.

    Raises:
        KeyboardInterrupt: after every worker has been told to leave and has left.
    """
    _one_thread_a_process()
    context = multiprocessing.get_context("forkserver")
    # What this process had to import to plan the runs, their processes need too: it is imported once, in the process
    # that they are forked from.
    packages = sorted(name for name in sys.modules if name.isidentifier() and not name.startswith("_"))
    context.set_forkserver_preload(["harness.worker", *packages])
    waiting, active, outcomes = deque(specs), list[_Worker](), list[Outcome]()

    def end(worker: _Worker) -> None:
        worker.process.join()
        outcome = _outcome(worker, out)
        outcomes.append(outcome)
        watch.ended(outcome)

    try:
        while waiting or active:
            while waiting and len(active) < jobs:
                active.append(_start(context, waiting.popleft(), out, device))
                watch.began(active[-1].spec)
            wait([handle for worker in active for handle in (worker.pipe, worker.process.sentinel)])
            for worker in list(active):
                # The pipe is emptied after the end was seen, so that no last word is lost.
                alive = worker.process.is_alive()
                _listen(worker, watch)
                if not alive:
                    active.remove(worker)
                    end(worker)
    except KeyboardInterrupt:
        for worker in active:
            worker.process.terminate()
        for worker in active:
            worker.process.join(timeout=20)
            if worker.process.is_alive():
                worker.process.kill()
        raise
    return outcomes


def _start(context: ForkServerContext, spec: RunSpec, out: Path, device: str) -> _Worker:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(spec, out, device, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, spec, ours)


def _work(spec: RunSpec, out: Path, device: str, parent: Connection) -> None:
    from harness.worker import work

    work(spec, out, device, parent)


def _listen(worker: _Worker, watch: Watch) -> None:
    try:
        while worker.pipe.poll():
            message = worker.pipe.recv()
            if isinstance(message, str):
                worker.last = message
            else:
                watch.told(worker.spec, message)
    except (EOFError, OSError):
        return


def _outcome(worker: _Worker, out: Path) -> Outcome:
    worker.pipe.close()
    if worker.last == "done":
        return Outcome(worker.spec, RunStatus.DONE)
    if worker.last == "busy":
        return Outcome(worker.spec, None, "another runner is on it")
    if worker.last.startswith("failed: "):
        return Outcome(worker.spec, RunStatus.FAILED, worker.last.removeprefix("failed: "))
    return Outcome(worker.spec, RunStatus.FAILED, _died(worker, out))


def _died(worker: _Worker, out: Path) -> str:
    """Say in the run's folder that its process ended without a word."""
    code = worker.process.exitcode or 0
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}"
    hint = "; out of memory?" if code == -signal.SIGKILL else ""
    reason = f"the process {how} without saying why{hint}"
    store = RunStore(out / worker.spec.folder)
    try:
        with store.claim():
            if store.status() is not RunStatus.DONE:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                store.finish(RunStatus.FAILED, finished=now, error=f"{reason}; see output.log")
    except (Busy, OSError) as error:
        return f"{reason}; and its folder could not be marked: {error}"
    return reason


def _one_thread_a_process() -> None:
    """Processes share the cores better than threads do; and one thread makes results repeat."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    # Huge pages for large tensors; torch reads it when it is imported.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
