"""How is only a part of a task's budget spent, on a trial or a stage? Under a meter of its own, charged as one sum."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from harness.compute.ledger import CostPhase
from harness.compute.meter import ComputeMeter
from harness.learning.context import Context


@contextmanager
def stretch(
    ctx: Context, *, flops: float = math.inf, seconds: float = math.inf, phase: CostPhase | None = None
) -> Iterator[Context]:
    """A context like ``ctx`` whose meter may spend ``flops`` and ``seconds``: loops in it have a full schedule.

    What it spent is charged to ``ctx``, to ``phase`` or, where that is None, to the phases it was spent in; also where
    the stretch ends in an exception.
    """
    meter = ComputeMeter(flops=flops, seconds=seconds, device=ctx.device)
    try:
        # The meter of the stretch sees every operation; two that watch would charge it twice.
        with ctx.meter.unmetered(), meter:
            # How a trial went is its own: only trainings whose net is used are told of.
            yield replace(ctx, meter=meter, whole=ctx.task_meter, trainings=ctx.trainings if phase is None else [])
    finally:
        ctx.meter.absorb(meter, phase=phase)
