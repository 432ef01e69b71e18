"""How is nothing finished ever lost? A run's folder: claimed by one process, committed one task at a time, resumed."""

import fcntl
import hashlib
import json
import os
import pickle
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import UserError
from harness.records import Record, RunStatus, line_of, read_log

_UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, LookupError, EOFError)


class Busy(Exception):
    """Another process is on this run right now."""


class Resume(NamedTuple):
    """Where to go on.

    Attributes:
        done: tasks that are committed.
        state: what the strategy gave after the last of them.
        note: one line for the person watching, where something was damaged.
    """

    done: int
    state: Mapping[str, Any]
    note: str | None


class RunStore:
    """The folder of one run: ``run.json``, ``events.jsonl``, ``state-<n>.pt``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events = folder / "events.jsonl"
        self.manifest = folder / "run.json"

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the run for this process; the system lets go when the process ends, however it ends.

        Raises:
            Busy: another process holds it.
            UserError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(f"cannot write results to {self.folder}: {error.strerror}") from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy(str(self.folder)) from error
            yield
        finally:
            os.close(lock)

    def describe(self) -> dict[str, Any]:
        """``run.json``; empty where it is missing or damaged: it is then written anew."""
        try:
            content = json.loads(self.manifest.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def status(self) -> RunStatus | None:
        """How the run stands by its manifest; None if it was never begun."""
        try:
            return RunStatus(str(self.describe().get("status")))
        except ValueError:
            return None

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Write ``run.json`` first: status running, one more attempt."""
        before = self.describe()
        attempts = before.get("attempts", 0)
        started = before.get("started") or facts.get("started")
        self._write({**facts, "started": started, "attempts": attempts + 1, "status": RunStatus.RUNNING, "error": None})

    def finish(self, status: RunStatus, *, finished: str, error: str | None = None) -> None:
        """Say in ``run.json`` how the run ended."""
        self._write({**self.describe(), "status": status, "error": error, "finished": finished})

    def resume(self) -> Resume:
        """Find the last committed task and cut away all that came after it.

        A state that is missing or damaged restarts the run from its first task.
        """
        log = read_log(self.events)
        done = sum(record["event"] == "learn" for record in log.records)
        note = f"{log.damage}: going on from task {done + 1}" if log.damage else None
        state: Mapping[str, Any] = {}
        length = log.length
        if done:
            try:
                state = self._load(done - 1)
            except (
                OSError,
                RuntimeError,
                ValueError,
                TypeError,
                LookupError,
                EOFError,
                pickle.UnpicklingError,
            ) as error:
                reason = "is missing" if isinstance(error, FileNotFoundError) else "is damaged"
                note = f"{self.folder}: state-{done - 1}.pt {reason}: starting this run again"
                done, length, state = 0, 0, {}
        if self.events.exists() and self.events.stat().st_size != length:
            with self.events.open("rb+") as file:
                file.truncate(length)
                os.fsync(file.fileno())
        self._drop_states(keep=done - 1)
        return Resume(done, state, note)

    def commit(self, index: int, state: Mapping[str, Any], records: Iterable[Record]) -> None:
        """Make task ``index`` (from 0) done.

        State before events: a crash between the two repeats the task from the state before it, still on disk.
        """
        self._save(index, state)
        with self.events.open("ab") as file:
            file.write("".join(map(line_of, records)).encode())
            file.flush()
            os.fsync(file.fileno())
        self._drop_states(keep=index)

    def records(self) -> list[Record]:
        """All records of committed tasks."""
        return read_log(self.events).records

    def _save(self, index: int, state: Mapping[str, Any]) -> None:
        import torch

        target = self.folder / f"state-{index}.pt"
        with _beside(target) as file:
            # Torch does not check what it reads back, so the content carries its own digest.
            torch.save({"state": dict(state), "sha256": _digest(state)}, file)

    def _load(self, index: int) -> Mapping[str, Any]:
        import torch

        saved = torch.load(self.folder / f"state-{index}.pt", weights_only=True)
        if saved["sha256"] != _digest(saved["state"]):
            raise ValueError("the digest does not match")
        state: Mapping[str, Any] = saved["state"]
        return state

    def _drop_states(self, *, keep: int) -> None:
        for path in self.folder.glob("state-*.pt"):
            if path.name != f"state-{keep}.pt":
                path.unlink(missing_ok=True)

    def _write(self, content: Mapping[str, Any]) -> None:
        with _beside(self.manifest) as file:
            file.write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def _digest(value: Any) -> str:
    """SHA-256 of a state's content: structure, dtypes, shapes and bytes, not how tensors lie in memory."""
    import torch

    found = hashlib.sha256()

    def add(item: Any) -> None:
        if isinstance(item, torch.Tensor):
            found.update(f"{item.dtype}{tuple(item.shape)}".encode())
            found.update(item.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        elif isinstance(item, Mapping):
            found.update(f"{{{len(item)}".encode())
            for key, held in item.items():
                add(key)
                add(held)
        elif isinstance(item, (list, tuple)):
            found.update(f"[{len(item)}".encode())
            for held in item:
                add(held)
        else:
            found.update(f"{type(item).__name__} {item!r};".encode())

    add(value)
    return found.hexdigest()


@contextmanager
def _beside(target: Path) -> Iterator[Any]:
    """Write a whole file or nothing: beside, sync, rename."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
