"""What is the error of every strategy at every budget? The main picture as one table, a column for each budget."""

import pandas as pd

from reports.board import Board
from reports.tables import Column, Table


def budgets_table(board: Board, curve: pd.DataFrame) -> Table:
    """Rows are strategies, best at the largest budget first; ``curve`` is that of :func:`reports.curves.curves`."""
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
