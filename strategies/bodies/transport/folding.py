"""What does a convolution compute together with the batch norm behind it? Scale and shift of its filters."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from strategies.bodies.structure.shapes import shapes_only
from strategies.bodies.structure.units import layer, weight_of

NORMS = nn.modules.batchnorm._BatchNorm


def norms_behind(net: nn.Module, size: int) -> dict[str, str]:
    """For each convolution or linear layer whose output goes straight into a batch norm: the name of that norm."""
    behind: dict[str, str] = {}
    makers: list[tuple[Tensor, str]] = []  # Outputs are kept alive, so that an id is not used twice.
    with shapes_only(), torch.no_grad():
        probe = copy.deepcopy(net).to("meta").eval()

        def made(name: str) -> Any:
            return lambda _module, _inputs, output: makers.append((output, name))

        def read(name: str) -> Any:
            def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
                behind.update({maker: name for output, maker in makers if output is inputs[0]})

            return hook

        for name, module in probe.named_modules():
            if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
                module.register_forward_hook(made(name))
            elif isinstance(module, NORMS) and module.track_running_stats and module.affine:
                module.register_forward_pre_hook(read(name))
                # Shapes are all that is asked for, and a norm on meta is slow.
                module.forward = torch.empty_like  # type: ignore[method-assign]
        probe(torch.zeros(1, 3, size, size, device="meta"))
    return behind


@dataclass(frozen=True, eq=False)
class Folded:
    """A layer and the batch norm behind it as one: ``scale * (W x) + shift``, for each filter.

    Attributes:
        scale, shift: float64 (filters,).
        mean, deviation: of the outputs on the data that the norm was trained on: its beta and absolute gamma. Without
            a norm the mean is the shift, and the deviation, which is unknown, is 1.
        norm: name of the batch norm; empty if there is none.
    """

    scale: Tensor
    shift: Tensor
    mean: Tensor
    deviation: Tensor
    norm: str


def folded(net: nn.Module, name: str, norms: dict[str, str]) -> Folded:
    """The layer ``name`` together with the norm behind it."""
    module = layer(net, name)
    assert isinstance(module, (nn.modules.conv._ConvNd, nn.Linear))
    filters = module.out_channels if isinstance(module, nn.modules.conv._ConvNd) else module.out_features
    ones = torch.ones(filters, dtype=torch.float64)
    bias = _double(module.bias) if module.bias is not None else torch.zeros_like(ones)
    if name not in norms:
        return Folded(ones, bias, bias, ones, "")
    norm = layer(net, norms[name])
    assert isinstance(norm, NORMS)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gamma, beta = _double(norm.weight), _double(norm.bias)
    scale = gamma / (_double(norm.running_var) + norm.eps).sqrt()
    shift = beta + scale * (bias - _double(norm.running_mean))
    return Folded(scale, shift, beta, gamma.abs(), norms[name])


def folded_weight(net: nn.Module, name: str, fold: Folded) -> Tensor:
    """The weight of a layer with the scale of the norm behind it multiplied in; float32 unless it is float64."""
    weight = weight_of(net, name).cpu()
    weight = weight if weight.dtype == torch.float64 else weight.float()
    if not fold.norm:
        return weight
    filters = 1 if getattr(layer(net, name), "transposed", False) else 0
    shape = [1] * weight.ndim
    shape[filters] = -1
    return weight * fold.scale.to(weight.dtype).view(shape)


@torch.no_grad()
def restore_norm(net: nn.Module, name: str, wanted: Folded) -> None:
    """Set the norm behind layer ``name`` so that in eval mode both together compute ``wanted``.

    Its gamma becomes the deviation and its beta the mean, so that train mode fits the data that it was trained on.
    Without a norm the shift becomes the layer's bias, if it has one.
    """
    module = layer(net, name)
    assert isinstance(module, (nn.modules.conv._ConvNd, nn.Linear))
    if not wanted.norm:
        if module.bias is not None:
            module.bias.copy_(wanted.shift.to(module.bias))
        return
    if module.bias is not None:
        module.bias.zero_()
    norm = layer(net, wanted.norm)
    assert isinstance(norm, NORMS)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    # A unit that hardly varies gets a deviation that eps does not swamp; with it, what is computed stays the same.
    gamma = torch.maximum(wanted.deviation, wanted.scale * (2 * norm.eps) ** 0.5)
    norm.weight.copy_(gamma.to(norm.weight))
    norm.bias.copy_(wanted.mean.to(norm.bias))
    norm.running_var.copy_(((gamma / wanted.scale).square() - norm.eps).to(norm.running_var))
    norm.running_mean.copy_(((wanted.mean - wanted.shift) / wanted.scale).to(norm.running_mean))


def _double(value: Tensor) -> Tensor:
    return value.detach().to("cpu", torch.float64)
