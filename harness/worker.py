"""What does a process do that was started for one run? Carry it out, tell its parent, and keep its noise in a file."""

import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import torch

from harness.memory import keep_freed_memory
from harness.runner import Told, run
from harness.spec import RunSpec
from harness.store import Busy


def work(spec: RunSpec, out: Path, device: str, parent: Connection) -> None:
    """Run ``spec``; send each :class:`Told`, and last one word: ``done``, ``busy`` or ``failed: <reason>``."""
    # Ctrl-C reaches every process of the terminal: the parent decides, and says so with SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    torch.set_num_threads(1)
    keep_freed_memory()

    def send(message: Any) -> None:
        try:
            parent.send(message)
        except (BrokenPipeError, ConnectionResetError):
            # Without a parent nobody waits for the answer; what is committed stays.
            raise SystemExit(1) from None

    def tell(told: Told) -> None:
        send(told)

    _quieten(out / spec.folder)
    try:
        run(spec, out, device=device, tell=tell)
    except Busy:
        send("busy")
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        send(f"failed: {reason[:300]}")
        raise SystemExit(1) from None
    else:
        send("done")


def _leave(*_: object) -> NoReturn:
    raise SystemExit(143)


def _quieten(folder: Path) -> None:
    """Send what a strategy prints to ``output.log`` of its run."""
    folder.mkdir(parents=True, exist_ok=True)
    log = os.open(folder / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
