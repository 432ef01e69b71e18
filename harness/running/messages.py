"""What do the processes of runs say to each other? How far a run is, and by what word or code it left."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.storage.records import Record

GRACE = 20.0
"""Seconds that a process which was told to leave has until it is killed."""

LEFT = 143
"""Exit code of a worker that was told to leave: 128 and SIGTERM."""

PRELOAD = "NEVIS_HARNESS_PRELOAD"
"""Tells :mod:`harness.running.preload` the modules of the suite."""


@dataclass(frozen=True)
class Told:
    """What a run says while it goes: a task ended, or (``record`` None) how far the current one is."""

    task: str
    index: int
    tasks: int
    share: float = 1.0
    record: Record | None = None
    score: float | None = None
    note: str | None = None


Tell = Callable[[Told], None]


class Leave(SystemExit):
    """This process was told to go: what it was doing is interrupted, not failed."""
