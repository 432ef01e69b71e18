"""What is done to a net before it is trained on a task? Its trainable part, its batch norms and its head are set."""

import math
from typing import Literal

import numpy as np
import torch
from torch import nn

from harness.compute.backbone import Classifier
from harness.core.seeding import numpy_generator
from harness.core.task import Examples, Task
from harness.learning.context import Context
from harness.learning.recipe import Recipe, Settled
from harness.learning.strategy import Infeasible
from harness.learning.training import fit
from strategies.learners.heads import ncm_head, ridge_flops_each, ridge_head

Scope = Literal["all", "last_stage", "norm", "head"]

PROBE_EPOCHS = 20.0
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


def limit_to(scope: Scope, body: nn.Module) -> None:
    """Let only a part of ``body`` learn; the head learns always.

    ``last_stage``: the last third of its weights, in the order in which it names them, by whole blocks.
    """
    for parameter in body.parameters():
        parameter.requires_grad_(scope == "all")
    if scope == "norm":
        for module in body.modules():
            if isinstance(module, NORMS):
                for parameter in module.parameters(recurse=False):
                    parameter.requires_grad_(True)
    elif scope == "last_stage":
        for module in last_stage(body):
            for parameter in module.parameters():
                parameter.requires_grad_(True)


def last_stage(body: nn.Module) -> list[nn.Module]:
    """The modules behind the last downsampling, as the net lists them: the last stage of blocks and what follows it."""
    stages: list[nn.Module] = []
    for child in body.children():
        # A list of stages stands for its members; a list of layers inside a stage does not.
        inner = list(child.children())
        stages += (
            inner if isinstance(child, nn.Sequential) and any(len(list(m.children())) > 1 for m in inner) else [child]
        )
    weighty = [i for i, stage in enumerate(stages) if sum(p.numel() for p in stage.parameters()) > 0]
    blocks = [i for i in weighty if len(list(stages[i].modules())) > 3]
    return stages[(blocks or weighty)[-1] :]


def recalibrate(body: nn.Module, data: Examples, ctx: Context, *, images: int, name: str) -> None:
    """Measure all batch-norm statistics anew: means over batches of up to ``images`` images, as far as they are paid.

    Gamma and beta stay (Jordan et al., arXiv 2211.08403).
    """
    norms = [m for m in body.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    if not norms:
        return
    momentum = [norm.momentum for norm in norms]
    with ctx.meter.phase("recalibrate"), torch.no_grad():
        price = ctx.meter.price(body, ctx.shape(data))
        count = int(min(images, len(data), ctx.meter.affordable(price.flops)))
        if count < 2:
            return
        chosen = np.sort(numpy_generator(ctx.seed, name, "recalibrate").permutation(len(data))[:count])
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # A plain mean over batches.
            norm.train()
        for part in np.array_split(chosen, math.ceil(count / 64)):
            inputs = ctx.inputs(data, part)
            with ctx.meter.step(price, len(part)):
                body(inputs)
    for norm, before in zip(norms, momentum, strict=True):
        norm.momentum = before
        norm.eval()


def start_head(net: Classifier, data: Examples, task: Task, ctx: Context, recipe: Settled) -> None:
    """Set the head of ``net`` as ``recipe`` says, from features of as many images as its share of the budget pays for.

    Nothing is done where the head starts at zero, or where fewer images are paid for than there are classes.
    """
    if recipe.head_init == "zero":
        return
    with ctx.meter.phase("extract"):
        each = ctx.meter.price(net.body, ctx.shape(data)).flops
    assert isinstance(net.head, nn.Linear)
    width = net.head.in_features
    solving = ridge_flops_each(len(data), width, task.num_classes, penalty=recipe.head_penalty)
    if recipe.head_init == "probe":
        solving = PROBE_EPOCHS * 6 * width * task.num_classes
    reserve = (each + solving) / recipe.head_share - each
    features = ctx.features(net.body, data, name=task.name, reserve=reserve, seconds=recipe.head_share)
    if len(features) < task.num_classes:
        return  # Too few to say anything: the head stays at zero.
    if recipe.head_init == "probe":
        fit(net.head, features, ctx, name=f"{task.name} probe", recipe=Recipe(), epochs=PROBE_EPOCHS)
    elif recipe.head_init == "ncm":
        net.head.load_state_dict(ncm_head(features, task, ctx).state_dict())
    else:
        net.head.load_state_dict(ridge_head(features, task, ctx, penalty=recipe.head_penalty).state_dict())


def needs_one_of_each_class(task: Task, affordable: float) -> None:
    """Refuse to learn from fewer examples than there are classes.

    Raises:
        Infeasible: the budget pays for ``affordable`` examples only.
    """
    if affordable < task.num_classes:
        raise Infeasible(f"the budget pays for {affordable:.0f} examples of {task.num_classes} classes")
