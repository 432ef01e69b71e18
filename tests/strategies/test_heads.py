"""Leave-one-out in closed form is leave-one-out, and what a ridge head costs is known before it is paid."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from harness.compute.backbone import Backbone
from harness.compute.meter import ComputeMeter
from harness.core.spec import Setting
from harness.core.task import Kind, Task
from harness.learning.batches import Features
from harness.learning.context import Context
from strategies.learners import heads
from strategies.learners.heads import PENALTIES, ridge_flops, ridge_flops_each, ridge_head


def context() -> Context:
    nothing = Backbone("none", 1, (0.0,) * 3, (1.0,) * 3, lambda **_: torch.nn.Identity(), lambda: "")
    return Context(nothing, Setting(), 0, ComputeMeter())


def features(n: int, width: int, classes: int, *, labels: bool, seed: int) -> Features:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n, width)) @ np.diag(generator.uniform(0.1, 3, width))
    kinds = generator.integers(0, classes, n)
    if labels:
        return Features(torch.tensor(values).float(), generator.integers(0, 2, (n, classes)).astype(np.uint8))
    values[:, 0] += kinds
    return Features(torch.tensor(values).float(), kinds.astype(np.int64))


def left_out_error(x: Tensor, y: Tensor, penalty: float) -> float:
    """Mean squared error where each example is predicted by a regression with an offset, solved without it."""
    # The penalty is one number, whoever is left out.
    weight = penalty * (x - x.mean(dim=0)).square().sum() / min(x.shape)
    total = 0.0
    for i in range(len(x)):
        rest = [j for j in range(len(x)) if j != i]
        middle, offset = x[rest].mean(dim=0), y[rest].mean(dim=0)
        inner = x[rest] - middle
        gram = inner.T @ inner + weight * torch.eye(x.shape[1], dtype=x.dtype)
        solution = torch.linalg.solve(gram, inner.T @ (y[rest] - offset))
        total += float((offset + (x[i] - middle) @ solution - y[i]).square().mean())
    return total / len(x)


@settings(max_examples=12, deadline=None)
@given(
    n=st.integers(6, 14),
    width=st.integers(2, 20),
    classes=st.integers(2, 4),
    labels=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_penalty_that_is_chosen_has_the_least_error_by_brute_force(
    n: int, width: int, classes: int, labels: bool, seed: int
) -> None:
    data = features(n, width, classes, labels=labels, seed=seed)
    task = tasks(classes, labels)
    x, y = (one.double() - one.double().mean(dim=0) for one in heads.centered(data, task, "cpu")[:2])
    errors = [left_out_error(x, y, penalty) for penalty in PENALTIES]
    assert heads.left_out_errors(heads.Axes.of(x, y)).tolist() == pytest.approx(errors, rel=1e-6)
    # Rounding in float32 may decide between penalties that are as good as each other.
    alike = [p for p, error in zip(PENALTIES, errors, strict=True) if error <= min(errors) * 1.01]
    chosen = ridge_head(data, task, context(), penalty="loo").weight.detach()
    solved = [ridge_head(data, task, context(), penalty=penalty).weight.detach() for penalty in alike]
    assert min(float((one - chosen).abs().max()) for one in solved) < 1e-3 * float(1 + chosen.abs().max())


def tasks(classes: int, labels: bool) -> Task:
    kind = Kind.MULTILABEL if labels else Kind.MULTICLASS
    return replace(tiny.task("t", 2000, classes), kind=kind)


@pytest.mark.parametrize("penalty", [0.1, "loo"])
@pytest.mark.parametrize(("n", "width", "classes"), [(300, 640, 10), (640, 300, 4), (900, 256, 80)])
def test_what_a_ridge_head_costs_is_foretold(n: int, width: int, classes: int, penalty: heads.Penalty) -> None:
    data, ctx = features(n, width, classes, labels=False, seed=0), context()
    with ctx.meter:
        ridge_head(data, tasks(classes, False), ctx, penalty=penalty)
    assert ctx.meter.spent_flops == pytest.approx(ridge_flops(n, width, classes, penalty=penalty), rel=0.02)
    assert ctx.meter.spent_flops <= n * ridge_flops_each(n, width, classes, penalty=penalty)


@pytest.mark.parametrize("penalty", [0.1, "loo"])
@pytest.mark.parametrize(("n", "width"), [(6, 4), (4, 6)])
def test_where_all_images_have_the_same_features_the_commonest_class_is_said(
    n: int, width: int, penalty: heads.Penalty
) -> None:
    data = Features(torch.full((n, width), 6.0), np.array([0, 1, 1, 1, 2, 2][:n]))
    scores = ridge_head(data, tasks(3, False), context(), penalty=penalty)(data.values)
    assert scores.argmax(dim=1).tolist() == [1] * n
