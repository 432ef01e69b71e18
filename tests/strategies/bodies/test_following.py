"""Units are moved as arrays, exactly as torch-pruning moves them one by one; few trials find what does harm."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch_pruning._helpers import _HybridIndex
from torch_pruning.dependency import index_mapping as kinds

from strategies.bodies.structure.dependency import NOBODY, _moved, _put
from strategies.bodies.structure.groups import Group, widths
from strategies.bodies.structure.shapes import copied
from strategies.bodies.structure.trial import _harmless, unread
from strategies.bodies.structure.units import weight_of

numbers = st.integers(0, 20)
units = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=30)


@st.composite
def mappings(draw: Any) -> Any:
    reverse, small = draw(st.booleans()), st.integers(1, 4)
    first = draw(numbers)
    match draw(st.sampled_from(["flatten", "concat", "split", "slice", "heads"])):
        case "flatten":
            return kinds._FlattenIndexMapping(draw(small), reverse)
        case "concat":
            return kinds._ConcatIndexMapping([first, first + draw(small)], reverse)
        case "split":
            return kinds._SplitIndexMapping([first, first + draw(small)], reverse)
        case "slice":
            return kinds._SliceIndexMapping(1, first, draw(small), first + draw(numbers), reverse)
    return kinds._GQAIndexMapping(1, draw(small), reverse)


@given(units, mappings())
def test_units_move_as_one_by_one(pairs: list[tuple[int, int]], mapping: Any) -> None:
    one_by_one = [
        (one.idx, NOBODY if one.root_idx is None else one.root_idx)
        for one in mapping([_HybridIndex(idx=position, root_idx=number) for position, number in pairs])
    ]
    positions, moved = _moved(mapping, *np.array(pairs).T)
    at_once = list(zip(positions.tolist(), moved.tolist(), strict=True))
    # Nobody needs the order of units that torch-pruning takes from a set.
    assert sorted(at_once) == sorted(one_by_one)
    assert at_once == one_by_one or isinstance(mapping, kinds._FlattenIndexMapping)


def test_a_part_without_an_end_holds_nobody_before_its_beginning() -> None:
    part = kinds._SplitIndexMapping([8])
    assert len(_moved(part, np.arange(4), np.arange(4))[0]) == 0
    with pytest.raises(IndexError):
        _moved(part, np.arange(12), np.arange(12))


@given(st.lists(st.integers(NOBODY, 5), min_size=21, max_size=21), units)
def test_units_are_put_where_none_was_the_first_first(before: list[int], pairs: list[tuple[int, int]]) -> None:
    places, held, fresh = np.array(before), dict(enumerate(before)), []
    for turn, (position, number) in enumerate(pairs):
        if held[position] == NOBODY:
            held[position] = number
            fresh.append(turn)
    assert _put(places, *np.array(pairs).T).tolist() == fresh
    assert places.tolist() == list(held.values())


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_trials_find_all_that_do_harm_and_nothing_else(each: list[tuple[bool, bool]]) -> None:
    groups = [Group(str(n), 2, (), inner, output=False, residual=False) for n, (inner, _) in enumerate(each)]
    bad = {str(n) for n, (_, harm) in enumerate(each) if harm}
    trials = []

    def fault(some: list[Group]) -> str:
        trials.append(some)
        return " ".join(group.name for group in some if group.name in bad)

    harmless, faults = _harmless(groups, fault)
    assert [group.name for group in harmless] == [group.name for group in groups if group.name not in bad]
    assert list(faults.items()) == [(group.name, group.name) for group in groups if group.name in bad]
    assert len(trials) <= 2 * len(groups) + 3


def test_of_widths_that_do_harm_together_the_last_is_left_out() -> None:
    groups = [Group(name, 2, (), inner=True, output=False, residual=False) for name in "abcd"]
    harmless, faults = _harmless(groups, lambda some: "both" if {"b", "d"} <= {group.name for group in some} else "")
    assert [group.name for group in harmless] == ["a", "b", "c"]
    assert faults == {"d": "both"}


class _Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(4, 4) for _ in range(3))
        self.third.weight = self.second.weight


def test_a_copy_shares_what_is_not_changed_and_ties_what_was_tied() -> None:
    net = _Tied()
    shared = copied(net, lambda weight: weight)
    assert shared.first is not net.first
    assert shared.first.weight is net.first.weight
    cast = copied(net, torch.Tensor.double)
    assert cast.second.weight is cast.third.weight
    assert cast.second.weight.dtype == torch.float64
    assert net.second.weight.dtype == torch.float32


def test_looking_for_readers_leaves_the_net_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1, groups=2), nn.Flatten(), nn.Linear(128, 4))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    groups = widths(net, 4).groups
    assert unread(net, 4, groups) == ""
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(weight_of(net, name).shape == before[f"{name}.weight"].shape for name in ("0", "2", "4"))
