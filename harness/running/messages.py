"""What do the processes of runs say to each other? How far a run is, and by what word or code it left."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.core.schema import LearnRecord

GRACE = 20.0
"""Seconds that a process which was told to leave has until it is killed."""

LEFT = 143
"""Exit code of a worker that was told to leave: 128 and SIGTERM."""

PRELOAD = "NEVIS_HARNESS_PRELOAD"
"""Tells :mod:`harness.running.preload` the modules of the suite."""


@dataclass(frozen=True)
class Message:
    """What a run says while it goes: a task ended, or (``record`` None) how far the current one is.

    Attributes:
        task, index, tasks: the current task, its place from 0, and how many there are.
        share: of the current task's budget that is spent.
        record: what the task that ended has cost.
        error: of that task: top-1 error, or 1 - mean average precision; None where it was not scored.
        note: a line for the person watching.
    """

    task: str
    index: int
    tasks: int
    share: float = 1.0
    record: LearnRecord | None = None
    error: float | None = None
    note: str | None = None


Listener = Callable[[Message], None]


class Leave(SystemExit):
    """This process was told to go: what it was doing is interrupted, not failed."""
