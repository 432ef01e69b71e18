"""Which linear head can be written down without gradient steps? Nearest class means, and ridge regression.

Both for classes and for labels of which several may be set; all matrix products are counted by the meter.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from harness.core.task import Task
from harness.learning.batches import Features, targets
from harness.learning.context import Context

Penalty = float | Literal["loo"]

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Among which leave-one-out chooses, as multiples of the mean squared length of a centered example."""

EIGEN = 9
"""FLOPs of all eigenvalues and eigenvectors of a symmetric matrix, as multiples of its side cubed."""

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


def ridge_head(data: Features, task: Task, ctx: Context, *, penalty: Penalty = 0.1) -> nn.Linear:
    """Ridge regression on -1 and 1 in closed form, in the smaller of features and examples.

    Args:
        penalty: relative to the mean squared length of a centered example; ``loo``: that of :data:`PENALTIES` with the
            least error when each example is predicted from all others.
    """
    x, y = data.values.to(ctx.device), 2 * indicators(data, task, ctx.device) - 1
    middle, offset = x.mean(dim=0), y.mean(dim=0)
    x, y = x - middle, y - offset
    n, d = x.shape
    unit = x.square().sum() / min(n, d)
    if penalty == "loo":
        solution = _left_out(x, y, unit, ctx)
    else:
        eye = torch.eye(min(n, d), device=x.device)
        weight = penalty * unit
        if n < d:
            solution = x.T @ torch.linalg.solve(x @ x.T + weight * eye, y)
        else:
            solution = torch.linalg.solve(x.T @ x + weight * eye, x.T @ y)
    return _linear(SHARPNESS * solution.T, SHARPNESS * (offset - middle @ solution))


def _left_out(x: Tensor, y: Tensor, unit: Tensor, ctx: Context) -> Tensor:
    """The solution (width, classes) for centered ``x`` and ``y`` whose penalty has the least leave-one-out error.

    With the singular values s and left vectors u of x, ridge regression with an offset predicts H y, where
    H = 1/n + sum of u u' s^2 / (s^2 + penalty); what it predicts for an example when that is left out differs from its
    target by its residual over 1 - H_ii (Allen's PRESS; Cawley and Talbot, Neural Networks 17, 2004).
    """
    n, d = x.shape
    gram = x @ x.T if n < d else x.T @ x
    # No operation that a counter knows: the symmetric QR algorithm (Golub and Van Loan, 4th edition, section 8.3).
    ctx.meter.charge(EIGEN * min(n, d) ** 3)
    squares, vectors = torch.linalg.eigh(gram)
    squares = squares.clamp(min=0)
    axes = vectors if n < d else x @ vectors
    along = axes.T @ y
    lengths = axes.square()
    best: tuple[Tensor, Tensor] | None = None
    for penalty in PENALTIES:
        shrunk = 1 / (squares + penalty * unit)
        gain = squares * shrunk if n < d else shrunk
        rest = (y - axes @ (gain[:, None] * along)) / (1 - 1 / n - lengths @ gain)[:, None].clamp(min=1e-6)
        error = rest.square().mean()
        if best is None:
            best = error, shrunk
        else:
            better = error < best[0]
            best = torch.where(better, error, best[0]), torch.where(better, shrunk, best[1])
    assert best is not None
    solved: Tensor = vectors @ (best[1][:, None] * along)
    return x.T @ solved if n < d else solved


def ridge_flops(count: int, width: int, classes: int, *, penalty: Penalty = 0.1) -> float:
    """What :func:`ridge_head` costs for ``count`` examples of ``width`` features, as the meter counts it."""
    side = min(count, width)
    gram, outward, offset = 2 * side * count * width, 2 * count * width * classes, 2 * width * classes
    if penalty != "loo":
        return gram + 2 * side**3 / 3 + 2 * side * side * classes + outward + offset
    tried = len(PENALTIES) * (2 * count * side * classes + 2 * count * side)
    axes = 2 * side * side * classes + (outward if count < width else gram)
    return gram + EIGEN * side**3 + 2 * count * side * classes + tried + axes + offset


def ridge_flops_each(count: int, width: int, classes: int, *, penalty: Penalty = 0.1) -> float:
    """The most that :func:`ridge_head` costs an example, for up to ``count`` examples of ``width`` features."""
    side = min(count, width)
    if penalty == "loo":
        # An example costs most where there are as many as features.
        return ridge_flops(side, width, classes, penalty=penalty) / side
    return 2 * width * side + 2 * side * side / 3 + 2 * side * classes + 6 * width * classes


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    head = nn.Linear(weight.shape[1], weight.shape[0], device=weight.device)
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    return head
