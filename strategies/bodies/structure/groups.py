"""Which widths does a net have, and which layers must change together when one of them does?

A *group* is one width: the layers that produce its units, those that consume them, and those that treat each unit by
itself. Layers tied by a shortcut are in one group. Found by torch-pruning's dependency graph (DepGraph, Fang et al.,
arXiv 2301.12900) on a ``meta`` copy: no arithmetic is done and no weight is read.
"""

import gc
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from harness.core.errors import UserError
from strategies.bodies.structure.dependency import NOBODY, Entangled, Numbers, Tied, tied, traced
from strategies.bodies.structure.shapes import on_meta, shapes_only

Role = Literal["producer", "consumer", "unitwise"]
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True, eq=False)
class Member:
    """How one layer takes part in a group.

    Attributes:
        module: dotted name of the layer, or of a parameter that stands alone.
        role: ``producer`` makes the units (rows of a convolution or linear layer), ``consumer`` reads them (columns),
            ``unitwise`` treats each by itself (depthwise convolution, norm, PReLU, layer scale).
        dim: dimension of the weight along which the units lie.
        index: int64 (width, k): the k positions of each unit along that dimension. k > 1 behind a flatten.
        filter_groups: groups of a grouped convolution that consumes; 1 for all others.
        gate: what the producer makes goes through a sigmoid and multiplies the units (squeeze and excitation).
    """

    module: str
    role: Role
    dim: int
    index: Tensor
    filter_groups: int = 1
    gate: bool = False


@dataclass(frozen=True, eq=False)
class Group:
    """One width of a net.

    Attributes:
        name: of the producer that comes first in the net.
        inner: the width is made and used up inside one block: no shortcut, no neighbouring block sees it.
        output: the units are the features that the net gives.
        residual: a shortcut adds to the units.
        blocks: units fall into so many equal, consecutive blocks that must lose equally many (grouped convolutions).
    """

    name: str
    width: int
    members: tuple[Member, ...]
    inner: bool
    output: bool
    residual: bool
    blocks: int = 1

    def of(self, role: Role) -> list[Member]:
        return [member for member in self.members if member.role == role]


@dataclass(frozen=True)
class Widths:
    """The widths of a net.

    Attributes:
        groups: those that can lose units, in the order in which the net computes them.
        left_out: why others cannot, by the layer that makes them.
    """

    groups: list[Group]
    left_out: Mapping[str, str]


def channel_groups(net: nn.Module, size: int) -> list[Group]:
    """The groups of ``net`` for images of ``size`` px, in the order in which the net computes them.

    Left out, because they cannot lose single units: widths cut by a split, heads of attention, widths of layers that
    are used twice, and those that a shortcut widens by channels of zeros.

    Raises:
        UserError: a layer takes no part in the forward pass, such as a head that it does not ask: it would be left
            with the width that it has.
    """
    return widths(net, size).groups


def widths(net: nn.Module, size: int) -> Widths:
    """All widths of ``net``: those that can lose units, and those that cannot, with the reason.

    Raises:
        UserError: as :func:`channel_groups`.
    """
    left_out: dict[str, str] = {}
    groups = []
    with shapes_only(), torch.enable_grad():
        probe = on_meta(net).eval().requires_grad_(True)
        outputs: list[Any] = []
        graph = traced(probe, torch.zeros(1, 3, size, size, device="meta"), outputs)
        _check_reached(probe, outputs)
        outputs.clear()
        try:
            for one in tied(graph):
                reason = one.reason
                try:
                    if not reason:
                        groups.append(_group(graph, probe, one))
                except LeftOut as why:
                    reason = str(why)
                if reason:
                    left_out[graph._module2name[one.root]] = reason
        except Entangled as error:
            raise UserError(f"{type(net).__name__} cannot be pruned: {error}; choose another net") from None
    # The graph and the layers point at each other in rings; without this they would live until the next collection.
    graph.__dict__.clear()
    del graph, probe
    gc.collect(0)
    order = {name: position for position, (name, _) in enumerate(net.named_modules())}
    return Widths(sorted(groups, key=lambda group: order.get(group.name, -1)), left_out)


