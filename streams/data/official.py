"""How do a data set's own parts become the four splits? After NEVIS'22's three rules."""

from collections.abc import Mapping, Sequence

import numpy as np

from harness.core.task import Split
from streams.data.prepared import Array
from streams.data.splits import OFFICIAL_TEST, POOLED, strata, stratified_splits

_WITH_VALIDATION: Mapping[Split, int] = {Split.TRAIN: 80, Split.DEV: 20}
_HALVED: Mapping[Split, int] = {Split.DEV_TEST: 50, Split.TEST: 50}


def official_splits(
    labels: Array, parts: Sequence[int], generator: np.random.Generator, *, together: Array | None = None
) -> dict[Split, Array]:
    """Index arrays of the splits.

    Args:
        labels: classes (n,) or rows of labels (n, k), all parts one after another.
        parts: how many images each official part has: one part is cut 56/12/12/20; of train and test, train is cut
            70/15/15; of train, validation and test, train is cut 80/20 and validation is dev_test; four are the splits.
        together: numbers (n,) that are equal for images which must not be cut apart, where some must not.
    """
    classes = strata(labels) if labels.ndim == 2 else labels
    ends = np.cumsum(parts)
    pieces = np.split(np.arange(len(labels)), ends[:-1])
    if len(pieces) == len(Split):
        return dict(zip(Split, pieces, strict=True))
    rule = {1: POOLED, 2: OFFICIAL_TEST, 3: _WITH_VALIDATION}[len(pieces)]
    splits = _cut(pieces[0], classes, generator, rule, together)
    if len(pieces) == 3:
        splits[Split.DEV_TEST] = pieces[1]
    if len(pieces) > 1:
        splits[Split.TEST] = pieces[-1]
    return splits


def halved_validation(
    labels: Array, parts: Sequence[int], generator: np.random.Generator, *, together: Array | None = None
) -> dict[Split, Array]:
    """As :func:`official_splits` for train and validation, where validation is halved into dev_test and test."""
    classes = strata(labels) if labels.ndim == 2 else labels
    train, validation = np.split(np.arange(len(labels)), [parts[0]])
    return _cut(train, classes, generator, _WITH_VALIDATION, together) | _cut(
        validation, classes, generator, _HALVED, together
    )


def _cut(
    members: Array,
    classes: Array,
    generator: np.random.Generator,
    rule: Mapping[Split, int],
    together: Array | None = None,
) -> dict[Split, Array]:
    if together is None:
        found = stratified_splits(classes[members], generator, rule)
        return {split: members[index] for split, index in found.items()}
    # The first of those that belong together is drawn for all of them.
    _, first, group = np.unique(together[members], return_index=True, return_inverse=True)
    drawn = np.sort(first)
    found = stratified_splits(classes[members[drawn]], generator, rule)
    return {split: members[np.isin(first[group], drawn[index])] for split, index in found.items()}
