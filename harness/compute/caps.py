"""What may each task of a run spend? Its budget in FLOPs and seconds, priced by the dense net with the task's head."""

from functools import cache
from typing import NamedTuple

import torch
from torch import nn

from harness.compute.backbone import Backbone, Classifier, zero_head
from harness.compute.flops import flops_train
from harness.config.registry import make
from harness.core.spec import RunSpec
from harness.core.stream import Stream
from harness.core.task import Phase, Split, Task


class Spent(NamedTuple):
    """FLOPs and wall seconds, all phases but ``evaluate``."""

    flops: float
    seconds: float


def scored_tasks(stream: Stream, spec: RunSpec) -> list[Task]:
    """The tasks a run meets: held-out ones only when the test split is scored."""
    return [task for task in stream if spec.setting.scoring == "test" or task.phase is Phase.DEVELOPMENT]


def cap(spec: RunSpec, backbone: Backbone, tasks: list[Task], index: int, spent: Spent) -> Spent:
    """What task ``index`` may spend.

    A budget for the stream is shared out in proportion to one epoch of each task that is still to come, so what a
    task leaves over goes to those after it.
    """
    budget, size = spec.budget, spec.setting.size
    if budget.scope == "task":
        dense, images = dense_flops(backbone, tasks[index].num_classes, size), tasks[index].sizes[Split.TRAIN]
        return Spent(budget.flops_for(dense_flops=dense, images=images), budget.seconds)
    epoch = [dense_flops(backbone, task.num_classes, size) * task.sizes[Split.TRAIN] for task in tasks]
    flops = min(budget.flops, budget.epochs * sum(epoch)) - spent.flops
    share = epoch[index] / sum(epoch[index:])
    return Spent(max(0.0, flops) * share, max(0.0, budget.seconds - spent.seconds) * share)


def caps(spec: RunSpec, backbone: Backbone, tasks: list[Task]) -> list[Spent]:
    """What each task may spend, where every task before it spent all it could."""
    found: list[Spent] = []
    for index in range(len(tasks)):
        spent = Spent(sum(one.flops for one in found), sum(one.seconds for one in found))
        found.append(cap(spec, backbone, tasks, index, spent))
    return found


@cache
def _body_for_counting(backbone: str) -> nn.Module:
    maker: Backbone = make("backbones", backbone)
    with torch.random.fork_rng(devices=[]):
        return maker.build(pretrained=False)


@cache
def _dense_flops(backbone: str, width: int, classes: int, size: int) -> float:
    return flops_train(Classifier(_body_for_counting(backbone), zero_head(width, classes)), 2, 3, size, size) / 2


def dense_flops(backbone: Backbone, classes: int, size: int) -> float:
    """Training FLOPs an image of the dense net with a head of ``classes``: what ``1ep`` is made of."""
    return _dense_flops(backbone.name, backbone.num_features, classes, size)
