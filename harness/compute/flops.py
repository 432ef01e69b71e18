"""How many FLOPs did an operation really do? Torch's counter, corrected where it is wrong, extended where it is blind.

One multiply-add is 2 FLOPs. Convolutions, matrix products and the dense solvers are counted; norms, activations and
the optimiser are not (0.5 to 3.5 % of a step).
"""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, shape_wrapper

from harness.compute.backbone import Classifier, by_structure
from harness.compute.convolutions import LIBRARY, weight_gradient_op

aten = torch.ops.aten

LIBRARY.define("memoised(Tensor output, int flops) -> Tensor")
memoised_op = torch.ops.nevis_harness.memoised
"""An output that is known already, and the FLOPs that it took, as an operation for whoever counts."""


@torch.library.impl(LIBRARY, "memoised", "CompositeExplicitAutograd")
def _memoised(output: Tensor, flops: int) -> Tensor:
    return output.clone()


def prod(shape: Any) -> int:
    return int(math.prod(shape))


def _convolution_backward(
    grad_out: Any,
    x: Any,
    weight: Any,
    _bias: Any,
    _stride: Any,
    _padding: Any,
    _dilation: Any,
    transposed: bool,
    _output_padding: Any,
    _groups: int,
    output_mask: list[bool],
    out_shape: Any = None,
    **_: Any,
) -> int:
    # Each gradient (input, weight) repeats exactly the multiply-adds of the forward pass. Torch 2.14 leaves the groups
    # out of the weight gradient and so counts it ``groups`` times too high.
    spatial = prod((x if transposed else grad_out)[2:])
    forward = 2 * int(grad_out[0]) * spatial * prod(weight)
    return forward * (int(output_mask[0]) + int(output_mask[1]))


def _depthwise_weight_gradient(grad_out: Any, _x: Any, k: int, *_: Any, **__: Any) -> int:
    return 2 * prod(grad_out) * k * k


def _known_beforehand(_output: Any, flops: int, *_: Any, **__: Any) -> int:
    return flops


def _mv(matrix: Any, _vector: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(matrix)


def _addmv(_self: Any, matrix: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(matrix)


def _dot(vector: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(vector)


def _cdist(x: Any, y: Any, *_: Any, **__: Any) -> int:
    # A difference, a product and a sum an element.
    return 3 * prod(x) * int(y[-2])


def _cholesky(matrix: Any, *_: Any, **__: Any) -> int:
    return prod(matrix[:-2]) * int(matrix[-1]) ** 3 // 3


def _cholesky_solve(right: Any, factor: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(factor) * int(right[-1])


def _solve(matrix: Any, right: Any, *_: Any, **__: Any) -> int:
    n = int(matrix[-1])
    columns = int(right[-1]) if len(right) >= len(matrix) else 1
    return prod(matrix[:-2]) * (2 * n**3 // 3 + 2 * n**2 * columns)


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    *batch, queries, width = query
    return int(2 * prod(batch) * queries * key[-2] * (width + value[-1]))


def _attention_backward(_grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    # Four products. Kernels that work the first one out again are not charged for it: on ``meta``, where a step is
    # priced, nothing is, and the same step shall cost the same on every device.
    return 2 * _attention(query, key, value)


_OURS: dict[Any, Any] = {
    aten.convolution_backward: _convolution_backward,
    weight_gradient_op: _depthwise_weight_gradient,
    memoised_op: _known_beforehand,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten._scaled_dot_product_flash_attention_backward: _attention_backward,
    aten._scaled_dot_product_efficient_attention_backward: _attention_backward,
    aten._scaled_dot_product_cudnn_attention_backward: _attention_backward,
    aten.mv: _mv,
    aten.addmv: _addmv,
    aten.dot: _dot,
    aten._cdist_forward: _cdist,
    aten.linalg_cholesky_ex: _cholesky,
    aten.cholesky_solve: _cholesky_solve,
    aten._linalg_solve_ex: _solve,
}


class Counter(TorchDispatchMode):
    """A context that counts the FLOPs of every operation run inside it, in ``flops``.

    ``torch.utils.flop_counter.FlopCounterMode`` by its formulas, without its bookkeeping by module, which makes a
    counted step three times as long.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    supports_higher_order_operators = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _composite:
            with self:
                return func.decompose(*args, **kwargs)
        if func not in _formulas:
            packet = getattr(func, "_overloadpacket", None)
            ours = _OURS.get(packet)
            _formulas[func] = shape_wrapper(ours) if ours is not None else flop_registry.get(packet)
            # Without autograd (inference mode) operations that are made of others arrive whole.
            if _formulas[func] is None and hasattr(func, "decompose"):
                with self:
                    out = func.decompose(*args, **kwargs)
                if out is not NotImplemented:
                    _composite.add(func)
                    return out
        out = func(*args, **kwargs)
        if (formula := _formulas[func]) is not None:
            self.flops += int(formula(*args, **kwargs, out_val=out))
        return out


_formulas: dict[Any, Any] = {}
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
