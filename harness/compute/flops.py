"""How many FLOPs were really done? Torch's counter, corrected where it is wrong, and closed: nothing costs 0 unseen.

One multiply-add is 2 FLOPs. Convolutions, matrix products, attention, recurrent layers, Fourier transforms and dense
solvers are counted (:mod:`harness.compute.costs`); norms, activations and the optimiser are not
(:mod:`harness.compute.free`, 0.5 to 3.5 % of a step); any other operation is refused by name.
"""

import copy
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from harness.compute.backbone import Classifier, by_structure
from harness.compute.convolutions import LIBRARY
from harness.compute.costs import cost_of, name_of
from harness.compute.free import is_free
from harness.core.errors import UserError

LIBRARY.define("memoised(Tensor output, float flops) -> Tensor")
memoised_op = torch.ops.nevis_harness.memoised
"""An output that is known already, and the FLOPs that it took, as an operation for whoever counts."""


@torch.library.impl(LIBRARY, "memoised", "CompositeExplicitAutograd")
def _memoised(output: Tensor, flops: float) -> Tensor:
    return output.clone()


class UncountedOperation(UserError):
    """Work that could not be charged, since nobody knows its cost or nobody counts where it is done."""


class Counter(TorchDispatchMode):
    """A context that counts the FLOPs of every operation run inside it, in ``flops``.

    ``torch.utils.flop_counter.FlopCounterMode`` by its formulas, without its bookkeeping by module, which makes a
    counted step three times as long.

    Raises:
        UncountedOperation: from an operation whose cost is not known, and from one that costs something in a process
            that was forked inside: its count would be lost.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0.0
        self._process = os.getpid()

    supports_higher_order_operators = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _composite:
            with self:
                return func.decompose(*args, **kwargs)
        if func not in _costs:
            cost = cost_of(func)
            # Without autograd (inference mode) operations that are made of others arrive whole.
            if cost is None and hasattr(func, "decompose"):
                with self:
                    out = func.decompose(*args, **kwargs)
                if out is not NotImplemented:
                    _composite.add(func)
                    return out
            if cost is None and not is_free(func):
                name = name_of(func)
                raise UncountedOperation(
                    f"operation {name} has no known cost in FLOPs, so its work cannot be charged; compute it with "
                    "other operations, or register its cost with torch.utils.flop_counter.register_flop_formula("
                    f"torch.ops.{name.replace('::', '.')})"
                )
            _costs[func] = cost
        cost = _costs[func]
        if cost is not None and os.getpid() != self._process:
            raise UncountedOperation(
                f"operation {name_of(func)} in a process that was started inside a run: nobody counts there; "
                "compute it in the run or in its threads; other processes may do what costs nothing, such as reading"
            )
        out = func(*args, **kwargs)
        if cost is not None:
            self.flops += cost(*args, **kwargs, out_val=out)
        return out


_costs: dict[Any, Callable[..., float] | None] = {}
_composite: set[Any] = set()
"""What is known of operations met so far."""


def flops_forward(net: nn.Module, *shape: int) -> int:
    """FLOPs of one forward pass on inputs of ``shape``, batch included, found on ``meta`` without arithmetic."""
    return _counted(net, shape, backward=False)


def flops_train(net: nn.Module, *shape: int) -> int:
    """FLOPs of one forward and backward pass on inputs of ``shape``, for the parameters that require a gradient."""
    return _counted(net, shape, backward=True)


def _counted(net: nn.Module, shape: tuple[int, ...], *, backward: bool) -> int:
    if isinstance(net, Classifier) and isinstance(net.head, nn.Linear):
        # Heads differ from task to task and their cost is known, so that a body is counted only once.
        width, classes = net.head.in_features, net.head.out_features
        asked = [net.head.weight.requires_grad, any(p.requires_grad for p in net.body.parameters())]
        passes = 1 + (sum(asked) if backward else 0)
        return _counted(net.body, shape, backward=backward) + 2 * shape[0] * width * classes * passes
    # A body is adapted once and trained on many tasks.
    return by_structure(("flops", backward, shape), net, lambda: _counted_on_meta(net, shape, backward))


def _counted_on_meta(net: nn.Module, shape: tuple[int, ...], backward: bool) -> int:
    probe = copy.deepcopy(net).to("meta")
    with torch.set_grad_enabled(backward), Counter() as count:
        out: Tensor = probe(torch.zeros(shape, device="meta"))
        if out.requires_grad:
            out.sum().backward()
    return int(count.flops)
