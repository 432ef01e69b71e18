"""Between which errors does a task leave room? That of a frozen head of the same net, and the best known one."""

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.config.notation import Written, parse
from harness.core.errors import UserError
from reports.boards.board import Board
from reports.statistics.student import seed_means

FROZEN = ("ridge", "linear_probe")
"""The head on frozen features that is taken, the first that was run; at its largest budget."""


class Anchors(NamedTuple):
    """Errors (tasks,), nan where they are not known. ``frozen``: of the head. ``best``: the least on record."""

    frozen: NDArray[np.float64]
    best: NDArray[np.float64]


def anchors(board: Board) -> Anchors:
    """The two errors for each task of ``board``."""
    table = _table().get(base_stream(str(board.setting["stream"])), {})
    best = np.asarray([float(table.get(str(task), math.nan)) for task in board.tasks["task"]])
    for label in FROZEN:
        budgets = [budget for budget in board.budgets if (label, budget) in board.cells]
        if budgets:
            return Anchors(seed_means(board.values(label, budgets[-1])), best)
    return Anchors(np.full(len(best), math.nan), best)


def base_stream(stream: str) -> str:
    """The stream whose test images these are: without a cap on training images, without a choice of tasks.

    As it stands where it cannot be read.
    """
    try:
        written = parse(stream)
        while "stream" in written.options:
            written = parse(str(written.options["stream"]))
    except UserError:
        return stream
    return str(Written(written.name, {key: value for key, value in written.options.items() if key != "tasks"}))


@cache
def _table() -> Mapping[str, Mapping[str, float]]:
    found: Mapping[str, Mapping[str, float]] = tomllib.loads(
        (Path(__file__).parent / "best_known.toml").read_text(encoding="utf-8")
    )
    return found
