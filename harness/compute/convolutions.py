"""How does a CPU train without waiting for a few convolutions? The same sums, taken in another form.

Three kinds are slow in torch:

- The weight gradient of a depthwise convolution takes up to twenty times its forward pass for filters larger than 3x3,
  and for any filter on maps of one or two pixels: a third of a training step of EfficientNet-Lite0 at 64 px.
- A 1x1 convolution of few pixels brings all its weights into another order at each call; a plain matrix product of the
  same numbers does not.
- The weight gradient of a dense convolution in bf16 on maps of a few pixels takes two to eight times its forward
  pass, as a matrix product about as long as that: a tenth of a training step of a ResNet-18 at 64 px.

Everything else is left to torch.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

TINY = 2
"""Side of a map up to which a weight gradient is slow in torch for a filter of any size; depthwise, taps are then taken
one by one."""

FEW_STEPS = 4
"""Side up to which the same holds for filters that move by more than one pixel; depthwise ones larger than 3x3 only."""

FEW_PIXELS = 1024
"""Pixels of a batch up to which a matrix product is quicker than a 1x1 convolution."""

FEW_CHANNELS = 64
"""Channels below which the weight gradient of a dense convolution is not worth another form."""

LIBRARY = torch.library.Library("nevis_harness", "DEF")
LIBRARY.define("depthwise_weight_gradient(Tensor grad, Tensor x, int k, int stride, int padding) -> Tensor")
weight_gradient_op = torch.ops.nevis_harness.depthwise_weight_gradient
"""One operation to whoever counts FLOPs, whatever it is made of."""


class QuickConvolutions(TorchFunctionMode):
    """A context in which ``conv2d`` takes the quicker form where there is one; equal to the rounding of its format.

    The net itself, its modules and the names of its weights stay what they are. FLOPs are counted as torch's.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.conv2d and not kwargs and len(args) == 7 and _plain(*args):
            x, weight, _, (stride, _), (padding, _), _, groups = args
            form = _number_format(x, weight)
            if form is not None and _gains(form, x, weight, stride, padding, groups):
                return _Convolution.apply(x.to(form), weight.to(form), stride, padding, groups)
            pointwise = groups == stride == weight.shape[-1] == 1 and padding == 0
            if form is torch.float32 and pointwise and x.numel() <= FEW_PIXELS * x.shape[1]:
                # Pixels as rows; a view where channels lie last.
                rows = functional.linear(x.permute(0, 2, 3, 1), weight.flatten(1))
                return rows.permute(0, 3, 1, 2)
        return func(*args, **(kwargs or {}))


def _plain(x: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any) -> bool:
    """Whether this is a convolution on a CPU, without frills, whose weights are trained."""
    *pairs, groups = rest
    return (
        x.device.type == "cpu"
        and bias is None
        and weight.requires_grad
        and torch.is_grad_enabled()
        and x.ndim == 4
        and weight.shape[-1] == weight.shape[-2]
        and weight.shape[1] * groups == x.shape[1]
        and all(isinstance(pair, tuple) and len(pair) == 2 and pair[0] == pair[1] for pair in pairs)
        and pairs[-1] == (1, 1)
    )


def _number_format(x: Tensor, weight: Tensor) -> torch.dtype | None:
    """The format in which torch would do this one; None where there is no quicker form in it."""
    if not torch.is_autocast_enabled("cpu"):
        return torch.float32 if x.dtype == weight.dtype == torch.float32 else None
    known = weight.dtype == torch.float32 and x.dtype in (torch.float32, torch.bfloat16)
    return torch.bfloat16 if known and torch.get_autocast_dtype("cpu") is torch.bfloat16 else None


def _gains(form: torch.dtype, x: Tensor, weight: Tensor, stride: int, padding: int, groups: int) -> bool:
    """Whether a weight gradient of ours is quicker, by the longer side of the map that comes out."""
    k = weight.shape[-1]
    side = (max(x.shape[2:]) + 2 * padding - k) // stride + 1
    if form is torch.bfloat16:
        return groups == 1 < k and x.shape[1] >= FEW_CHANNELS and side <= (TINY if stride == 1 else FEW_STEPS)
    depthwise = groups == len(weight) == x.shape[1] > 1
    return depthwise and (side <= TINY or (k > 3 and (stride == 1 or side <= FEW_STEPS)))


class _Convolution(torch.autograd.Function):
    """Torch's own, with a weight gradient of ours: depthwise in fp32, dense in bf16."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int, groups: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.steps = stride, padding, groups
        return functional.conv2d(x, weight, stride=stride, padding=padding, groups=groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        x, weight = ctx.saved_tensors
        stride, padding, groups = ctx.steps
        to_x, to_weight = None, None
        if ctx.needs_input_grad[0]:
            to_x = torch.ops.aten.convolution_backward(
                grad, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups, [1, 0, 0]
            )[0]
        if ctx.needs_input_grad[1]:
            gradient = weight_gradient_op if groups > 1 else _product
            to_weight = gradient(grad, x, weight.shape[-1], stride, padding)
        return to_x, to_weight, None, None, None


def _product(grad: Tensor, x: Tensor, k: int, stride: int, padding: int) -> Tensor:
    """Gradient (c', c, k, k) of dense filters from that of the output (n, c', h', w') and the input (n, c, h, w).

    Each pixel of the output is a row, of what came out and of the k x k pixels that went in.
    """
    _, out, height, width = grad.shape
    padded = functional.pad(x, [padding] * 4).permute(0, 2, 3, 1)
    taps = [
        padded[:, i : i + stride * (height - 1) + 1 : stride, j : j + stride * (width - 1) + 1 : stride]
        for i in range(k)
        for j in range(k)
    ]
    went_in = torch.cat(taps, dim=3).flatten(0, 2)
    came_out = grad.permute(0, 2, 3, 1).flatten(0, 2)
    return (came_out.T @ went_in).view(out, k, k, -1).permute(0, 3, 1, 2)


@torch.library.impl(LIBRARY, "depthwise_weight_gradient", "CPU")
def _weight_gradient(grad: Tensor, x: Tensor, k: int, stride: int, padding: int) -> Tensor:
    """Gradient (c, 1, k, k) of the filters from that of the output (n, c, h', w') and the input (n, c, h, w)."""
    if stride > 1 or max(grad.shape[2:]) <= TINY:
        return _tap_by_tap(grad, x, k, stride, padding)
    # What a filter did to the image, the image does to the filter: each image of each channel is filtered with its
    # own gradient.
    n, c = x.shape[:2]
    images = x.reshape(1, n * c, *x.shape[2:])
    filters = grad.reshape(n * c, 1, *grad.shape[2:])
    each = functional.conv2d(images, filters, padding=padding, groups=n * c)
    return each.reshape(n, c, 1, k, k).sum(0)


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
