"""Who counts what a plugin's threads compute? Torch's modes end at a thread: each new one gets a counter of its own.

Threads that begin while somebody watches are counted for as long as they live, each operation for who watches then.
"""

import threading
from collections.abc import Callable
from typing import Any

from harness.compute.flops import Counter


class Threads:
    """Inside the context, ``flops`` grows by what threads other than this one compute.

    Where several are active, the innermost gets it: it stands for those around it.
    """

    def __init__(self) -> None:
        self.flops = 0.0

    def __enter__(self) -> "Threads":
        if not _watching:
            threading.Thread.start = _start  # type: ignore[method-assign, assignment]
        _watching.append(self)
        return self

    def take(self) -> float:
        """The FLOPs counted since this was last asked for."""
        with _lock:
            flops, self.flops = self.flops, 0.0
        return flops

    def __exit__(self, *_: object) -> None:
        _watching.remove(self)
        if not _watching:
            threading.Thread.start = _plain_start  # type: ignore[method-assign]


_watching: list[Threads] = []
_lock = threading.Lock()
_plain_start = threading.Thread.start


class _InThread(Counter):
    """Hands on what it counts at once: who watches may change while the thread lives."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if self.flops:
            with _lock:
                if _watching:
                    _watching[-1].flops += self.flops
                self.flops = 0.0
        return out


def _start(thread: threading.Thread) -> None:
    # Subclasses have a ``run`` of their own, so it is the thread's own that is wrapped.
    thread.run = _counted(thread.run)  # type: ignore[method-assign]
    _plain_start(thread)


def _counted(run: Callable[[], None]) -> Callable[[], None]:
    def counted() -> None:
        with _InThread():
            run()

    return counted
