"""What did a plugin start of which nobody counts an operation? The interpreter tells of every process and thread."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PROCESSES = {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"}
_THREADS = {"_thread.start_new_thread", "_thread.start_joinable_thread"}

_listening: list[list[str]] = []
_added = False


@contextmanager
def watching_starts() -> Iterator[list[str]]:
    """Inside, adds a sentence for each program, and for each thread that :class:`threading.Thread` knows nothing of.

    Worker processes of :mod:`multiprocessing` are none of these: there, what costs something is refused.
    """
    global _added
    if not _added:
        # Once a process: such a hook cannot be taken off again.
        sys.addaudithook(_hear)
        _added = True
    found: list[str] = []
    _listening.append(found)
    try:
        yield found
    finally:
        _listening.remove(found)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _listening:
        return
    if event in _PROCESSES:
        what = arguments[1] if event == "subprocess.Popen" else arguments[0]
        text = " ".join(map(str, what)) if isinstance(what, (list, tuple)) else str(what)
        _listening[-1].append(f"started a program, in which nobody counts what is computed: {text[:80]}")
    if event in _THREADS and not isinstance(getattr(arguments[0], "__self__", None), threading.Thread):
        _listening[-1].append("started a thread in which nobody counts what is computed; use threading.Thread")
