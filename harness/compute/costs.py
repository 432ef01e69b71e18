"""What does an operation cost in FLOPs? Formulas, by the name of the operation; torch's own table where it is right.

One multiply-add is 2 FLOPs, whatever the number format; of complex numbers it is 8. A sparse matrix counts as far as it
has entries. Solvers and decompositions stand in :mod:`harness.compute.solvers`; Fourier transforms are counted by radix
2, 5 n log2 n. A plugin adds the cost of an operation of its own with
``torch.utils.flop_counter.register_flop_formula``.
"""

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry, shape_wrapper

from harness.compute.formula import Formula, prod
from harness.compute.solvers import SOLVERS

COMPLEX = 4
"""A complex multiply-add is four real ones."""


def cost_of(func: Any) -> Callable[..., float] | None:
    """Arguments of ``func`` and its output ``out_val`` to FLOPs; None where no formula is known."""
    packet, name = getattr(func, "_overloadpacket", None), name_of(func)
    formula: Any = flop_registry.get(func) or flop_registry.get(packet)
    if name in _PACKED:
        formula = _packed
    elif name in OURS:
        formula = shape_wrapper(OURS[name])
    elif formula is None and name.endswith("_"):  # In place: ``addmm_`` does what ``addmm`` does.
        bare = name[:-1]
        formula = shape_wrapper(OURS[bare]) if bare in OURS else flop_registry.get(_packet(bare))
    return None if formula is None else partial(_as_stored, formula, bool(re.match(_ADDS, name)))


def name_of(func: Any) -> str:
    """``aten::addmm`` for any overload; the name of a higher-order operation."""
    packet = getattr(func, "_overloadpacket", None)
    return str(packet._qualified_op_name) if packet is not None else str(func)


def _packet(name: str) -> Any:
    namespace, _, leaf = name.partition("::")
    return getattr(getattr(torch.ops, namespace), leaf, None)


_ADDS = r"aten::(_sparse_)?b?add"
"""What the first argument is only added to."""


def _as_stored(formula: Any, adds: bool, *args: Any, out_val: Any, **kwargs: Any) -> float:
    flops = float(formula(*args, **kwargs, out_val=out_val))
    for place, tensor in enumerate(args):
        if isinstance(tensor, Tensor) and tensor.layout in _SPARSE and not (adds and place == 0):
            flops *= _stored(tensor) / max(1, tensor.numel())
    complex_numbers = any(isinstance(item, Tensor) and item.is_complex() for item in args)
    return flops * COMPLEX if complex_numbers and not getattr(formula, "real", False) else flops


_SPARSE = {torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc}


def _stored(tensor: Tensor) -> int:
    return (tensor._values() if tensor.layout == torch.sparse_coo else tensor.values()).numel()


# Convolutions and products.


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


