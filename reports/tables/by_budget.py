"""What is the error of every strategy at every budget, and what its gain? A column for each budget."""

import math

import numpy as np
import pandas as pd

from reports.boards.board import Board
from reports.boards.evidence import paired
from reports.tables.table import Column, Table


def budgets_table(board: Board, curve: pd.DataFrame) -> Table:
    """Rows are strategies, best at the largest budget first; ``curve`` is that of ``curves``."""
    cells = {(row["strategy"], row["budget"]): row for row in curve.to_dict("records")}
    rows = []
    for label in board.labels:
        row: dict[str, object] = {"strategy": label}
        for budget in board.budgets:
            cell = cells.get((label, budget), {})
            row |= {f"{budget}{part and ' '}{part}": cell.get(part or "error") for part in ("", "low", "high")}
            row[f"{budget} tasks"] = "" if cell.get("complete", True) else f"({cell['tasks']} tasks)"
        rows.append(row)
    shown = [
        Column(budget, budget, "error", low=f"{budget} low", high=f"{budget} high", behind=f"{budget} tasks")
        for budget in board.budgets
    ]
    return Table(
        "budgets",
        "Error at every budget",
        f"Mean over {len(board.tasks)} tasks and their seeds, 95% bootstrap intervals over both. Where a budget does "
        "not pay for every task, how many it paid for stands behind; such a mean cannot be compared with one over all.",
        pd.DataFrame(rows),
        (Column("strategy", "Strategy"), *shown),
        filters={"strategy": "strategy"},
    )


def gains_table(board: Board) -> Table:
    """What each strategy gains on the dense net, paired: a run counts where both learnt the task with the same seed."""
    rows, reference = [], board.reference
    for label in board.labels:
        if reference is None or label == reference:
            continue
        row: dict[str, object] = {"strategy": label}
        for budget in board.budgets:
            dense, mine = board.values(reference, budget), board.values(label, budget)
            alone = np.isnan(dense) | np.isnan(mine)
            dense[alone], mine[alone] = math.nan, math.nan
            gain = paired(board, dense, mine)
            row |= {budget: gain.value, f"{budget} low": gain.low, f"{budget} high": gain.high, f"{budget} n": gain.n}
            row[f"{budget} tasks"] = f"({gain.tasks} tasks)" if 0 < gain.tasks < len(board.tasks) else ""
            row[f"{budget} note"] = f"n = {gain.n}, {gain.tasks} tasks" if gain.n else ""
        rows.append(row)
    shown = [
        Column(
            budget,
            budget,
            "points",
            low=f"{budget} low",
            high=f"{budget} high",
            behind=f"{budget} tasks",
            note=f"{budget} note",
        )
        for budget in board.budgets
    ]
    return Table(
        "gains",
        "Gain over the dense net at every budget",
        "Points of accuracy that a strategy is ahead of dense finetuning at the same budget: the mean over what both "
        "learnt with the same seed, and its 95% bootstrap interval over tasks and seeds. As tasks differ more than "
        "strategies do, this tells them apart where the intervals of their errors do not.",
        pd.DataFrame(rows),
        (Column("strategy", "Strategy"), *shown),
        filters={"strategy": "strategy"},
    )
