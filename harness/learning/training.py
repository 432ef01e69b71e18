"""How is a net trained inside a budget? The one metered loop; its schedule always fits the budget."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from harness.compute.convolutions import QuickConvolutions
from harness.core.errors import UserError
from harness.core.task import Examples
from harness.learning.batches import Features, loss_of
from harness.learning.context import Batch, Context
from harness.learning.optimiser import optimiser_of
from harness.learning.recipe import Recipe, Schedule, Settled
from harness.learning.watch import Trained, Watch

Loss = Callable[[nn.Module, Batch], Tensor]
"""The net and a batch to a scalar that is to become small. All that it computes is charged."""

AfterStep = Callable[[nn.Module, float], None]
"""The net after a step, and the share of the budget that is spent."""


class Diverged(ArithmeticError):
    """The loss became infinite or not a number."""


def fit(
    net: nn.Module,
    data: Examples | Features,
    ctx: Context,
    *,
    name: str,
    recipe: Recipe | Settled = Recipe(),
    epochs: float = math.inf,
    loss: Loss | None = None,
    after_step: AfterStep | None = None,
) -> Trained | None:
    """Train the parameters of ``net`` that require a gradient, until the budget or ``epochs`` is spent.

    Args:
        net: inputs to logits; put into train mode, but for batch norm that is frozen, and left in eval mode.
        name: names the randomness, usually the task's name.
        recipe: its head start and choice of weights are a learner's business; here it trains.
        loss: instead of the mean loss of the logits. Schedule, clipping and checks stay, and it may compute what it
            likes: the pass of a teacher, a second batch. With it, or with ``after_step``, each step is counted for real
            and not by the first.
        after_step: called after each step, as for a mean of weights over steps.

    Returns:
        How it went, which ``ctx.trainings`` holds as well; None where the budget paid for no step.

    Raises:
        Diverged: the loss is no finite number any more.
        UserError: ``recipe`` leaves open what only its learner can settle.
    """
    if isinstance(recipe, Recipe):
        recipe = recipe.settled(statistics_hold=True)
    if recipe.choose != "end":
        raise UserError(f"choose={recipe.choose}: this learner keeps the weights it ends with; expected choose=end")
    batches = ctx.batches(
        data,
        batch_size=recipe.batch_size,
        name=name,
        net=net,
        augment=recipe.augmentation,
        epochs=epochs,
        alike=loss is None and after_step is None,
    )
    optimiser = optimiser_of(net, recipe)
    trained = train(net, batches, optimiser, recipe, autocast=ctx.autocast(net), loss=loss, after_step=after_step)
    if trained is not None:
        ctx.trainings.append(trained)
        if not trained.finite:
            raise Diverged("the loss became infinite or not a number")
    return trained


def train(
    net: nn.Module,
    batches: Iterable[Batch],
    optimiser: torch.optim.Optimizer,
    recipe: Settled,
    *,
    autocast: torch.autocast,
    loss: Loss | None = None,
    after_step: AfterStep | None = None,
    steps: int = 0,
) -> Trained | None:
    """One step a batch, as long as ``batches`` gives any; the net is left in eval mode.

    Args:
        autocast: the number format of the loss.
        steps: how many an interrupted training had made before.
    """
    watch, quick = Watch(), QuickConvolutions()
    loss = loss or _mean_loss(recipe.smoothing, watch)
    net.train()
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if recipe.norm == "frozen":
        for module in norms:
            module.eval()
    learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
    for step, batch in enumerate(batches, start=steps):
        # Statistics of about the last third of the steps, so that a few steps are enough to leave the old ones behind.
        for module in norms:
            module.momentum = max(0.1, 3 / (3 + step))
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * scheduled(batch.progress, warmup=recipe.warmup, shape=recipe.schedule)
        with autocast, quick:
            value = loss(net, batch)
        for parameter in learning:
            parameter.grad = None
        value.backward()
        watch.see(value, clipped(learning, recipe.clip))
        optimiser.step()
        if after_step is not None:
            after_step(net, batch.progress)
    net.eval()
    return watch.result()


def clipped(parameters: Iterable[nn.Parameter], most: float | None) -> Tensor:
    """The global norm of the gradient of ``parameters``, which is scaled down to norm ``most`` where it is larger."""
    given = [p for p in parameters if p.grad is not None]
    grads = [p.grad for p in given if p.grad is not None]
    if grads and grads[0].is_cuda:
        norm = nn.utils.get_total_norm(grads, foreach=True)
    else:
        # The same, without sorting tensors by device and kind: a head alone has steps of a few tenths of a millisecond.
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(grad) for grad in grads]))
    if most is not None:
        nn.utils.clip_grads_with_norm_(given, most, norm, foreach=True)
    return norm


def scheduled(share: float, *, warmup: float, shape: Schedule = "cosine") -> float:
    """Factor of the learning rate when ``share`` of the budget is spent: linear warm-up, then ``shape`` to zero."""
    if share < warmup:
        return share / warmup
    if shape == "constant":
        return 1.0
    rest = (share - warmup) / (1 - warmup) if warmup < 1 else 0.0
    return 1 - rest if shape == "linear" else 0.5 * (1 + math.cos(math.pi * rest))


def _mean_loss(smoothing: float, watch: Watch) -> Loss:
    def loss(net: nn.Module, batch: Batch) -> Tensor:
        logits = net(batch.inputs).float()
        if watch.uninformed is None:
            watch.uninformed = loss_of(torch.zeros_like(logits), batch.targets, smoothing=smoothing)
        return loss_of(logits, batch.targets, smoothing=smoothing)

    return loss
