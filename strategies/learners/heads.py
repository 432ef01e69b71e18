"""Which linear head can be written down without gradient steps? Nearest class means, and ridge regression.

Both for classes and for labels of which several may be set; all matrix products are counted by the meter.
"""

import torch
from torch import Tensor, nn

from harness.core.task import Task
from harness.learning.batches import Features, targets
from harness.learning.context import Context

SHARPNESS = 5.0
"""Ridge scores lie about -1 and 1; as logits they are multiplied by this."""


def indicators(data: Features, task: Task, device: str) -> Tensor:
    """float32 (n, classes): 1 where the class or label is set, else 0."""
    wanted = targets(data.labels, device)
    return wanted if wanted.ndim == 2 else nn.functional.one_hot(wanted, task.num_classes).float()


def ncm_head(data: Features, task: Task, ctx: Context) -> nn.Linear:
    """Nearest class mean: logits are minus squared distances to the means, in units of the spread around them.

    For labels, whether an example is nearer to the mean with or to the mean without each label.
    """
    x, y = data.values.to(ctx.device), indicators(data, task, ctx.device)
    with_it = (y.T @ x) / y.sum(dim=0).clamp(min=1)[:, None]
    if data.labels.ndim == 2:
        without = ((1 - y).T @ x) / (1 - y).sum(dim=0).clamp(min=1)[:, None]
        spread = x.var(dim=0).sum().clamp(min=1e-12)
        weight = (with_it - without) * 2 / spread
        bias = (without.square().sum(dim=1) - with_it.square().sum(dim=1)) / spread
    else:
        spread = (x.square().sum() - (y.sum(dim=0) * with_it.square().sum(dim=1)).sum()).div(len(x)).clamp(min=1e-12)
        weight = with_it * 2 / spread
        bias = -with_it.square().sum(dim=1) / spread
        # A class of which no example was seen is never the nearest.
        bias = torch.where(y.sum(dim=0) > 0, bias, bias.min() - 1e3)
    return _linear(weight, bias)


def ridge_head(data: Features, task: Task, ctx: Context, *, penalty: float = 0.1) -> nn.Linear:
    """Ridge regression on -1 and 1 in closed form, in the smaller of features and examples.

    Args:
        penalty: relative to the mean squared length of a centered example.
    """
    x, y = data.values.to(ctx.device), 2 * indicators(data, task, ctx.device) - 1
    middle, offset = x.mean(dim=0), y.mean(dim=0)
    x, y = x - middle, y - offset
    n, d = x.shape
    weight = penalty * x.square().sum() / min(n, d)
    eye = torch.eye(min(n, d), device=x.device)
    if n < d:
        solution = x.T @ torch.linalg.solve(x @ x.T + weight * eye, y)
    else:
        solution = torch.linalg.solve(x.T @ x + weight * eye, x.T @ y)
    return _linear(SHARPNESS * solution.T, SHARPNESS * (offset - middle @ solution))


def ridge_flops_each(count: int, width: int, classes: int) -> float:
    """The most that :func:`ridge_head` costs an example, for up to ``count`` examples of ``width`` features."""
    side = min(count, width)
    return 2 * width * side + 2 * side * side / 3 + 2 * side * classes + 6 * width * classes


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    head = nn.Linear(weight.shape[1], weight.shape[0], device=weight.device)
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    return head
