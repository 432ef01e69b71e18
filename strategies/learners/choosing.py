"""Which weights does a task keep? Those that training ends with, those it starts from, or their average.

A start that was solved in closed form is hard to beat on few noisy images, and training may lose it: dev tells, where
the budget pays for asking.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.core.seeding import numpy_generator
from harness.core.task import Examples, Kind, Split, Task
from harness.learning.batches import loss_of, targets
from harness.learning.context import Context
from harness.learning.evaluation import mean_average_precision
from harness.learning.recipe import Choice, Settled
from harness.learning.training import Diverged
from harness.learning.watch import Trained
from strategies.learners.stretch import stretch
from strategies.learners.timing import forward_seconds

SHARE = 0.1
"""Share of a task's budget that asking dev may cost."""

LEAST = 64
"""Dev images that each candidate is asked at least, or all where there are fewer: where these are too dear, none is."""

CANDIDATES: tuple[Choice, ...] = ("end", "average", "start")

RISE = 1.5
"""A training whose loss was, in any step, more than so many times that of its first steps lost more than it gained. Of
1.05, 1.2, 1.5, 2 and 3, the largest that is as good as the best on the tasks of ``python -m bench.recipes.unasked``."""


Train = Callable[[nn.Module, Context], nn.Module]
"""A net and a context with the budget of its training to the trained net, usually the same object."""


def trained(net: nn.Module, train: Train, data: Examples, task: Task, ctx: Context, recipe: Settled) -> nn.Module:
    """What ``train`` makes of ``net`` with the budget that is left, with the weights that ``recipe`` chooses.

    Whose weights they are is told by the last of ``ctx.trainings`` as well.

    Raises:
        Diverged: the loss is no finite number any more, and the start is not what is chosen.
        ValueError: start and end are nets of different shapes, of which no mean can be taken.
    """
    if recipe.choose == "end":
        return train(net, ctx)
    asked = _asked(net, data, task, ctx) if recipe.choose == "dev" else 0
    choice = recipe.choose_else if recipe.choose == "dev" else recipe.choose
    before = len(ctx.trainings)
    if not asked and choice == "start":
        return net.eval()  # Nothing that training would give is used.
    start, end = {name: value.clone() for name, value in net.state_dict().items()}, net
    try:
        if asked:
            with ctx.meter.phase("validate"):
                each = ctx.meter.price(net, ctx.shape(data)).flops
            flops = ctx.meter.remaining_flops - len(CANDIDATES) * asked * each
            with stretch(ctx, flops=flops, seconds=(1 - SHARE) * ctx.meter.remaining_seconds) as part:
                end = train(net, part)
            choice = _best_on_dev(_alike(end, start), start, asked, task, ctx)
        else:
            end = train(net, ctx)
            if choice == "steady":
                choice = steady(ctx.trainings[before:], recipe)
    except Diverged:
        if not asked and choice != "steady":
            raise
        choice = "start"
    _alike(end, start).load_state_dict(weights_of(choice, start, end.state_dict()))
    if ctx.trainings:
        ctx.trainings[-1] = replace(ctx.trainings[-1], chosen=choice)
    return end


def steady(trainings: Sequence[Trained], recipe: Settled) -> Choice:
    """The average; where the loss rose, the start; the end where the start knows nothing, as no head was solved."""
    if recipe.head_init == "zero":
        return "end"
    rose = any(one.diverged or one.loss_max > RISE * one.loss_first for one in trainings)
    return "start" if rose else "average"


def _alike(end: nn.Module, start: Mapping[str, Tensor]) -> nn.Module:
    if {name: value.shape for name, value in end.state_dict().items()} != {n: v.shape for n, v in start.items()}:
        raise ValueError("training made a net of another shape, so that nothing can be chosen; say choose=end")
    return end


def weights_of(choice: Choice, start: Mapping[str, Tensor], end: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict that ``choice`` names; of what is no floating number the average takes the end."""
    if choice == "average":
        return {name: (start[name] + value) / 2 if value.is_floating_point() else value for name, value in end.items()}
    return dict(start if choice == "start" else end)


def score_on(net: Callable[[Tensor], Tensor], data: Examples, task: Task, ctx: Context) -> tuple[float, float]:
    """Accuracy or mean average precision of ``net`` on ``data``, and minus the loss, which decides between equals."""
    with torch.inference_mode(), ctx.autocast():
        parts = [slice(start, start + 128) for start in range(0, len(data), 128)]
        logits = torch.cat([net(ctx.inputs(data, part)) for part in parts]).float().cpu()
    if not bool(logits.isfinite().all()):
        return -1.0, -math.inf
    loss = float(loss_of(logits, targets(data.labels, "cpu")))
    if task.kind is Kind.MULTILABEL:
        return mean_average_precision(logits.numpy(), data.labels), -loss
    return float((logits.argmax(dim=1).numpy() == data.labels).mean()), -loss


def _asked(net: nn.Module, data: Examples, task: Task, ctx: Context) -> int:
    """Dev images that each candidate is asked, which all together cost a tenth of the budget; 0 where it is too few."""
    meter, dev = ctx.meter, task.sizes.get(Split.DEV) or len(task.load(Split.DEV))
    with meter.phase("validate"):
        each = meter.price(net, ctx.shape(data)).flops
        paid = SHARE * min(meter.flops_budget, meter.remaining_flops / SHARE) / (len(CANDIDATES) * each)
        if meter.seconds_budget < math.inf:
            paid = min(paid, SHARE * meter.remaining_seconds / (len(CANDIDATES) * forward_seconds(net, ctx)))
    count = int(min(dev, paid))
    # One image, or a budget that is all but gone, leaves nothing to train with.
    return count if count >= min(dev, LEAST) and len(CANDIDATES) * count * each < meter.remaining_flops / 2 else 0


def _best_on_dev(net: nn.Module, start: Mapping[str, Tensor], asked: int, task: Task, ctx: Context) -> Choice:
    dev, end = task.load(Split.DEV), {name: value.clone() for name, value in net.state_dict().items()}
    some = np.sort(numpy_generator(ctx.seed, task.name, "choose").permutation(len(dev))[:asked])
    scores: dict[Choice, Any] = {}
    with ctx.meter.phase("validate"):
        for choice in CANDIDATES:
            net.load_state_dict(weights_of(choice, start, end))
            scores[choice] = score_on(net, dev[some], task, ctx)
    net.load_state_dict(end)
    return max(CANDIDATES, key=lambda choice: scores[choice])
