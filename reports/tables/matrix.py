"""Which strategy fails on which task? Strategies x tasks in stream order, one table for each budget."""

import math

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from reports.boards.board import Board
from reports.reading.frame import MISSING
from reports.statistics.student import seed_means
from reports.tables.ranks import TIE
from reports.tables.table import Column, Table


def matrix_table(board: Board, budget: str) -> Table:
    """Errors of every strategy on every task at ``budget``, mean over seeds; coloured by rank within a task."""
    labels = [label for label in board.labels if (label, budget) in board.cells]
    # (strategies, tasks)
    means = np.asarray([seed_means(board.values(label, budget)) for label in labels]).reshape(-1, len(board.tasks))
    ranks = rankdata(np.round(means, TIE), axis=0, nan_policy="omit")
    last = np.maximum(1.0, np.isfinite(means).sum(axis=0) - 1)
    notes, order = _notes(board, budget), [int(index) for index in board.tasks["index"]]
    columns: dict[str, list[object]] = {"strategy": list(labels)}
    shown = [Column("strategy", "Strategy")]
    for place, task in enumerate(board.tasks.itertuples()):
        key = f"{place}: {task.task}"
        columns[key] = list(means[:, place])
        # By rank: one failure far off would otherwise make all the rest look alike.
        columns[f"{key} heat"] = list((ranks[:, place] - 1) / last[place])
        columns[f"{key} note"] = [notes.get((label, order[place]), "") for label in labels]
        kind = f"{task.kind} of {task.num_classes}, {task.train} training images"
        facts = f"{task.year}, {task.domain}, {kind}, {task.provenance}"
        shown.append(
            Column(
                key,
                str(task.task),
                "error",
                heat=f"{key} heat",
                note=f"{key} note",
                help=facts,
                group=(str(task.domain), str(task.provenance)),
            )
        )
    return Table(
        f"tasks_{budget}",
        f"Error by task at {budget}",
        "Mean over seeds, tasks in the order of the stream. The darker, the better its rank in the column. "
        "A dash is a task without a result; its status stands beside it in the runs table.",
        pd.DataFrame(columns),
        tuple(shown),
        filters={"strategy": "strategy"},
        filtered="hide",
        folded=budget != board.budgets[-1],
    )


def _notes(board: Board, budget: str) -> dict[tuple[str, int], str]:
    """What every seed said of a strategy's task: its error, or why there is none."""
    part = board.rows[board.rows["budget"] == budget].sort_values("seed")
    said: dict[tuple[str, int], list[str]] = {}
    columns = (part[name] for name in ("label", "index", "seed", "error", "status"))
    for label, index, seed, error, status in zip(*columns, strict=True):
        found = _why(str(status)) if math.isnan(error) else f"{error:.3f}"
        said.setdefault((str(label), int(index)), []).append(f"seed {seed}: {found}")
    return {key: "; ".join(lines) for key, lines in said.items()}


def _why(status: str) -> str:
    return "not learnt" if status == MISSING else f"no error recorded, {status}"