def _check_reached(probe: nn.Module, outputs: list[Any]) -> None:
    """Walk back from what the net gave to the weights that it was made of."""
    todo = [item.grad_fn for out in outputs for item in (out if isinstance(out, (tuple, list)) else [out])]
    steps, reached = set(todo), set()
    while todo:
        step = todo.pop()
        if (variable := getattr(step, "variable", None)) is not None:
            reached.add(id(variable))
        new = {before for before, _ in getattr(step, "next_functions", ()) if before is not None} - steps
        steps |= new
        todo += new
    for name, module in probe.named_modules():
        if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)) and id(module.weight) not in reached:
            raise UserError(
                f"layer {name!r} takes no part in the forward pass of {type(probe).__name__}, so it would keep a width "
                "that its inputs lose; trace a forward pass that gives all heads' logits, or take the layer away"
            )


class LeftOut(Exception):
    """A width that cannot lose single units; says why."""


def _group(graph: Any, net: nn.Module, one: Tied) -> Group:
    from torch_pruning.ops import OPTYPE

    width = graph.get_out_channels(one.root)
    members: dict[tuple[str, Role], Member] = {}
    output, adds, blocks = False, False, 1
    for (node, handler), places in one.places.items():
        if node.type == OPTYPE.OUTPUT:
            output = True
        if node.type == OPTYPE.ELEMENTWISE:
            adds |= "Add" in str(getattr(node.module, "_grad_fn", ""))
        if node.type in (OPTYPE.MHA, OPTYPE.LSTM, OPTYPE.EMBED):
            raise LeftOut(f"{graph._module2name.get(node.module)} is a {type(node.module).__name__}")
        names = graph._param_to_name if node.type == OPTYPE.PARAMETER else graph._module2name
        if (name := names.get(node.module)) is None:  # An operation without weights.
            continue
        index = _positions(places, width, name)
        weight_out = graph.is_out_channel_pruning_fn(handler)
        role, dim = _part(node.module, weight_out)
        if isinstance(node.module, nn.GroupNorm):
            blocks = math.lcm(blocks, node.module.num_groups)
        if isinstance(node.module, nn.Parameter):
            dim = node.pruning_dim if node.pruning_dim >= 0 else node.module.ndim - 1
        if role != "unitwise" and getattr(node.module, "groups", 1) > 1:
            blocks = math.lcm(blocks, node.module.groups)
        filter_groups = node.module.groups if role == "consumer" and hasattr(node.module, "groups") else 1
        gate = role == "producer" and any(
            "igmoid" in str(getattr(after.module, "_grad_fn", "")) for after in node.outputs
        )
        members[name, role] = Member(name, role, dim, index, filter_groups, gate)
    order = {name: position for position, (name, _) in enumerate(net.named_modules())}
    ordered = sorted(members.values(), key=lambda member: order.get(member.module, -1))
    producers = [member for member in ordered if member.role == "producer"]
    if not producers:
        raise LeftOut("no layer makes them alone")
    if width % blocks:
        raise LeftOut(f"{blocks} groups of filters do not divide {width} units")
    # A linear layer at the end is its own output: the graph shows none behind it.
    output |= all(member.role != "consumer" for member in ordered)
    # One producer can meet an addition too: that of its own bias.
    residual = adds and len(producers) > 1
    block = _block([member.module for member in ordered if member.role != "unitwise"], net)
    return Group(
        name=producers[0].module,
        width=width,
        members=tuple(ordered),
        inner=bool(block) and not output and not residual,
        output=output,
        residual=residual,
        blocks=blocks,
    )


def _part(module: Any, out: bool) -> tuple[Role, int]:
    if isinstance(module, nn.modules.conv._ConvNd):
        if module.groups > 1 and module.groups == module.in_channels == module.out_channels:
            return "unitwise", 0
        rows = 1 if module.transposed else 0
        return ("producer", rows) if out else ("consumer", 1 - rows)
    if isinstance(module, nn.Linear):
        return ("producer", 0) if out else ("consumer", 1)
    return "unitwise", 0


def _positions(places: Numbers, width: int, name: str) -> Tensor:
    """(width, k) positions of each unit of a layer."""
    positions = np.flatnonzero(places != NOBODY)
    units = places[positions]
    if len(set(np.bincount(units, minlength=width).tolist())) != 1:
        raise LeftOut(f"{name} holds some of them only")
    return torch.from_numpy(positions[units.argsort(kind="stable")].reshape(width, -1))


def _block(names: list[str], net: nn.Module) -> str:
    """Name of the smallest module with a forward of its own that holds all ``names``; empty if that is the net."""
    parts = [name.split(".")[:-1] for name in names]
    common: list[str] = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    while common and isinstance(net.get_submodule(".".join(common)), CONTAINERS):
        common.pop()
    return ".".join(common)
