"""Seconds on a device are told by events that it passes; asking for them makes nobody wait, but at the end."""

import math
from collections.abc import Callable

import pytest
import torch

from harness.compute.clock import EventClock, HostClock, clock_of
from harness.compute.meter import ComputeMeter


class Device:
    """Work that is given out at once and done later, in milliseconds of the device's own time."""

    def __init__(self) -> None:
        self.given, self.done, self.waits = 0.0, 0.0, 0

    def event(self) -> "Event":
        return Event(self)

    def drain(self) -> None:
        self.waits += 1
        self.done = max(self.done, self.given)


class Event:
    def __init__(self, device: Device) -> None:
        self.device, self.at = device, math.nan

    def record(self) -> None:
        self.at = self.device.given

    def query(self) -> bool:
        return self.at <= self.device.done

    def synchronize(self) -> None:
        if not self.query():
            self.device.waits += 1
            self.device.done = self.at

    def elapsed_time(self, end_event: "Event") -> float:
        assert self.query()
        assert end_event.query(), "a device tells the time of what it has passed only"
        return end_event.at - self.at


def test_time_that_is_asked_for_between_is_that_of_what_is_done() -> None:
    device = Device()
    clock = EventClock(device.event, device.drain)
    begun = clock.now(wait=True)
    device.given = 500
    assert clock.now() - begun == 0
    device.done = 500
    device.given = 800
    assert clock.now() - begun == pytest.approx(0.5)
    assert device.waits == 1
    assert clock.now(wait=True) - begun == pytest.approx(0.8)


def test_the_host_runs_ahead_by_a_few_events_only() -> None:
    device = Device()
    clock = EventClock(device.event, device.drain, ahead=3)
    clock.now(wait=True)
    for step in range(1, 11):
        device.given = 100.0 * step
        seen = clock.now()
        assert device.given - device.done <= 300
    assert seen == pytest.approx(0.7)


def test_a_budget_of_seconds_ends_a_few_steps_after_the_device_has_spent_it() -> None:
    device = Device()
    meter = ComputeMeter(seconds=2.0, clock=EventClock(device.event, device.drain, ahead=4))
    steps = 0
    with meter:
        while not meter.exhausted:
            with meter.step(None, 1):
                device.given += 100
            steps += 1
    assert 20 <= steps <= 25
    assert meter.spent_seconds == pytest.approx(steps / 10)


def test_phases_share_the_time_as_the_device_has_spent_it() -> None:
    device = Device()
    meter = ComputeMeter(clock=EventClock(device.event, device.drain))
    with meter:
        device.given += 1000
        with meter.phase("extract"):
            device.given += 250
        device.given += 500
    assert meter.seconds["train"] == pytest.approx(1.5)
    assert meter.seconds["extract"] == pytest.approx(0.25)


def test_a_loop_that_spends_flops_asks_the_device_for_nothing() -> None:
    device = Device()
    meter = ComputeMeter(flops=1e6, clock=EventClock(device.event, device.drain))
    a, before = torch.ones(4, 4), 0
    with meter:
        before = device.waits
        for _ in range(20):
            assert meter.exhausted is None
            with meter.step(None, 1):
                a @ a
                device.given += 10
        assert device.waits == before
    assert meter.spent_seconds == pytest.approx(0.2)


def test_a_processor_has_the_clock_of_the_host() -> None:
    clock: Callable[..., float] = clock_of("cpu").now
    assert isinstance(clock_of("cpu"), HostClock)
    assert clock() <= clock(wait=True)
