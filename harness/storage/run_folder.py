"""How is nothing finished ever lost? A run's folder: claimed by one process, committed one task at a time, resumed."""

import fcntl
import hashlib
import io
import json
import os
import pickle
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from harness.core.digest import digest
from harness.core.errors import UserError
from harness.core.schema import Record, RunStatus
from harness.storage import disk
from harness.storage.records import line_of, read_log

_UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, LookupError, EOFError, pickle.UnpicklingError)

EACH = "tasks"
"""What a state holds under this name is a list that only grows: what later tasks need of each task before."""


class Busy(Exception):
    """Another process is on this run right now."""


class Resume(NamedTuple):
    """Where to go on.

    Attributes:
        done: tasks that are committed.
        state: what the strategy gave after the last of them; empty where no task is left.
        note: one line for the person watching, where something was damaged.
    """

    done: int
    state: Mapping[str, Any]
    note: str | None


class RunFolder:
    """The folder of one run: ``run.json``, ``events.jsonl``, ``state-<n>.pt``, and ``task-<i>.pt`` where needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events = folder / "events.jsonl"
        self.manifest = folder / "run.json"
        self._written = 0
        self._length: int | None = None
        """Bytes of ``events.jsonl`` that are committed; None until :meth:`resume` has looked."""

    @contextmanager
    def claim(self, *, wait: float = 0) -> Iterator[None]:
        """Hold the run for this process; the system lets go when the process ends, however it ends.

        Args:
            wait: seconds to wait for a holder that is about to end.

        Raises:
            Busy: another process holds it; the message says which.
            UserError: the folder cannot be written, or its file system has no locks.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(f"cannot write results to {self.folder}: {error.strerror}") from error
        try:
            self._lock(lock, until=time.monotonic() + wait)
            # For people only: the lock is what holds, whatever the file says.
            with suppress(OSError):
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
            yield
        finally:
            os.close(lock)

    def _lock(self, lock: int, *, until: float) -> None:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    holder = os.pread(lock, 200, 0).decode(errors="replace").strip()
                    raise Busy(holder or "another process") from error
                time.sleep(0.05)
            except OSError as error:
                raise UserError(
                    f"{self.folder}: its file system has no locks ({error.strerror}), so two runners could do one run "
                    "at once; mount it with flock, or choose another folder with --out"
                ) from error

    def free(self) -> bool:
        """Whether nobody holds the run at this moment. Only asks: a run that was never begun is not begun by this."""
        try:
            lock = os.open(self.folder / "lock", os.O_RDWR)
        except FileNotFoundError:
            return True
        except OSError as error:
            raise UserError(f"cannot open {self.folder / 'lock'}: {error.strerror}") from error
        try:
            self._lock(lock, until=0)
        except Busy:
            return False
        finally:
            os.close(lock)
        return True

    def describe(self) -> dict[str, Any]:
        """``run.json``; empty where it is missing or damaged: it is then written anew."""
        try:
            content = json.loads(self.manifest.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def status(self) -> RunStatus | None:
        """How the run stands by its manifest; None if it was never begun.

        A run that was done, but whose events are not those it ended with any more, counts as running.
        """
        content = self.describe()
        try:
            status = RunStatus(str(content.get("status")))
        except ValueError:
            return None
        sealed = content.get("events_sha256")
        broken = status is RunStatus.DONE and sealed is not None and sealed != self._seal()
        return RunStatus.RUNNING if broken else status

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Write ``run.json`` first: status running, one more attempt."""
        before = self.describe()
        attempts = before.get("attempts")
        attempts = attempts + 1 if isinstance(attempts, int) else 1
        started = before.get("started") or facts.get("started")
        self._write({**facts, "started": started, "attempts": attempts, "status": RunStatus.RUNNING, "error": None})

    def finish(self, status: RunStatus, *, finished: str, error: str | None = None) -> None:
        """Say in ``run.json`` how the run ended; with the checksum of its events, once they are all there."""
        content = {**self.describe(), "status": status, "error": error, "finished": finished}
        self._write(content | ({"events_sha256": self._seal()} if status is RunStatus.DONE else {}))
        if status is RunStatus.DONE:
            self._drop_tasks(keep=0)

    def resume(self, *, tasks: int, resumable: bool = True) -> Resume:
        """Find the last committed of ``tasks`` tasks and cut away all that came after it.

        A state that is missing or damaged, or a part of it, restarts the run from its first task; so does a strategy
        that has none.
        """
        log = read_log(self.events)
        done = sum(record["event"] == "learn" for record in log.records)
        notes = [f"{log.damage}: going on from task {done + 1}"] if log.damage else []
        state: Mapping[str, Any] = {}
        length = log.length
        # Where every task is committed, none is left to need the state.
        if 0 < done < tasks and not resumable:
            notes.append(f"{self.folder}: this strategy cannot go on in the middle: starting this run again")
            done, length = 0, 0
        elif 0 < done < tasks:
            try:
                state = self._load(done - 1)
            except ValueError as error:
                notes.append(f"{self.folder}: {error}: starting this run again")
                done, length, state = 0, 0, {}
        if self.events.exists() and self.events.stat().st_size != length:
            disk.cut(self.events, length)
        self._length = length
        self._written = len(state.get(EACH, ()))
        self._tidy(keep=done - 1)
        self._drop_tasks(keep=self._written)
        return Resume(done, state, "; ".join(notes) or None)

    def commit(self, index: int, state: Mapping[str, Any], records: Iterable[Record]) -> None:
        """Make task ``index`` (from 0) done.

        State before events: a crash between the two repeats the task from the state before it, still on disk. Of what
        the state holds under :data:`EACH`, a list that only grows, each entry is written once.

        Raises:
            Busy: another process wrote to this run although we hold it: locks of this file system do not reach it.
            CannotWrite: the disk did not take it; the task is not done.
            TypeError: the state holds what could not be read back safely.
        """
        assert self._length is not None, "resume says where to go on: call it before commit"
        self._save(index, state)
        if self._size() != self._length:
            raise Busy("another process, which this file system's locks do not keep out,")
        content = "".join(map(line_of, records)).encode()
        disk.append(self.events, content)
        self._length += len(content)
        self._written = len(state.get(EACH, ()))
        self._tidy(keep=index)

    def records(self) -> list[Record]:
        """All records of committed tasks."""
        return read_log(self.events).records

    def _save(self, index: int, state: Mapping[str, Any]) -> None:
        rest = dict(state)
        if EACH in rest:
            for number, entry in enumerate(rest[EACH][self._written :], start=self._written):
                self._put(f"task-{number}.pt", entry)
            rest[EACH] = len(rest[EACH])
        self._put(f"state-{index}.pt", rest)

    def _load(self, index: int) -> Mapping[str, Any]:
        """What :meth:`_save` was given.

        Raises:
            ValueError: a file of it is missing or damaged; the message says which.
        """
        state: dict[str, Any] = self._get(f"state-{index}.pt")
        if EACH in state:
            state[EACH] = [self._get(f"task-{number}.pt") for number in range(state[EACH])]
        return state

    def _put(self, name: str, value: Any) -> None:
        import torch

        # Torch does not check what it reads back, so the content carries its own digest.
        content = io.BytesIO()
        torch.save({"state": value, "sha256": digest(value)}, content)
        disk.whole(self.folder / name, content.getvalue())

    def _get(self, name: str) -> Any:
        import torch

        try:
            saved = torch.load(self.folder / name, weights_only=True)
            sound = saved["sha256"] == digest(saved["state"])
        except FileNotFoundError as error:
            raise ValueError(f"{name} is missing") from error
        except _UNREADABLE as error:
            raise ValueError(f"{name} is damaged") from error
        if not sound:
            raise ValueError(f"{name} is damaged")
        return saved["state"]

    def _drop_tasks(self, *, keep: int) -> None:
        for path in self.folder.glob("task-*.pt"):
            number = path.stem.removeprefix("task-")
            if not number.isdecimal() or int(number) >= keep:
                disk.remove(path)

    def _tidy(self, *, keep: int) -> None:
        """Remove the states before ``keep``, and what a killed process left half written."""
        for path in [*self.folder.glob("state-*.pt"), *self.folder.glob(".*.tmp")]:
            if path.name != f"state-{keep}.pt":
                disk.remove(path)

    def _write(self, content: Mapping[str, Any]) -> None:
        disk.whole(self.manifest, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())

    def _size(self) -> int:
        return self.events.stat().st_size if self.events.exists() else 0

    def _seal(self) -> str | None:
        try:
            return hashlib.sha256(self.events.read_bytes()).hexdigest()
        except OSError:
            return None
