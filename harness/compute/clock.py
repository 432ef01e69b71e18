"""How much time has passed where the work is done? On a processor its clock tells; on a GPU, events on its way.

A processor gives out work to a GPU and runs ahead of it: its own clock says when work was given out, not when it was
done, and asking it after a synchronisation would leave the GPU idle at every step.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import torch

AHEAD = 8
"""Times asked for that may lie ahead of the device. Whoever asks once a step is at most so many steps early in noticing
that a budget of seconds is spent, and the device never runs dry."""


class Clock(Protocol):
    def now(self, *, wait: bool = False) -> float:
        """Seconds since some beginning; with ``wait`` after all work that was given out is done."""


class Event(Protocol):
    """As :class:`torch.cuda.Event` with timing."""

    def record(self) -> None: ...
    def query(self) -> bool: ...
    def synchronize(self) -> None: ...
    def elapsed_time(self, end_event: Any) -> float: ...


class HostClock:
    """Work on a processor is done when it has been given out."""

    def now(self, *, wait: bool = False) -> float:
        return time.perf_counter()


class EventClock:
    """Asks the device when it was where. Without waiting, its time is that of the last event that it has passed.

    Args:
        event: makes an event; times between two of them are in milliseconds.
        drain: waits for everything on the device, on whatever stream.
    """

    def __init__(self, event: Callable[[], Event], drain: Callable[[], None], *, ahead: int = AHEAD) -> None:
        self._event, self._drain, self.ahead = event, drain, ahead
        self._pending: deque[Event] = deque()
        self._last: Event | None = None
        self._seconds = 0.0

    def now(self, *, wait: bool = False) -> float:
        if wait:
            self._drain()
        mark = self._event()
        mark.record()
        self._pending.append(mark)
        while self._pending and (wait or len(self._pending) > self.ahead or self._pending[0].query()):
            passed = self._pending.popleft()
            passed.synchronize()
            if self._last is not None:
                self._seconds += self._last.elapsed_time(passed) / 1000
            self._last = passed
        return self._seconds


def clock_of(device: str) -> Clock:
    """The clock of work on ``device``."""
    if torch.device(device).type == "cuda":
        return EventClock(lambda: torch.cuda.Event(enable_timing=True), torch.cuda.synchronize)
    return HostClock()
