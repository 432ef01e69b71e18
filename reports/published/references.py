"""Are a person's results those that others had? Their cells beside the same cells of reference bundles.

Two cells are the same where the task, the net, its weights, image size, precision, scored split, strategy and budget
are. The task is, where the fingerprints of the streams agree; else, where name, kind, classes and the number of images
of every split agree, which is said. What differs in recipe, strategy version or protocol is named and not judged.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from reports.boards.board import Board
from reports.published.conditions import TRAINING, without_training
from reports.statistics.arrays import Floats
from reports.statistics.student import HERE, by_seed, here, welch
from reports.tables.table import Column, Table

_SETTING = ("backbone", "weights_hash", "size", "precision", "scoring")
_FACTS = ("task", "kind", "num_classes", "train", "dev", "dev_test", "test")


@dataclass(frozen=True)
class Reference:
    """The boards of one bundle that others' results are held against."""

    name: str
    boards: tuple[Board, ...]


def beside(ours: Sequence[Board], references: Sequence[Reference]) -> Table:
    """A row for each strategy and budget of ours that a reference has on tasks that both have."""
    rows = [
        row
        for board in ours
        for reference in references
        for theirs in reference.boards
        if _alike(board, theirs)
        for row in _rows(board, reference.name, theirs)
    ]
    return Table(
        "references",
        "Reference results and ours",
        "Mean error over the tasks that both have, each with its seeds; the distance is ours minus the reference's, "
        "with a 95% interval (Welch's t over seeds). Tasks are the same by the fingerprint of the stream, or by name, "
        "kind and number of images, which is said. Where recipe, version or protocol differ, that is named and the "
        "pair is not judged.",
        pd.DataFrame(rows, columns=[column.key for column in _COLUMNS] + ["low", "high"]),
        _COLUMNS,
        row_head=3,
    )


_COLUMNS = (
    Column("reference", "Reference"),
    Column("strategy", "Strategy"),
    Column("budget", "Budget"),
    Column("tasks", "Tasks", "count"),
    Column("theirs", "Reference", "error"),
    Column("ours", "Ours", "error"),
    Column("distance", "Distance", "signed", low="low", high="high"),
    Column("verdict", "Verdict"),
    Column("why", "Why"),
)


def _alike(board: Board, theirs: Board) -> bool:
    return all(board.setting[name] == theirs.setting[name] for name in _SETTING)


def _rows(board: Board, name: str, theirs: Board) -> list[dict[str, Any]]:
    mine, other, known = shared_tasks(board, theirs)
    if not mine:
        return []
    rows = []
    for label, budget in board.cells:
        for twin in theirs.labels:
            if (twin, budget) in theirs.cells and without_training(twin) == without_training(label):
                rows.append(_row(board, theirs, (label, twin), budget, (mine, other), known) | {"reference": name})
    return [row for row in rows if not (math.isnan(row["ours"]) or math.isnan(row["theirs"]))]


def shared_tasks(board: Board, theirs: Board) -> tuple[list[int], list[int], str]:
    """Places of the tasks that both have, on either board, and how that is known."""
    described = {key: place for place, key in enumerate(_described(theirs))}
    pairs = [(place, described[key]) for place, key in enumerate(_described(board)) if key in described]
    same = board.setting["fingerprint"] == theirs.setting["fingerprint"]
    return [a for a, _ in pairs], [b for _, b in pairs], "" if same else "tasks alike by name and size only"


def _described(board: Board) -> list[tuple[str, ...]]:
    """Of each task of the board, in its order: name, kind, classes, and the number of images of every split."""
    rows = board.rows.drop_duplicates("index").set_index("index").reindex(board.tasks["index"])
    return [tuple(map(str, row)) for row in rows[list(_FACTS)].itertuples(index=False)]


def _row(
    board: Board, theirs: Board, labels: tuple[str, str], budget: str, places: tuple[list[int], list[int]], known: str
) -> dict[str, Any]:
    label, twin = labels
    ours, other = (one.values(name, budget)[place] for one, name, place in
                   ((board, label, places[0]), (theirs, twin, places[1])))  # fmt: skip
    there = ~np.isnan(ours).all(axis=1) & ~np.isnan(other).all(axis=1)
    ours, other = ours[there], other[there]
    gap = welch(HERE, by_seed(ours), by_seed(other)) if len(ours) else here(ours)
    reasons = _reasons(board, theirs, label, twin)
    verdict, why = _verdict(ours, other, gap.low, gap.high) if not reasons else ("not judged", "; ".join(reasons))
    return {
        "strategy": label, "budget": budget, "tasks": len(ours), "ours": here(ours).value, "theirs": here(other).value,
        "distance": here(ours).value - here(other).value, "low": gap.low, "high": gap.high, "verdict": verdict,
        "why": "; ".join(part for part in (why, known) if part),
    }  # fmt: skip


def _reasons(board: Board, theirs: Board, label: str, twin: str) -> list[str]:
    """What differs between two cells of one strategy and budget."""
    found = []
    ours, other = (dict(one.options[name]) for one, name in ((board, label), (theirs, twin)))
    differing = sorted(name for name in {*ours, *other} if ours.get(name) != other.get(name))
    if training := [name for name in differing if name in TRAINING]:
        found.append(f"another recipe ({', '.join(training[:3])})")
    if rest := [name for name in differing if name not in TRAINING and name in ours and name in other]:
        found.append(f"other options ({', '.join(rest[:3])})")
    (version, source), (their_version, their_source) = board.codes[label], theirs.codes[twin]
    if version != their_version:
        found.append(f"strategy version {version}, the reference's {their_version}")
    if source != their_source:
        found.append(f"code of the plugin {source[:8] or 'none'}, the reference's {their_source[:8] or 'none'}")
    if board.setting["protocol_version"] != theirs.setting["protocol_version"]:
        found.append(
            f"protocol {board.setting['protocol_version']}, the reference's {theirs.setting['protocol_version']}"
        )
    return found


def _verdict(ours: Floats, other: Floats, low: float, high: float) -> tuple[str, str]:
    if ours.shape == other.shape and np.array_equal(ours, other, equal_nan=True):
        return "the same", "equal errors, task by task and seed by seed"
    if math.isnan(low):
        return "not judged", "one seed says nothing of the spread"
    if low <= 0 <= high:
        return "within spread", "no difference that seeds do not explain"
    return "differs", "more than seeds explain"
