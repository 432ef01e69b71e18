"""How are many runs carried out on one machine? A process each, so that a dying run takes no other with it."""

import math
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import NoReturn, Protocol

from harness.core.errors import UserError
from harness.core.schema import RunStatus
from harness.core.spec import RunSpec
from harness.running.messages import GRACE, LEFT, PRELOAD, Message
from harness.storage.disk import CannotWrite
from harness.storage.run_folder import Busy, RunFolder

PATIENCE = 1800.0
"""Seconds without a message after which a run counts as hanging. A loop over batches sends a message each second; an
exact transport plan of a large net, or a plugin's own loop, sends none before it ends."""

LOG_BYTES = 1 << 20
"""``output.log`` keeps so many bytes of its beginning, and between half as many and as many of its end."""

SOCKET_FOLDER = 70
"""Bytes of a temporary folder's path at most: with what multiprocessing adds, a socket's has to stay under 104."""

_TICK = 1.0


@dataclass(frozen=True)
class Outcome:
    """How a run ended here."""

    spec: RunSpec
    status: RunStatus
    reason: str = ""


class Watch(Protocol):
    """What is told of runs while they go on: it prints lines, draws bars, or takes notes in a test."""

    def began(self, spec: RunSpec) -> None: ...
    def received(self, spec: RunSpec, message: Message) -> None: ...
    def ended(self, outcome: Outcome) -> None: ...


@dataclass
class _Worker:
    process: BaseProcess
    spec: RunSpec
    pipe: Connection
    last: str = ""
    hung: bool = False
    last_message_at: float = field(default_factory=time.monotonic)


def missing(specs: Iterable[RunSpec], out: Path, *, retry_failed: bool) -> list[RunSpec]:
    """The runs that are not done below ``out``; failed ones only where they are to be tried again."""
    settled = {RunStatus.DONE} if retry_failed else {RunStatus.DONE, RunStatus.FAILED}
    return [spec for spec in specs if RunFolder(out / spec.folder).status() not in settled]


def warm(modules: Iterable[str] = ()) -> ForkServerContext:
    """Begin the process that runs are forked from; it imports what they need, ``modules`` too, while we go on.

    A second call changes nothing.
    """
    _one_thread_a_process()
    os.environ[PRELOAD] = " ".join(modules)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["harness.running.preload"])
    _short_socket_path()
    forkserver.ensure_running()
    return context


def _short_socket_path() -> None:
    """Let the socket of the forking process lie in ``/tmp`` where its path would else be too long for the system.

    Raises:
        UserError: nothing can be written there either.
    """
    usual = tempfile.gettempdir()
    if len(os.fsencode(usual)) <= SOCKET_FOLDER:
        return
    tempfile.tempdir = "/tmp"
    try:
        get_temp_dir()  # Made once, and removed when the program ends.
    except OSError as error:
        raise UserError(
            f"the temporary folder {usual} has a path of more than {SOCKET_FOLDER} bytes, too long for a socket, and "
            f"/tmp is no way out ({error}); set TMPDIR to a folder with a shorter path"
        ) from error
    finally:
        tempfile.tempdir = usual


def run_all(
    specs: Sequence[RunSpec],
    out: Path,
    *,
    jobs: int,
    watch: Watch,
    device: str = "cpu",
    retry_failed: bool = False,
    patience: float = PATIENCE,
) -> list[Outcome]:
    """Carry out ``specs``, ``jobs`` at a time, one thread each.

    A run on which another runner works is left for later; if that runner dies, this one takes the run over.

    Args:
        patience: seconds without a message after which a run counts as hanging; a budget in seconds is added to it.

    Raises:
        KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP, after every worker has been told to leave and has left.
    """
    context = warm()
    waiting, later, begun = deque(specs), list[RunSpec](), set[str]()
    active, outcomes = list[_Worker](), list[Outcome]()
    with _signals_interrupt(), _memo_for(specs) as memo:
        try:
            while waiting or active or later:
                if not waiting and len(active) < jobs:
                    waiting.extend(spec for spec in later if RunFolder(out / spec.folder).free())
                    later = [spec for spec in later if spec not in waiting]
                while waiting and len(active) < jobs:
                    spec = waiting.popleft()
                    # A run that failed in another runner while we waited is not tried again.
                    again = retry_failed and spec.key not in begun
                    if spec.key not in begun:
                        watch.began(spec)
                        begun.add(spec.key)
                    active.append(_start(context, spec, out, device, again, memo))
                wait([handle for worker in active for handle in (worker.pipe, worker.process.sentinel)], timeout=_TICK)
                for worker in list(active):
                    # Read the pipe only after checking for the end, so that the last message is not lost.
                    alive = worker.process.is_alive()
                    _listen(worker, watch)
                    _bound(out / worker.spec.folder / "output.log")
                    if alive:
                        _stop_if_hung(worker, patience)
                        continue
                    active.remove(worker)
                    outcome = _ended(worker, out)
                    if outcome is None:
                        later.append(worker.spec)
                    else:
                        outcomes.append(outcome)
                        watch.ended(outcome)
        except KeyboardInterrupt:
            for worker in active:
                worker.process.terminate()
            for worker in active:
                worker.process.join(timeout=GRACE)
                _kill(worker)
            raise
    return outcomes


