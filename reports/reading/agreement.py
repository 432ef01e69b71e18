"""How often does a strategy say what the dense net says? Predicted classes of the same images, pair by pair."""

import math

import numpy as np
import pandas as pd

from harness.core.schema import unpacked

PREDICTED = "predicted"
"""The column of what an ``error`` record holds under this name: predicted classes of the first test images."""

CELL = ["board", "budget", "seed", "index"]
"""What two predictions must share, to be of the same images at the same cost."""


def with_agreement(tasks: pd.DataFrame, *, reference: str) -> pd.DataFrame:
    """``tasks`` with a column ``agreement``: the share of images on which a row and ``reference`` predict one class.

    Not a number where one of the two did not say what it predicted. The column ``predicted`` is gone.
    """
    if PREDICTED not in tasks:
        return tasks
    dense = tasks[(tasks["label"] == reference) & tasks["used"].astype(bool)].drop_duplicates(CELL)
    theirs = tasks[CELL].merge(dense[[*CELL, PREDICTED]], on=CELL, how="left")[PREDICTED]
    pairs = zip(tasks[PREDICTED], theirs, strict=True)
    shares = [agreement(unpacked(mine), unpacked(other)) for mine, other in pairs]
    return tasks.drop(columns=PREDICTED).assign(agreement=shares)


def agreement(
    mine: np.ndarray[tuple[int], np.dtype[np.uint16]] | None, theirs: np.ndarray[tuple[int], np.dtype[np.uint16]] | None
) -> float:
    """The share of images with one class in both; nan where they are not the same images."""
    if mine is None or theirs is None or len(mine) != len(theirs) or not len(mine):
        return math.nan
    return float((mine == theirs).mean())