def _convolved(_x: Any, weight: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    """A convolution that is not transposed: each output is a sum over one filter."""
    return 2 * prod(out_shape) * prod(weight[1:])


def _convolved_transposed(x: Any, weight: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(x) * prod(weight[1:])


def _conv_tbc(_x: Any, weight: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * prod(out_shape) * prod(weight[:2])


def _deform_conv2d(_x: Any, weight: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return 2 * prod(out_shape) * prod(weight[1:])


def _deform_conv2d_backward(grad: Any, _x: Any, weight: Any, *_: Any, **__: Any) -> int:
    return 4 * prod(grad) * prod(weight[1:])


def _depthwise_weight_gradient(grad_out: Any, _x: Any, k: int, *_: Any, **__: Any) -> int:
    return 2 * prod(grad_out) * k * k


def _known_beforehand(_output: Any, flops: Any, *_: Any, **__: Any) -> Any:
    return flops


def _linear(x: Any, weight: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(x[:-1]) * prod(weight)


def _linear_input_gradient(_sizes: Any, grad: Any, weight: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(grad) * int(weight[-1])


def _linear_weight_gradient(grad: Any, x: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(grad) * int(x[-1])


def _mm(a: Any, b: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(a) * int(b[-1])


def _addmm(_self: Any, a: Any, b: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(a) * int(b[-1])


def _foreach_mm(left: Any, right: Any, *_: Any, **__: Any) -> int:
    return sum(_mm(a, b) for a, b in zip(left, right, strict=True))


def _mv(matrix: Any, _vector: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(matrix)


def _addmv(_self: Any, matrix: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(matrix)


def _dot(vector: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(vector)


def _trilinear(a: Any, b: Any, c: Any, at_a: Any, at_b: Any, at_c: Any, *_: Any, **__: Any) -> int:
    # Two products and a sum for each element of the three, spread to one shape.
    shapes = []
    for shape, places in ((a, at_a), (b, at_b), (c, at_c)):
        sizes = iter(shape)
        shapes.append([1 if i in places else next(sizes) for i in range(len(shape) + len(places))])
    return 3 * prod(max(sizes) for sizes in zip(*shapes, strict=True))


def _cdist(x: Any, y: Any, *_: Any, **__: Any) -> int:
    # A difference, a product and a sum an element.
    return 3 * prod(x) * int(y[-2])


def _cdist_backward(_grad: Any, x: Any, y: Any, *_: Any, **__: Any) -> int:
    return 3 * prod(x) * int(y[-2])


def _euclidean_dist(x: Any, y: Any, *_: Any, **__: Any) -> int:
    # One product of matrices that hold the squared norms and ones beside x and y.
    return 2 * prod(x[:-1]) * int(y[-2]) * (int(x[-1]) + 2)


def _pdist(x: Any, *_: Any, **__: Any) -> int:
    return 3 * int(x[1]) * int(x[0]) * (int(x[0]) - 1) // 2


def _pdist_backward(_grad: Any, x: Any, *_: Any, **__: Any) -> int:
    return 2 * _pdist(x)


# Attention and recurrent layers, which torch runs as one operation where no gradient is asked for.


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    *batch, queries, width = query
    return int(2 * prod(batch) * queries * key[-2] * (width + value[-1]))


def _attention_backward(_grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    # Four products. Kernels that work the first one out again are not charged for it: on ``meta``, where a step is
    # priced, nothing is, and the same step shall cost the same on every device.
    return 2 * _attention(query, key, value)


def _multi_head_attention(query: Any, key: Any, value: Any, width: int, *_: Any, **__: Any) -> int:
    projections = 2 * (2 * prod(query[:-1]) + prod(key[:-1]) + prod(value[:-1])) * width * width
    return projections + 4 * prod(query[:-1]) * int(key[-2]) * width


def _encoder_layer(x: Any, width: int, *args: Any, **__: Any) -> int:
    first, second = args[12], args[14]
    return _multi_head_attention(x, x, x, width) + 2 * prod(x[:-1]) * (prod(first) + prod(second))


def _mkldnn_rnn(x: Any, input_weight: Any, hidden_weight: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(x[:-1]) * (prod(input_weight) + prod(hidden_weight))


def _cudnn_rnn(x: Any, weights: Any, *_: Any, **__: Any) -> int:
    return 2 * prod(x[:-1]) * sum(prod(shape) for shape in weights if len(shape) > 1)


def _twice(forward: Formula) -> Formula:
    """What a backward pass costs that works out the gradients of inputs and of weights, for the same arguments."""

    def formula(*args: Any, **kwargs: Any) -> int:
        return 2 * forward(*args, **kwargs)

    return formula


# Fourier transforms.


def _fourier(share: float, full: Callable[..., Any]) -> Formula:
    def formula(x: Any, dims: Any, *rest: Any, out_shape: Any = None, **_: Any) -> int:
        shape = full(x, out_shape)
        length = prod(shape[dim] for dim in dims)
        return int(share * 5 * prod(shape) * math.log2(max(1, length)))

    # The formula is that of complex numbers already.
    formula.real = True  # type: ignore[attr-defined]
    return formula


# Layers of integers, whose weights are packed into an object.

_PACKED = {
    f"quantized::{layer}{suffix}"
    for layer in ("linear", "conv1d", "conv2d", "conv3d")
    for suffix in (
        "",
        "_relu",
        "_add",
        "_add_relu",
        "_dynamic",
        "_dynamic_fp16",
        "_relu_dynamic",
        "_relu_dynamic_fp16",
        "_leaky_relu",
        "_tanh",
    )
}


def _packed(*args: Any, out_val: Any, **_: Any) -> int:
    weight = args[1].unpack()[0]
    return 2 * int(out_val.numel()) * prod(weight.shape[1:])


OURS: dict[str, Formula] = {
    "nevis_harness::depthwise_weight_gradient": _depthwise_weight_gradient,
    "nevis_harness::memoised": _known_beforehand,
    "aten::convolution_backward": _convolution_backward,
    "aten::mkldnn_convolution": _convolved,
    "aten::cudnn_convolution_relu": _convolved,
    "aten::cudnn_convolution_add_relu": _convolved,
    "aten::_conv_depthwise2d": _convolved,
    "aten::conv_depthwise3d": _convolved,
    "aten::slow_conv3d_forward": _convolved,
    "aten::slow_conv_dilated2d": _convolved,
    "aten::slow_conv_dilated3d": _convolved,
    "aten::slow_conv_transpose2d": _convolved_transposed,
    "aten::slow_conv_transpose3d": _convolved_transposed,
    "aten::cudnn_convolution_transpose": _convolved_transposed,
    "aten::conv_tbc": _conv_tbc,
    "torchvision::deform_conv2d": _deform_conv2d,
    "torchvision::_deform_conv2d_backward": _deform_conv2d_backward,
    "aten::mkldnn_linear": _linear,
    "aten::mkldnn_linear_backward_input": _linear_input_gradient,
    "aten::mkldnn_linear_backward_weights": _linear_weight_gradient,
    "aten::_weight_int8pack_mm": _linear,
    "aten::_int_mm": _mm,
    "aten::_addmm_activation": _addmm,
    "aten::_sparse_addmm": _addmm,
    "aten::sparse_sampled_addmm": _addmm,
    "aten::_sparse_sparse_matmul": _mm,
    "aten::_sparse_mm_reduce_impl": _mm,
    "aten::addbmm": _addmm,
    "aten::_foreach_mm": _foreach_mm,
    "aten::mv": _mv,
    "aten::addmv": _addmv,
    "aten::dot": _dot,
    "aten::vdot": _dot,
    "aten::_trilinear": _trilinear,
    "aten::_cdist_forward": _cdist,
    "aten::_cdist_backward": _cdist_backward,
    "aten::_euclidean_dist": _euclidean_dist,
    "aten::_pdist_forward": _pdist,
    "aten::_pdist_backward": _pdist_backward,
    "aten::_native_multi_head_attention": _multi_head_attention,
    "aten::_transformer_encoder_layer_fwd": _encoder_layer,
    "aten::mkldnn_rnn_layer": _mkldnn_rnn,
    "aten::mkldnn_rnn_layer_backward": _twice(_mkldnn_rnn),
    "aten::_cudnn_rnn": _cudnn_rnn,
    "aten::_cudnn_rnn_backward": _twice(_cudnn_rnn),
    **SOLVERS,
    "aten::_fft_c2c": _fourier(1.0, lambda x, out: x),
    "aten::_fft_r2c": _fourier(0.5, lambda x, out: x),
    "aten::_fft_c2r": _fourier(0.5, lambda x, out: out),
    **{f"aten::_scaled_dot_product_{kind}": _attention for kind in (
        "flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention",
        "fused_attention_overrideable",
    )},
    **{f"aten::_scaled_dot_product_{kind}_backward": _attention_backward for kind in (
        "flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention",
        "fused_attention_overrideable",
    )},
}  # fmt: skip
"""What torch's table has wrong, or not at all."""