def _start(
    context: ForkServerContext, spec: RunSpec, out: Path, device: str, retry_failed: bool, memo: Path | None
) -> _Worker:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(spec, out, device, retry_failed, memo, theirs), daemon=True)
    with without_main():
        process.start()
    theirs.close()
    return _Worker(process, spec, ours)


@contextmanager
def without_main() -> Iterator[None]:
    """Hide the script or notebook that started the runs: else each new process would execute it again."""
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _work(spec: RunSpec, out: Path, device: str, retry_failed: bool, memo: Path | None, parent: Connection) -> None:
    from harness.running.worker import work

    work(spec, out, device, retry_failed, memo, parent)


def _listen(worker: _Worker, watch: Watch) -> None:
    try:
        while worker.pipe.poll():
            message = worker.pipe.recv()
            worker.last_message_at = time.monotonic()
            if isinstance(message, str):
                worker.last = message
            else:
                watch.received(worker.spec, message)
    except (EOFError, OSError):
        return


def _stop_if_hung(worker: _Worker, patience: float) -> None:
    """After ``patience`` ask the worker for the place where it hangs; if it still does not leave, kill it."""
    silent = time.monotonic() - worker.last_message_at
    if worker.last or worker.hung:
        if silent > GRACE:
            _kill(worker)
        return
    budget = worker.spec.budget.seconds
    if silent > patience + (budget if math.isfinite(budget) else 0):
        worker.hung, worker.last_message_at = True, time.monotonic()
        with suppress(ProcessLookupError):
            os.kill(_pid(worker), signal.SIGUSR1)


def _kill(worker: _Worker) -> None:
    """End a worker and all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(_pid(worker), signal.SIGKILL)
    worker.process.kill()


def _pid(worker: _Worker) -> int:
    assert worker.process.pid is not None, "it was started"
    return worker.process.pid


def _bound(log: Path) -> None:
    """Cut the middle out of an ``output.log`` that has grown too long; its process goes on writing at the end."""
    try:
        length = log.stat().st_size
        if length <= 2 * LOG_BYTES:
            return
        with log.open("rb") as file:
            file.seek(length - LOG_BYTES // 2)
            end = file.read()
        os.truncate(log, LOG_BYTES)
        with log.open("ab") as file:
            file.write(b"\n[... the middle was cut out: a log keeps its beginning and its end ...]\n" + end)
    except OSError:
        return


def _ended(worker: _Worker, out: Path) -> Outcome | None:
    """How a worker that has left ended; None where another runner is on its run."""
    worker.process.join()
    # Processes that a plugin started end with its run; else they would hold the run's lock.
    _kill(worker)
    worker.pipe.close()
    if worker.last == "done":
        return Outcome(worker.spec, RunStatus.DONE)
    if worker.last == "busy":
        return None
    if worker.last:
        return Outcome(worker.spec, RunStatus.FAILED, worker.last.removeprefix("failed: "))
    if worker.process.exitcode == LEFT:
        return Outcome(worker.spec, RunStatus.INTERRUPTED, "was told to leave; the same command goes on from there")
    return Outcome(worker.spec, RunStatus.FAILED, _died(worker, out))


def _died(worker: _Worker, out: Path) -> str:
    """Record in the run's folder that its process ended without giving a reason."""
    code = worker.process.exitcode or 0
    if worker.hung:
        reason = "it sent no message for too long (--patience), did not leave when told to, and was killed"
    else:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}"
        hint = "; out of memory?" if code == -signal.SIGKILL else ""
        reason = f"the process {how} without saying why{hint}"
    store = RunFolder(out / worker.spec.folder)
    try:
        # A process that was killed a moment ago may still be on its way out.
        with store.claim(wait=5):
            if store.status() is not RunStatus.DONE:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                store.finish(RunStatus.FAILED, finished=now, error=f"{reason}; see output.log")
    except (Busy, UserError, CannotWrite) as error:
        return f"{reason}; and its folder could not be marked: {error}"
    return reason


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP mean what Ctrl-C means, where nobody has given them another meaning."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signals = [s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        signals = []
    for each in signals:
        signal.signal(each, interrupt)
    try:
        yield
    finally:
        for each in signals:
            signal.signal(each, signal.SIG_DFL)


@contextmanager
def _memo_for(specs: Sequence[RunSpec]) -> Iterator[Path | None]:
    """The folder in which these runs share what they compute, removed when they end; one run alone needs none."""
    if len(specs) < 2:
        yield None
        return
    with TemporaryDirectory(prefix="nevis-harness-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _one_thread_a_process() -> None:
    """Processes share the cores better than threads do; and one thread makes results repeat."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    # Huge pages for large tensors; torch reads it when it is imported.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
