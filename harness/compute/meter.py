"""What has a run spent, in which phase, and may it go on? Everything done under a meter is counted.

The meter watches every operation. A loop that repeats one step is counted once, for real, and then multiplied; a real
step is counted again now and then, and a difference ends the run.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from harness.compute.clock import Clock, clock_of
from harness.compute.flops import Counter, flops_forward, flops_train
from harness.compute.ledger import COST_PHASES, FREE, Ledger, charged
from harness.compute.ledger import CostPhase as CostPhase
from harness.compute.threads import Threads

Resource = Literal["flops", "seconds"]
RECOUNT_EVERY = 100


class BudgetExhausted(Exception):
    """A step was begun after the budget was gone."""


class MeterError(RuntimeError):
    """A recounted step did not cost what the steps before it were charged."""


@dataclass
class Price:
    """What one example costs in a step that is repeated: expected at first, measured with the first real step.

    Attributes:
        recount: whether a real step is counted again now and then.
    """

    flops: float
    recount: bool = True
    measured: bool = False
    steps: int = 0

    @property
    def due(self) -> bool:
        return not self.measured or (self.recount and self.steps % RECOUNT_EVERY == 0)

    def settle(self, flops: float) -> None:
        if self.measured and not math.isclose(flops, self.flops, rel_tol=1e-6):
            raise MeterError(
                f"a step that cost {self.flops:.6g} FLOPs an example now costs {flops:.6g}: its net, input shape or "
                "trainable set changed inside one loop; begin a new loop, or leave out net= to count each step"
            )
        self.flops, self.measured = flops, True


class ComputeMeter:
    """Counts FLOPs and seconds by phase, against a budget.

    Args:
        flops, seconds: what may be spent in all phases but ``evaluate``, which is free.
        clock: tells the seconds; by default that of ``device``.

    Inside ``with meter:`` every operation is charged to the current phase, ``train`` unless :meth:`phase` says other.
    """

    def __init__(
        self, *, flops: float = math.inf, seconds: float = math.inf, device: str = "cpu", clock: Clock | None = None
    ) -> None:
        self.flops_budget = flops
        self.seconds_budget = seconds
        self.flops: dict[CostPhase, float] = dict.fromkeys(COST_PHASES, 0)
        self.seconds: dict[CostPhase, float] = dict.fromkeys(COST_PHASES, 0.0)
        self.steps = 0
        self.examples = 0
        self.stopped: Resource | None = None
        """The resource that made a loop end before its work was done."""
        self._clock = clock or clock_of(device)
        self._phase: CostPhase = "train"
        self._counter: Counter | None = None
        self._threads = Threads()
        self._by_threads = 0.0
        self._since = math.nan

    # What was spent, and what is left.

    @property
    def spent_flops(self) -> float:
        """FLOPs charged so far, over all phases but ``evaluate``."""
        self._settle()
        return charged(self.flops)

    @property
    def spent_seconds(self) -> float:
        """Wall seconds so far, over all phases but ``evaluate``; on a GPU, of what it is known to have done."""
        self._read_clock()
        return charged(self.seconds)

    @property
    def remaining_flops(self) -> float:
        return max(0.0, self.flops_budget - self.spent_flops)

    @property
    def remaining_seconds(self) -> float:
        return max(0.0, self.seconds_budget - self.spent_seconds) if self.seconds_budget < math.inf else math.inf

    @property
    def exhausted(self) -> Resource | None:
        """The resource that ran out."""
        if self.spent_flops >= self.flops_budget:
            return "flops"
        if self.seconds_budget < math.inf and self.spent_seconds >= self.seconds_budget:
            return "seconds"
        return None

    def affordable(self, flops_each: float) -> int | float:
        """How many examples at ``flops_each`` the budget still pays for; ``inf`` if it has no limit in FLOPs."""
        if self.remaining_seconds <= 0:
            return 0
        # Rounding of float sums must not cost the last example.
        return math.inf if self.flops_budget == math.inf else int(self.remaining_flops / flops_each * (1 + 1e-12))

    # Charging.

    def __enter__(self) -> "ComputeMeter":
        self._since = self._clock.now(wait=True)
        self._threads.__enter__()
        self._resume()
        return self

    def __exit__(self, *_: Any) -> None:
        self._settle()
        self._read_clock(wait=True)
        # An exception may leave a loop in the middle of a step that is not watched: the end of that comes later.
        if self._counter is not None:
            self._pause()
        self._threads.__exit__()
        self._since = math.nan

    @contextmanager
    def phase(self, name: CostPhase) -> Iterator[None]:
        """Charge what is done inside to phase ``name``."""
        if name not in COST_PHASES or name == FREE:
            allowed = ", ".join(phase for phase in COST_PHASES if phase != FREE)
            raise ValueError(f"no chargeable phase {name!r}; expected one of {allowed}")
        self._settle()
        self._read_clock(wait=True)
        before, self._phase = self._phase, name
        try:
            yield
        finally:
            self._settle()
            self._read_clock(wait=True)
            self._phase = before

    def charge(self, flops: float) -> None:
        """Charge work that is not tensor operations to the current phase, by its formula."""
        if not (math.isfinite(flops) and flops >= 0):
            raise ValueError(f"cannot charge {flops} FLOPs")
        self.flops[self._phase] += flops

    def price(self, net: nn.Module, shape: tuple[int, ...]) -> Price:
        """What one example of ``shape`` (without the batch) is expected to cost ``net`` in the current phase.

        Forward and backward for the trainable parameters in ``train`` and ``search``; elsewhere forward only.
        """
        count = flops_train if self._phase in ("train", "search") else flops_forward
        with self.unmetered():
            return Price(count(net, 2, *shape) / 2)

    @contextmanager
    def step(self, price: Price | None, examples: int) -> Iterator[None]:
        """One step over ``examples``: counted for real where ``price`` is None or due, else charged by ``price``.

        Raises:
            BudgetExhausted: the budget of FLOPs was gone before the step began.
        """
        # Seconds go by between a loop's own check and this one: only FLOPs tell a step that should not have begun.
        if self.spent_flops >= self.flops_budget:
            raise BudgetExhausted("the budget of FLOPs is spent; loops over ctx.batches end by themselves")
        if price is None or price.due:
            # What threads compute comes when it comes, and is charged as it is: never part of a price.
            before = self.spent_flops - self._by_threads
            yield
            if price is not None:
                price.settle((self.spent_flops - self._by_threads - before) / examples)
        else:
            with self.unmetered():
                yield
            self.charge(price.flops * examples)
        if price is not None:
            price.steps += 1
        self.steps += 1
        self.examples += examples

    @contextmanager
    def unmetered(self) -> Iterator[None]:
        """Stop watching operations: their cost is known and charged by who calls this, or is none."""
        if self._counter is None:
            yield
            return
        self._settle()
        self._pause()
        try:
            yield
        finally:
            if self._counter is None and not math.isnan(self._since):
                self._resume()

    def ledger(self) -> Ledger:
        """What was spent up to now."""
        self._settle()
        self._read_clock(wait=True)
        return Ledger(dict(self.flops), dict(self.seconds))

    def absorb(self, other: "ComputeMeter", *, phase: CostPhase | None = None) -> None:
        """Charge what ``other`` counted while this one was not watching: to ``phase``, or where it was spent.

        Its seconds have passed here as well, and stand here already.
        """
        for spent_in, flops in other.flops.items():
            if spent_in != FREE and flops:
                with self.phase(phase or spent_in):
                    self.charge(flops)
        self.steps += other.steps
        self.examples += other.examples

    # Watching.

    def _read_clock(self, *, wait: bool = False) -> None:
        # Waiting for a device at every step would slow what is measured; between phases it keeps their seconds apart.
        if not math.isnan(self._since):
            now = self._clock.now(wait=wait)
            self.seconds[self._phase] += now - self._since
            self._since = now

    def _settle(self) -> None:
        if self._counter is not None and self._counter.flops:
            self.flops[self._phase] += self._counter.flops
            self._counter.flops = 0
        if self._threads.flops:
            flops = self._threads.take()
            self._by_threads += flops
            self.flops[self._phase] += flops

    def _resume(self) -> None:
        self._counter = Counter()
        self._counter.__enter__()  # type: ignore[no-untyped-call]

    def _pause(self) -> None:
        assert self._counter is not None
        self._counter.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        self._counter = None
