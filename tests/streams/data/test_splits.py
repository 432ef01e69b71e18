"""Splits have NEVIS'22's shares, class by class, and repeat."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.task import Split
from streams.data.splits import OFFICIAL_TEST, POOLED, strata, stratified_splits


def _cut(labels, shares=POOLED, seed=0):
    return stratified_splits(np.asarray(labels), np.random.default_rng(seed), shares)


def test_a_pooled_set_is_cut_56_12_12_20_in_every_class() -> None:
    labels = np.repeat([0, 1], [100, 300])
    for label, n in ((0, 100), (1, 300)):
        counts = {split: int((labels[index] == label).sum()) for split, index in _cut(labels).items()}
        assert counts == {split: share * n // 100 for split, share in POOLED.items()}


def test_beside_an_official_test_the_rest_is_cut_70_15_15() -> None:
    assert {s: len(i) for s, i in _cut(np.zeros(200), OFFICIAL_TEST).items()} == {
        Split.TRAIN: 140,
        Split.DEV: 30,
        Split.DEV_TEST: 30,
    }


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=80), st.integers(0, 5))
def test_every_image_is_in_exactly_one_split_and_a_class_of_four_in_all(labels, seed) -> None:
    splits = _cut(labels, seed=seed)
    assert sorted(np.concatenate(list(splits.values()))) == list(range(len(labels)))
    for label in set(labels):
        held = [label in np.asarray(labels)[index] for index in splits.values()]
        assert sum(held) == min(labels.count(label), 4)


def test_rounding_in_many_small_classes_does_not_starve_a_split() -> None:
    sizes = [len(index) for index in _cut(np.arange(1000) % 100, OFFICIAL_TEST).values()]
    assert sizes == [700, 150, 150]


def test_a_class_of_one_image_is_for_training() -> None:
    splits = _cut([0] * 10 + [1])
    assert 10 in splits[Split.TRAIN]


def test_the_same_seed_cuts_alike_and_another_does_not() -> None:
    labels = np.arange(400) % 4
    first, again, other = _cut(labels), _cut(labels), _cut(labels, seed=1)
    assert all(np.array_equal(first[s], again[s]) for s in Split)
    assert not np.array_equal(first[Split.TRAIN], other[Split.TRAIN])


def test_a_row_of_labels_counts_as_its_rarest_one() -> None:
    rows = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1], [0, 1, 0], [1, 0, 0]], np.uint8)
    assert strata(rows).tolist() == [1, 0, 3, 2, 1, 0]
