"""How is a net trained inside a budget? The one metered loop; its schedule always fits the budget."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from harness.core.errors import UserError
from harness.core.task import Examples
from harness.learning.batches import Features, loss_of
from harness.learning.context import Batch, Context
from harness.learning.optimiser import optimiser_of
from harness.learning.recipe import Recipe, Settled
from harness.learning.step import Graph, Loss, Step, graph_for
from harness.learning.watch import Trained, Watch

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
    own = loss is not None or after_step is not None
    graph = graph_for(net, own=own)
    batches = ctx.batches(
        data,
        batch_size=recipe.batch_size,
        name=name,
        net=net,
        augment=recipe.augmentation,
        epochs=epochs,
        alike=not own,
        recount=graph is None,
    )
    optimiser = optimiser_of(net, recipe)
    trained = train(
        net, batches, optimiser, recipe, autocast=ctx.autocast(net), loss=loss, after_step=after_step, graph=graph
    )
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
    graph: Graph | None = None,
    steps: int = 0,
) -> Trained | None:
    """One step a batch, as long as ``batches`` gives any; the net is left in eval mode.

    Args:
        autocast: the number format of the loss.
        graph: records the step, which then must be the same for all batches of one shape.
        steps: how many an interrupted training had made before.
    """
    watch = Watch()
    net.train()
    if recipe.norm == "frozen":
        for module in net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
    loss = loss or _mean_loss(recipe.smoothing, watch)
    step = Step(net, optimiser, recipe, loss=loss, autocast=autocast, graph=graph)
    for number, batch in enumerate(batches, start=steps):
        watch.see(*step(batch, number=number))
        if after_step is not None:
            after_step(net, batch.progress)
    step.close()
    net.eval()
    return watch.result()


def _mean_loss(smoothing: float, watch: Watch) -> Loss:
    def loss(net: nn.Module, batch: Batch) -> Tensor:
        logits = net(batch.inputs).float()
        if watch.uninformed is None:
            watch.uninformed = loss_of(torch.zeros_like(logits), batch.targets, smoothing=smoothing)
        return loss_of(logits, batch.targets, smoothing=smoothing)

    return loss
