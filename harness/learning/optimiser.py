"""Who changes the weights? SGD or AdamW in one pass over memory, with one rate for the body and one for the head."""

from typing import Any

import torch
from torch import Tensor, nn

from harness.compute.backbone import Classifier
from harness.learning.recipe import Settled


def optimiser_of(net: nn.Module, recipe: Settled) -> torch.optim.Optimizer:
    """The optimiser that ``recipe`` names, for the parameters of ``net`` that require a gradient.

    The body of a :class:`Classifier` has one rate and its head another; weight decay holds for weights, not for biases
    and norms, as in NEVIS'22. ``initial_lr`` of each group is the rate that a schedule multiplies.

    torch's fused kernels take one pass over memory instead of four, and give the same numbers. But they copy every
    tensor whose dimensions do not lie in their order, as those of ``channels_last`` do not, and pair up wrongly what
    lies in different orders; so they are given each weight and its gradient as views with their dimensions in the order
    of memory.

    On a GPU each rate is a tensor there: a recorded step reads what :func:`set_rates` has written.
    """
    head = set(net.head.parameters()) if isinstance(net, Classifier) else set(net.parameters())
    orders = {p: _order(p) for p in net.parameters() if p.requires_grad}
    views = {p: p.detach().permute(order) for p, order in orders.items()}
    on_gpu = any(p.is_cuda for p in views)
    groups = []
    for members, rate in ((False, recipe.lr), (True, recipe.head_lr)):
        mine = [p for p in views if (p in head) is members]
        for decay, params in ((True, [p for p in mine if p.ndim > 1]), (False, [p for p in mine if p.ndim <= 1])):
            if params:
                weight_decay = recipe.weight_decay if decay else 0.0
                views_of = [views[p] for p in params]
                now = torch.full((), rate, device=params[0].device) if on_gpu else rate
                groups.append({"params": views_of, "lr": now, "initial_lr": rate, "weight_decay": weight_decay})

    # On meta, where placement is tried out, there are no fused kernels.
    fused = all(p.device.type != "meta" for p in views)

    def hand_over_gradients(*_: Any) -> None:
        for parameter, view in views.items():
            grad = parameter.grad
            view.grad = None if grad is None else grad.permute(orders[parameter]).contiguous()

    def let_go(*_: Any) -> None:
        for view in views.values():
            view.grad = None

    made: torch.optim.Optimizer
    if recipe.optimiser == "adamw":
        betas = (recipe.momentum, 0.999)
        made = torch.optim.AdamW(groups, lr=recipe.lr, betas=betas, fused=fused, capturable=on_gpu)
    else:
        nesterov = recipe.momentum > 0
        made = torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, fused=fused)
    made.register_step_pre_hook(hand_over_gradients)
    made.register_step_post_hook(let_go)
    return made


def set_rates(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Let the next step of ``optimiser`` have its initial rates times ``factor``; nothing waits for a device."""
    for group in optimiser.param_groups:
        rate = group["initial_lr"] * factor
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def _order(tensor: Tensor) -> list[int]:
    """The dimensions of ``tensor``, that which moves farthest in memory first."""
    return sorted(range(tensor.ndim), key=tensor.stride, reverse=True)
