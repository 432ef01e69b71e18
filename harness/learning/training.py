"""How is a net trained inside a budget? The one metered loop; its schedule always fits the budget."""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from harness.compute.backbone import Classifier
from harness.compute.convolutions import QuickConvolutions
from harness.core.task import Examples
from harness.learning.batches import Augment, Features, loss_of
from harness.learning.context import Context


@dataclass(frozen=True)
class Recipe:
    """How a net is trained: SGD, one learning rate for the body and one for the head, warmed up, then cosine to zero.

    Every budget gets its own full schedule: a point read off in the middle of a longer one would understate it
    (Li, Yumer, Ramanan, arXiv 1905.04753).

    Attributes:
        lr, head_lr: by default what fits ``norm``, see :data:`RATES`.
        rate: both are multiplied by it.
        norm: ``frozen``: batch norm keeps its running statistics; ``batch``: it normalizes by each batch and
            re-estimates them; ``auto``: frozen where the statistics were measured on the weights as they are, or a head
            was solved with them; batch where weights were removed or drawn anew. In a few steps this decides more than
            the learning rate.
        warmup: share of the budget over which the learning rate rises.
        smoothing: label smoothing.
        augment: random crops of images; ignored for features.
    """

    lr: float | None = None
    head_lr: float | None = None
    rate: float = 1.0
    norm: Literal["auto", "frozen", "batch"] = "auto"
    batch_size: int = 16
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warmup: float = 0.1
    smoothing: float = 0.0
    augment: bool = True

    def settled(self, *, statistics_hold: bool, started: bool = False) -> "Recipe":
        """The recipe with nothing left open.

        Args:
            statistics_hold: batch-norm statistics belong to the weights.
            started: the head does not begin at zero; the rates that are not given are then those of :data:`STARTED`.
        """
        norm = self.norm if self.norm != "auto" else ("frozen" if statistics_hold else "batch")
        lr, head_lr = (rate * (STARTED if started else 1.0) for rate in RATES[norm])
        return replace(
            self,
            norm=norm,
            lr=self.rate * (lr if self.lr is None else self.lr),
            head_lr=self.rate * (head_lr if self.head_lr is None else self.head_lr),
            rate=1.0,
        )


RATES = {"frozen": (0.0003, 0.005), "batch": (0.03, 0.05)}
"""Learning rates of body and head by treatment of batch norm, kept for every strategy, budget and task: chosen on
Fashion-MNIST and emulated tasks of seed 1, at 0.1 to 1 epoch; neither is in the default suite."""


STARTED = 0.1
"""Rates where the head was solved or trained before, as a multiple of :data:`RATES`: such a head pulls on the body from
the first step on, and at full rates the body forgets what the head was made for. Chosen on six emulated tasks of seed
3, which nothing reports, at 0.2 and 0.7 epochs."""


class Diverged(ArithmeticError):
    """The loss became infinite or not a number."""


def fit(
    net: nn.Module,
    data: Examples | Features,
    ctx: Context,
    *,
    name: str,
    recipe: Recipe = Recipe(),
    epochs: float = math.inf,
) -> None:
    """Train the parameters of ``net`` that require a gradient, until the budget or ``epochs`` is spent.

    Args:
        net: inputs to logits; put into train mode, but for batch norm that is frozen, and left in eval mode.
        name: names the randomness, usually the task's name.

    Raises:
        Diverged: the loss is no finite number any more.
    """
    recipe = recipe.settled(statistics_hold=True)
    net.train()
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if recipe.norm == "frozen":
        for module in norms:
            module.eval()
    optimiser = sgd(net, recipe)
    base = [group["lr"] for group in optimiser.param_groups]
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    finite = torch.ones((), dtype=torch.bool, device=ctx.device)
    augment = Augment() if recipe.augment else None
    autocast, quick = ctx.autocast(net), QuickConvolutions()
    batches = ctx.batches(data, batch_size=recipe.batch_size, name=name, net=net, augment=augment, epochs=epochs)
    for step, (inputs, wanted, progress) in enumerate(batches):
        # Statistics of about the last third of the steps, so that a few steps are enough to leave the old ones behind.
        for module in norms:
            module.momentum = max(0.1, 3 / (3 + step))
        for group, rate in zip(optimiser.param_groups, base, strict=True):
            group["lr"] = rate * scheduled(progress, warmup=recipe.warmup)
        with autocast, quick:
            logits = net(inputs)
        loss = loss_of(logits.float(), wanted, smoothing=recipe.smoothing)
        for parameter in trained:
            parameter.grad = None
        loss.backward()
        optimiser.step()
        # Kept on the device: reading the loss at every step would make a GPU wait for it.
        finite &= loss.detach().isfinite()
    net.eval()
    if not bool(finite):
        raise Diverged("the loss became infinite or not a number")


def scheduled(share: float, *, warmup: float) -> float:
    """Factor of the learning rate when ``share`` of the budget is spent: linear warm-up, then cosine to zero."""
    if share < warmup:
        return share / warmup
    return 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup)))


def sgd(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with the rates of a settled ``recipe``: one for the body of a :class:`Classifier`, one for its head.

    In one pass over memory instead of four, and with the same numbers. torch's fused kernel copies every tensor whose
    dimensions do not lie in their order, as those of ``channels_last`` do not, and pairs up wrongly what lies in
    different orders; so it is given each weight and its gradient as views with their dimensions in the order of memory.
    """
    head = set(net.head.parameters()) if isinstance(net, Classifier) else set(net.parameters())
    orders = {p: _order(p) for p in net.parameters() if p.requires_grad}
    views = {p: p.detach().permute(order) for p, order in orders.items()}
    groups = []
    assert recipe.lr is not None and recipe.head_lr is not None, "a settled recipe has rates"
    for members, rate in ((False, recipe.lr), (True, recipe.head_lr)):
        mine = [p for p in views if (p in head) is members]
        # Weight decay on weights only, as NEVIS'22: not on biases and norms.
        for decay, params in ((True, [p for p in mine if p.ndim > 1]), (False, [p for p in mine if p.ndim <= 1])):
            if params:
                weight_decay = recipe.weight_decay if decay else 0.0
                groups.append({"params": [views[p] for p in params], "lr": rate, "weight_decay": weight_decay})

    def hand_over_gradients(*_: Any) -> None:
        for parameter, view in views.items():
            grad = parameter.grad
            view.grad = None if grad is None else grad.permute(orders[parameter]).contiguous()

    def let_go(*_: Any) -> None:
        for view in views.values():
            view.grad = None

    optimiser = torch.optim.SGD(
        groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True
    )
    optimiser.register_step_pre_hook(hand_over_gradients)
    optimiser.register_step_post_hook(let_go)
    return optimiser


def _order(tensor: Tensor) -> list[int]:
    """The dimensions of ``tensor``, that which moves farthest in memory first."""
    return sorted(range(tensor.ndim), key=tensor.stride, reverse=True)
