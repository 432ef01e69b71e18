"""How is a depthwise net trained on a CPU without waiting for one gradient? Its weight gradients in another form.

Torch's gradient for the weights of a depthwise convolution is quick for 3x3 filters and takes up to twenty times the
forward pass for larger ones, and for any on maps of one or two pixels: half of a training step of EfficientNet-Lite0
at 64 px. There the same sum is taken in another order. Everything else is left to torch.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

TINY = 2
"""Side of a map up to which a filter of any size is slow in torch, and where taps are taken one by one."""

_library = torch.library.Library("nevis_harness", "DEF")
_library.define("depthwise_weight_gradient(Tensor grad, Tensor x, int k, int stride, int padding) -> Tensor")
weight_gradient_op = torch.ops.nevis_harness.depthwise_weight_gradient
"""One operation to whoever counts FLOPs, whatever it is made of."""


class QuickDepthwise(TorchFunctionMode):
    """A context in which ``conv2d`` has the quicker weight gradient where there is one; equal to fp32 rounding.

    The net itself, its modules and the names of its weights stay what they are. FLOPs are counted as torch's.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.conv2d and not kwargs and len(args) == 7 and (steps := _gains(*args)):
            return _Depthwise.apply(args[0], args[1], *steps)
        return func(*args, **(kwargs or {}))


def _gains(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[int, int] | None:
    """Stride and padding, if this convolution is one whose weight gradient was measured to be slow in torch."""
    k = weight.shape[-1]
    if x.ndim != 4 or not 1 < groups == x.shape[1] == len(weight) or weight.shape[-2] != k or bias is not None:
        return None
    if not weight.requires_grad or x.device.type != "cpu" or not x.dtype == weight.dtype == torch.float32:
        return None
    pairs = [(value, value) if isinstance(value, int) else tuple(value) for value in (stride, padding, dilation)]
    if any(len(pair) != 2 or pair[0] != pair[1] for pair in pairs) or pairs[2] != (1, 1):
        return None
    (stride, _), (padding, _), _ = pairs
    side = (max(x.shape[2:]) + 2 * padding - k) // stride + 1
    if not torch.is_grad_enabled() or torch.is_autocast_enabled("cpu") or (k < 5 and side > TINY):
        return None
    return stride, padding


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.steps = stride, padding
        return functional.conv2d(x, weight, stride=stride, padding=padding, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        stride, padding = ctx.steps
        to_x, to_weight = None, None
        if ctx.needs_input_grad[0]:
            to_x = torch.ops.aten.convolution_backward(
                grad, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], len(weight), [1, 0, 0]
            )[0]
        if ctx.needs_input_grad[1]:
            to_weight = weight_gradient_op(grad, x, weight.shape[-1], stride, padding)
        return to_x, to_weight, None, None


@torch.library.impl(_library, "depthwise_weight_gradient", "CPU")
def _weight_gradient(grad: Tensor, x: Tensor, k: int, stride: int, padding: int) -> Tensor:
    """Gradient (c, 1, k, k) of the filters from that of the output (n, c, h', w') and the input (n, c, h, w)."""
    if max(grad.shape[2:]) <= TINY:
        return _tap_by_tap(grad, x, k, stride, padding)
    # What a filter did to the image, the image does to the filter: each image of each channel is filtered with its
    # own gradient, spread by the stride.
    n, c = x.shape[:2]
    images = x.reshape(1, n * c, *x.shape[2:])
    filters = grad.reshape(n * c, 1, *grad.shape[2:])
    each = functional.conv2d(images, filters, padding=padding, dilation=stride, groups=n * c)
    return each[..., :k, :k].reshape(n, c, 1, k, k).sum(0)


def _tap_by_tap(grad: Tensor, x: Tensor, k: int, stride: int, padding: int) -> Tensor:
    """Each tap of the filter met only the few pixels that are not padding."""
    out = grad.new_zeros(k, k, grad.shape[1])
    rows = [_met(tap, stride, padding, x.shape[2], grad.shape[2]) for tap in range(k)]
    columns = [_met(tap, stride, padding, x.shape[3], grad.shape[3]) for tap in range(k)]
    for i, (from_y, to_y) in enumerate(rows):
        for j, (from_x, to_x) in enumerate(columns):
            if (there := grad[:, :, to_y, to_x]).numel():
                out[i, j] = (there * x[:, :, from_y, from_x]).sum((0, 2, 3))
    return out.permute(2, 0, 1).unsqueeze(1)


def _met(tap: int, stride: int, padding: int, inside: int, outside: int) -> tuple[slice, slice]:
    """Along one axis, the inputs that ``tap`` multiplied and the outputs that they went to."""
    shift = tap - padding
    first = max(0, -(shift // stride))
    last = min(outside - 1, (inside - 1 - shift) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    return slice(first * stride + shift, last * stride + shift + 1, stride), slice(first, last + 1)
