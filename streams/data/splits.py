"""Which image belongs to which split? NEVIS'22's shares, stratified by class and seeded.

Shares after dm_nevis (github.com/google-deepmind/dm_nevis): a pooled set is cut 56/12/12/20 into train, dev, dev_test
and test; a set with an official test keeps it, and the rest is cut 70/15/15. dm_nevis draws without regard to class;
here every class keeps the shares, so that a rare one does not miss a split.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from harness.core.errors import UserError
from harness.core.task import Split
from streams.data.prepared import Array

POOLED: Mapping[Split, int] = {Split.TRAIN: 56, Split.DEV: 12, Split.DEV_TEST: 12, Split.TEST: 20}
OFFICIAL_TEST: Mapping[Split, int] = {Split.TRAIN: 70, Split.DEV: 15, Split.DEV_TEST: 15}

# Which splits a class with fewer images than splits still reaches.
_FIRST = (Split.TRAIN, Split.TEST, Split.DEV_TEST, Split.DEV)


def stratified_splits(
    labels: Array, generator: np.random.Generator, shares: Mapping[Split, int] = POOLED
) -> dict[Split, Array]:
    """Sorted indices of each split; every class is cut in the proportions ``shares``.

    A class with at least as many images as splits is in all of them; one with fewer goes to train first, then to
    test, dev_test, dev.

    Args:
        labels: class indices (n,).
    """
    parts: dict[Split, list[Array]] = {split: [] for split in shares}
    owed = np.zeros(len(shares))
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        counts = shared_out(len(members), shares, owed)
        # What rounding took from a split in one class it gets in the next ones, so that totals keep the shares too.
        owed += _exact(len(members), shares) - counts
        for split, part in zip(shares, np.split(members, np.cumsum(counts)[:-1]), strict=True):
            parts[split].append(part)
    empty = [np.empty(0, np.int64)]
    return {split: np.sort(np.concatenate(empty + found)).astype(np.int64) for split, found in parts.items()}


def strata(rows: Array) -> Array:
    """One class index a row of multilabel ``rows`` (n, labels): its rarest label that is set; none has its own."""
    counts = rows.sum(axis=0)
    rank = np.where(rows > 0, counts[None, :].astype(np.int64), np.iinfo(np.int64).max)
    classes: Array = np.where(rows.any(axis=1), rank.argmin(axis=1), rows.shape[1])
    return classes


def shared_out(n: int, shares: Mapping[Split, int], owed: Array | float = 0.0) -> Sequence[int]:
    """How many of ``n`` each split gets, in order: largest remainders, but none empty that can be filled.

    ``owed`` is added to the remainders.
    """
    if n < len(shares):
        chosen = [split for split in _FIRST if split in shares][:n]
        return [int(split in chosen) for split in shares]
    exact = _exact(n, shares)
    counts = np.floor(exact).astype(int)
    # Rounded, so that equal remainders stay equal whatever was owed before.
    by_remainder = np.argsort(np.round(counts - exact - owed, 9), kind="stable")
    counts[by_remainder[: n - counts.sum()]] += 1
    while (counts == 0).any():
        counts[counts.argmax()] -= 1
        counts[counts.argmin()] += 1
    return [int(count) for count in counts]


def refuse_empty(splits: Mapping[Split, Array], labels: Array) -> None:
    """Stop before anything is spent where a split holds no image.

    Raises:
        UserError: it says which splits are empty and how many images would fill them.
    """
    empty = [str(split) for split in Split if len(splits[split]) == 0]
    if empty:
        most = int(np.bincount(labels).max()) if labels.ndim == 1 else len(labels)
        raise UserError(
            f"{len(labels)} images, at most {most} a class, leave the split {' and '.join(empty)} empty; a class of "
            f"{len(Split)} different images is cut into all {len(Split)} splits: add images"
        )


def _exact(n: int, shares: Mapping[Split, int]) -> Array:
    return np.array(list(shares.values())) * n / sum(shares.values())
