"""Who counts what a plugin's processes compute? Nobody can: there, what costs something is refused by name.

A process that is forked inherits the counter, which refuses by itself; one that is begun anew (``spawn``,
``forkserver``) gets one that does. Worker processes that read and prepare images are free to work.
"""

from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

_plain_start = BaseProcess.start


class Processes:
    """Inside the context, processes begun by :mod:`multiprocessing` refuse operations that cost something."""

    def __enter__(self) -> "Processes":
        if not _watching:
            BaseProcess.start = _start  # type: ignore[method-assign, assignment]
        _watching.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _watching.remove(self)
        if not _watching:
            BaseProcess.start = _plain_start  # type: ignore[method-assign]


_watching: list[Processes] = []


class _Refusing:
    """``run`` of a process under a counter that takes itself to be in another; it goes to the process with it."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self.run = run

    def __call__(self) -> None:
        from harness.compute.flops import Counter

        counter = Counter()
        counter._process = 0
        with counter:
            self.run()


def _start(process: BaseProcess) -> None:
    process.run = _Refusing(process.run)  # type: ignore[method-assign]
    _plain_start(process)
