"""Which layers hold the same units? A walk over torch-pruning's dependency graph (DepGraph, arXiv 2301.12900).

The graph and its index mappings are torch-pruning's; the walk is ours: each unit of each layer is visited once, so that
time and memory are bounded, and a width whose units cannot be followed one by one is left out with the reason.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from harness.core.errors import UserError

LAYERS = (nn.modules.conv._ConvNd, nn.Linear)

_MAPPING_FAILS = (TypeError, ValueError, IndexError, ZeroDivisionError, AttributeError)
"""What torch-pruning's mappings raise for nets that they do not fit."""

WORK = 20_000_000
"""Units of layers that are looked at before a net counts as too entangled: some 20 seconds. DenseNet-201 takes 3 M."""


TESTED = "1.6"
"""The torch-pruning whose graph is read here, private names included; setup.cfg asks for it."""


def _check_version(package: Any) -> None:
    if ".".join(package.__version__.split(".")[:2]) != TESTED:
        raise UserError(
            f"torch-pruning {package.__version__} is installed; pruning and fusing read names inside of {TESTED}, "
            f"which another version may have changed: pip install 'torch-pruning=={TESTED}.*'"
        )


class Entangled(Exception):
    """The units of a width cannot be followed; says why."""


@dataclass
class Tied:
    """The layers that hold the units of one width.

    Attributes:
        root: the layer that makes them.
        places: by node and handler of the graph, position of a unit in that layer to its number in the root.
        reason: why single units cannot be taken away; empty where they can.
    """

    root: nn.Module
    places: dict[tuple[Any, Any], dict[int, int]]
    reason: str = ""


def traced(probe: nn.Module, images: Tensor, outputs: list[Any]) -> Any:
    """The dependency graph of ``probe``; what the net gave is put into ``outputs``."""
    import torch_pruning

    _check_version(torch_pruning)
    from torch_pruning.dependency import index_mapping, shape_infer

    def seen(out: Any) -> Any:
        outputs.append(out)
        return out

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = torch_pruning.DependencyGraph()
        graph.verbose, graph.model, graph.ignored_params = False, probe, []
        graph._module2name = {module: name for name, module in probe.named_modules()}
        graph._param_to_name, graph.unwrapped_parameters = graph._detect_unwrapped_parameters([])
        graph.module2node = graph._trace(probe, images, None, output_transform=seen)
        graph._build_dependency(graph.module2node)
        updates = {
            "CONCAT": index_mapping.update_concat_index_mapping,
            "SPLIT": index_mapping.update_split_index_mapping,
            "RESHAPE": index_mapping.update_reshape_index_mapping,
            "UNBIND": index_mapping.update_unbind_index_mapping,
            "EXPAND": index_mapping.update_expand_index_mapping,
            "SLICE": index_mapping.update_slice_index_mapping,
        }
        # A mapping that cannot be worked out spoils the widths that go through it, and no others.
        graph.opaque = set()
        try:
            shape_infer.init_shape_information(graph)
        except _MAPPING_FAILS:
            graph.opaque |= {node for node in graph.module2node.values() if node.type.name == "SPLIT"}
        for node in graph.module2node.values():
            if node.type.name in updates:
                try:
                    updates[node.type.name](graph, node)
                except _MAPPING_FAILS:
                    graph.opaque.add(node)
    return graph


def tied(graph: Any) -> Iterator[Tied]:
    """One for each width, in the order in which the graph meets their layers.

    Raises:
        Entangled: following the units takes too long.
    """
    from torch_pruning.pruner import function

    work, done = _Work(), set()
    for module in list(graph.module2node):
        if not isinstance(module, LAYERS) or module in done:
            continue
        depthwise = isinstance(module, nn.modules.conv._ConvNd) and module.groups == module.out_channels > 1
        handler = graph.get_pruner_of_module(module).prune_out_channels
        start = function.prune_depthwise_conv_out_channels if depthwise else handler
        found = Tied(module, {})
        try:
            _follow(graph, found, start, graph.get_out_channels(module), work)
        except _Spoiled as why:
            found.reason = str(why)
        done |= {node.module for node, act in found.places if graph.is_out_channel_pruning_fn(act)}
        yield found


class _Spoiled(Exception):
    """Units cannot be told apart any more."""


class _Work:
    def __init__(self) -> None:
        self.left = WORK

    def spend(self, units: int) -> None:
        self.left -= units
        if self.left < 0:
            raise Entangled(f"its widths are too entangled to be followed ({WORK:.0e} steps were not enough)")


def _follow(graph: Any, found: Tied, start: Callable[..., Any], width: int, work: _Work) -> None:
    from torch_pruning._helpers import _HybridIndex

    root = graph.module2node[found.root]
    found.places[root, start] = {unit: unit for unit in range(width)}
    todo = [(root, start, [_HybridIndex(idx=unit, root_idx=unit) for unit in range(width)])]
    while todo:
        node, handler, units = todo.pop()
        if node in graph.opaque:
            raise _Spoiled(f"{_described(graph, node)} moves them in a way that cannot be followed")
        for dependency in node.dependencies:
            if not dependency.is_triggered_by(handler):
                continue
            moved = units
            for mapping in dependency.index_mapping:
                if mapping is not None:
                    try:
                        moved = mapping(moved)
                    except _MAPPING_FAILS:
                        raise _Spoiled(f"{_described(graph, dependency.target)} cannot be followed") from None
                    work.spend(len(moved))
            if not moved:
                continue
            work.spend(len(moved))
            target, act = dependency.target, dependency.handler
            places = found.places.setdefault((target, act), {})
            size = _size(graph, target, act)
            fresh = []
            for one in moved:
                if one.root_idx is None or not 0 <= one.idx < size:
                    raise _Spoiled(f"{_described(graph, target)} has other units than those that reach it")
                if one.idx not in places:
                    places[one.idx] = one.root_idx
                    fresh.append(one)
                elif places[one.idx] != one.root_idx:
                    raise _Spoiled(f"{_described(graph, target)} ties them to each other")
            if fresh:
                todo.append((target, act, fresh))


def _size(graph: Any, node: Any, handler: Any) -> float:
    """How many units a layer has on the side that ``handler`` takes them from."""
    pruner = graph.get_pruner_of_module(node.module)
    if not isinstance(node.module, (nn.Module, nn.Parameter)) or pruner is None:
        return math.inf
    pruner.pruning_dim = node.pruning_dim
    size = (pruner.get_out_channels if graph.is_out_channel_pruning_fn(handler) else pruner.get_in_channels)(
        node.module
    )
    return math.inf if size is None else size


def _described(graph: Any, node: Any) -> str:
    return str(graph._module2name.get(node.module) or f"an operation ({node.type.name.lower()})")
