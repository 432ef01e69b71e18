"""What does a process do that was started for one run? Carry it out, tell its parent, and keep its noise in a file."""

import faulthandler
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import torch

# The first optimiser step would import it in every process; here it is imported once, before they are forked.
import torch._dynamo

from harness.compute.memory import keep_freed_memory
from harness.config.blame import blamed
from harness.core.schema import RunStatus
from harness.core.spec import RunSpec
from harness.running.messages import GRACE, LEFT, Leave, Message
from harness.running.runner import run
from harness.storage.memo import use_folder
from harness.storage.run_folder import Busy


class Hung(BaseException):
    """The parent heard nothing for too long. Not an Exception, so that a plugin's ``except`` does not eat it."""


def work(spec: RunSpec, out: Path, device: str, retry_failed: bool, memo: Path | None, parent: Connection) -> None:
    """Run ``spec``; send each :class:`Message`, and last one word: ``done``, ``busy`` or ``failed: <reason>``.

    Args:
        memo: the folder in which the runs of this suite share what they compute; None for one run alone.
    """
    _listen_to_signals(memo)
    torch.set_num_threads(1)
    keep_freed_memory()
    use_folder(memo)

    def send(message: Any) -> None:
        try:
            parent.send(message)
        except (BrokenPipeError, ConnectionResetError):
            # Without a parent nobody waits for the answer; what is committed stays.
            raise Leave(1) from None

    try:
        _quieten(out / spec.folder)
        status = run(spec, out, device=device, listener=send, retry_failed=retry_failed)
    except Busy as error:
        note = f"{spec.folder}: {error} is on it; coming back to it later"
        send(Message(task="", index=0, tasks=1, share=0.0, note=note))
        send("busy")
    except Leave:
        raise
    except BaseException as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        place = blamed(error, spec.strategy)
        send(f"failed: {reason[:300]}{f' ({place})' if place else ''}")
        raise SystemExit(1) from None
    else:
        send("done" if status is RunStatus.DONE else "failed: with another runner")


def _listen_to_signals(memo: Path | None) -> None:
    """Leave on SIGTERM, and when the parent dies; show where we are on SIGUSR1, which says that we hang."""
    # A group of our own: the parent ends with us whatever a plugin has started.
    os.setpgid(0, 0)
    # It is the parent that ends us where it leaves; a daemon by name could have no children, as data loaders have.
    multiprocessing.current_process().daemon = False
    # Ctrl-C reaches every process of the terminal: the parent decides, and says so with SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGUSR1, _hung)
    faulthandler.enable()
    threading.Thread(target=_leave_with_parent, args=(memo,), daemon=True).start()


def _leave_with_parent(memo: Path | None) -> None:
    """Leave where the parent dies without a word: another runner may be waiting for this run."""
    parent = parent_process()
    assert parent is not None, "a worker is somebody's child"
    parent.join()
    if memo is not None:
        shutil.rmtree(memo, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)


def _leave(*_: object) -> NoReturn:
    raise Leave(LEFT)


def _hung(*_: object) -> NoReturn:
    raise Hung("no word for too long (--patience)")


def _quieten(folder: Path) -> None:
    """Send what a strategy prints to ``output.log`` of its run."""
    folder.mkdir(parents=True, exist_ok=True)
    log = os.open(folder / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        # Whoever started us may have closed it.
        if stream is not None:
            stream.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    if log > 2:
        os.close(log)
