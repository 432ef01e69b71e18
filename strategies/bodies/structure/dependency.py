"""Which layers hold the same units? A walk over torch-pruning's dependency graph (DepGraph, arXiv 2301.12900).

The graph and its index mappings are torch-pruning's; the walk is ours: each unit of each layer is visited once, so that
time and memory are bounded, and a width whose units cannot be followed one by one is left out with the reason. Units
that go the same way are moved at once, as arrays.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.core.errors import UserError

LAYERS = (nn.modules.conv._ConvNd, nn.Linear)

_MAPPING_FAILS = (TypeError, ValueError, IndexError, ZeroDivisionError, AttributeError)
"""What torch-pruning's mappings raise for nets that they do not fit."""

WORK = 20_000_000
"""Units of layers that are looked at before a net counts as too entangled: some seconds. DenseNet-201 takes 3 M."""

Numbers = NDArray[np.int64]
NOBODY = -1
"""In place of a unit's number: no unit of the width is there."""


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
        places: by node and handler of the graph, int64: the number in the root of the unit at each position of that
            layer, :data:`NOBODY` where there is none. Positions behind the last are empty too.
        reason: why single units cannot be taken away; empty where they can.
    """

    root: nn.Module
    places: dict[tuple[Any, Any], Numbers]
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
    root, units = graph.module2node[found.root], np.arange(width)
    found.places[root, start] = units.copy()
    sizes: dict[tuple[Any, Any], float] = {}
    todo = [(root, start, units, units)]
    while todo:
        node, handler, *units_of_node = todo.pop()
        if node in graph.opaque:
            raise _Spoiled(f"{_described(graph, node)} moves them in a way that cannot be followed")
        for dependency in node.dependencies:
            if not dependency.is_triggered_by(handler):
                continue
            positions, numbers = units_of_node
            for mapping in dependency.index_mapping:
                if mapping is not None and len(positions):
                    try:
                        positions, numbers = _moved(mapping, positions, numbers)
                    except _MAPPING_FAILS:
                        raise _Spoiled(f"{_described(graph, dependency.target)} cannot be followed") from None
                    work.spend(len(positions))
            if not len(positions):
                continue
            work.spend(len(positions))
            key = target, act = dependency.target, dependency.handler
            if key not in sizes:
                sizes[key] = _size(graph, target, act)
            outside = (numbers == NOBODY) | (positions < 0) | (positions >= sizes[key])
            # Whatever is wrong with the unit that comes first is said.
            right = int(outside.argmax()) if outside.any() else len(positions)
            places = _long_enough(found.places.get(key, np.empty(0, np.int64)), positions[:right])
            found.places[key] = places
            fresh = _put(places, positions[:right], numbers[:right])
            if (places[positions[:right]] != numbers[:right]).any():
                raise _Spoiled(f"{_described(graph, target)} ties them to each other")
            if right < len(positions):
                raise _Spoiled(f"{_described(graph, target)} has other units than those that reach it")
            if len(fresh):
                todo.append((target, act, positions[fresh], numbers[fresh]))


def _long_enough(places: Numbers, positions: Numbers) -> Numbers:
    """``places``, or a longer copy that has room for ``positions``."""
    missing = int(positions.max(initial=-1)) + 1 - len(places)
    return np.pad(places, (0, missing), constant_values=NOBODY) if missing > 0 else places


def _put(places: Numbers, positions: Numbers, numbers: Numbers) -> Numbers:
    """Put units at those of ``positions`` where none was, of several for one position the first; gives who was put."""
    new = np.flatnonzero(places[positions] == NOBODY)
    back = new[::-1]  # Of several values for one position numpy leaves the last.
    places[positions[back]] = back
    first: Numbers = new[places[positions[new]] == new]
    places[positions[first]] = numbers[first]
    return first


def _moved(mapping: Any, positions: Numbers, numbers: Numbers) -> tuple[Numbers, Numbers]:
    """What one of torch-pruning's index mappings makes of all units at once."""
    from torch_pruning.dependency import index_mapping as kinds

    match mapping:
        case kinds._FlattenIndexMapping(reverse=True):
            span = int(numbers.max()) + 2  # Pairs as one number each, with room for NOBODY.
            pairs = np.unique(positions // mapping._stride * span + numbers - NOBODY)
            return pairs // span, pairs % span + NOBODY
        case kinds._FlattenIndexMapping():
            each = positions[:, None] * mapping._stride + np.arange(mapping._stride)
            return each.ravel(), np.repeat(numbers, mapping._stride)
        case kinds._ConcatIndexMapping(reverse=False) | kinds._SplitIndexMapping(reverse=True):
            return positions + mapping.offset[0], numbers
        case kinds._ConcatIndexMapping() | kinds._SplitIndexMapping():
            inside = positions >= mapping.offset[0]
            if inside.any():  # The last part may have no end, which matters to those alone that could be in it.
                inside &= positions < mapping.offset[1]
            return positions[inside] - mapping.offset[0], numbers[inside]
        case kinds._SliceIndexMapping(reverse=True):
            return positions * mapping.step + mapping.start, numbers
        case kinds._SliceIndexMapping():
            after = positions - mapping.start
            inside = (after >= 0) & (positions < mapping.end) & (after % mapping.step == 0)
            return after[inside] // mapping.step, numbers[inside]
        case kinds._GQAIndexMapping(reverse=True):  # Several heads read each of these units.
            return positions, np.full_like(numbers, NOBODY)
        case kinds._GQAIndexMapping():
            return positions[:0], numbers[:0]
    raise TypeError(f"no mapping of torch-pruning {TESTED}: {type(mapping).__name__}")


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
