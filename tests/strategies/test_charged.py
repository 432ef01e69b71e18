"""What a strategy is charged is what it does, by a count of its own: every operation it runs, priced by its shapes."""

from typing import Any

import pytest
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from harness.config.registry import entries, make
from harness.conformance.trial import Attempt, Trial
from harness.core.budget import Budget
from harness.core.spec import Setting

BACKBONE = "timm:test_efficientnet(weights=none)"
MORE = ["finetune(scope=norm)", "finetune(scope=last_stage, head_init=ridge)", "finetune(head_init=probe)"]
MORE += ["filter_pruned(recalibrate_bn=32)", "finetune(init=previous)"]
MORE += ["filter_pruned(flops=0.5, learner=ridge)", "channel_pruned(flops=0.5, learner=avalanche(method=LwF))"]
MORE += ["ot_fused(flops=0.5, learner=linear_probe)"]
MORE += [f"avalanche(method={method})" for method in ("EWC", "LwF", "SI", "MAS", "Replay", "GEM", "AGEM")]


class Done(TorchDispatchMode):
    """Adds up in ``flops`` what is executed, 2 for a multiplication and an addition. Shapes alone cost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [item for item in (out if isinstance(out, (tuple, list)) else [out]) if isinstance(item, Tensor)]
        if not any(item.is_meta for item in tensors):
            self.flops += _price(func.name().partition(".")[0], args, tensors)
        return out


def _price(name: str, args: Any, out: list[Tensor]) -> float:
    match name.rpartition("::")[2]:
        case "convolution":
            # Each number that comes out, or of a transposed one that goes in, meets all weights of one filter.
            return 2.0 * (args[0] if args[6] else out[0]).numel() * args[1][0].numel()
        case "convolution_backward":
            grad, x, weight, transposed, wanted = args[0], args[1], args[2], args[7], args[10]
            return 2.0 * (x if transposed else grad).numel() * weight[0].numel() * sum(wanted[:2])
        case "depthwise_weight_gradient":
            return 2.0 * args[0].numel() * args[2] ** 2
        case "mm" | "bmm" | "mv" | "dot":
            # Each number that comes out is a sum over the last axis of the left factor.
            return 2.0 * max(out[0].numel(), 1) * args[0].shape[-1]
        case "addmm" | "baddbmm" | "addmv":
            return 2.0 * out[0].numel() * args[1].shape[-1]
        case "_linalg_solve_ex":
            n = args[0].shape[-1]
            return 2 / 3 * n**3 + 2.0 * n * n * (args[1].numel() // n)
        case "_cdist_forward":
            return 3.0 * out[0].numel() * args[0].shape[-1]
        case "linalg_vector_norm" | "_linalg_check_errors":
            return 0.0
        case other:
            dear = ("mm", "matmul", "conv", "linalg", "solve", "cholesky", "svd", "qr", "eig", "attention", "einsum")
            assert not any(word in other.split("_") for word in dear), f"this test has no price for {other}"
            return 0.0


@pytest.mark.parametrize("spec", [*(name for name in entries("strategies") if name != "as_trained"), *MORE])
def test_what_is_charged_is_what_is_done_within_2_percent(spec: str) -> None:
    setting = Setting(backbone=BACKBONE, size=32)
    trial = Trial(spec, make("streams", "tiny:bars"), make("backbones", BACKBONE), setting, Budget.parse("1.5ep"))
    with Done() as before:
        attempt = Attempt(trial)
    # What is solved by an algorithm without tensors is charged by its formula, on top.
    assert attempt.setup.charged >= 0.98 * before.flops
    for task in trial.stream.tasks[:2]:
        with Done() as count:
            work = attempt.learn(task.for_learning())
        assert work.learnt
        assert count.flops > 0.05 * work.cap
        assert work.charged == pytest.approx(count.flops, rel=0.02)
        assert work.charged <= work.cap * 1.001
