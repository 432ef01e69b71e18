"""Which earlier task is most like this one? That whose net tells this task's classes apart best, by nearest neighbours.

NEVIS'22's dynamic learner (arXiv 2211.11747): a 5-nearest-neighbour classifier on the features of each candidate, two
thirds of the images its examples and one third its questions. Other than there, the pretrained net is a candidate
too, batch norm keeps its running statistics, and all of it is charged, to the phase ``search``.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from harness.core.seeding import numpy_generator
from harness.core.task import Examples, Split, Task
from harness.learning.batches import Features, stratified
from harness.learning.context import Context
from harness.learning.evaluation import mean_average_precision
from strategies.learners.heads import indicators

NEIGHBORS = 5
MOST = 15_000
"""Images that NEVIS'22 embeds at most."""
LEAST = 45
"""With fewer images no candidate is tried."""


def start_nearest(
    body: nn.Module, learnt: Sequence[Mapping[str, Tensor]], task: Task, ctx: Context, *, share: float, reserve: float
) -> None:
    """Give ``body`` the weights, its own or one of ``learnt``, whose features suit ``task`` best.

    Where ``share`` of the budget does not pay for trying all of them on enough images, only the latest are tried; on a
    tie its own are kept. ``reserve`` FLOPs are not touched.
    """
    meter, train, dev = ctx.meter, task.load(Split.TRAIN), task.load(Split.DEV)
    flops = min(share * meter.remaining_flops, meter.remaining_flops - reserve)
    until = (1 - share) * meter.remaining_seconds
    with meter.phase("extract"):
        each = meter.price(body, ctx.shape(train)).flops
    tried = int(min(len(learnt), flops / (each * max(LEAST, 3 * task.num_classes // 2)) - 1))
    if tried < 1:
        return
    images = int(min(MOST, flops / (each * (tried + 1))))
    shown, asked = _some(train, 2 * images // 3, task, ctx), _some(dev, images // 3, task, ctx)
    own: Mapping[str, Tensor] = {name: value.clone() for name, value in body.state_dict().items()}
    best, chosen = -1.0, own
    with meter.phase("search"):
        for weights in (own, *reversed(learnt[-tried:])):
            if meter.remaining_seconds < until:
                break
            body.load_state_dict(weights)
            score = neighbour_score(_features(body, shown, ctx), _features(body, asked, ctx), task, ctx.device)
            if score > best:
                best, chosen = score, weights
    body.load_state_dict(chosen)


def neighbour_score(shown: Features, asked: Features, task: Task, device: str) -> float:
    """Accuracy, or mean average precision, of the vote of the five nearest of ``shown``, by Euclidean distance."""
    known, x = shown.values, asked.values
    distance = known.square().sum(dim=1) - 2 * x @ known.T  # And the length of x, which orders nothing.
    near = distance.topk(min(NEIGHBORS, len(known)), dim=1, largest=False).indices
    votes = indicators(shown, task, device)[near].mean(dim=1).cpu().numpy()
    if asked.labels.ndim == 2:
        return mean_average_precision(votes, asked.labels)
    return float((votes.argmax(axis=1) == asked.labels).mean())


def _some(data: Examples, count: int, task: Task, ctx: Context) -> Examples:
    return data[np.sort(stratified(data.labels, count, numpy_generator(ctx.seed, task.name, "nearest")))]


def _features(body: nn.Module, data: Examples, ctx: Context) -> Features:
    body.eval()
    with torch.inference_mode(), ctx.autocast():
        parts = [body(ctx.inputs(data, slice(i, i + 128))).float() for i in range(0, len(data), 128)]
    return Features(torch.cat(parts), data.labels)
