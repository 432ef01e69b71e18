"""What is the error of every strategy at every budget, and what its gain? A column for each budget."""

from collections.abc import Iterator

import pandas as pd

from reports.boards.board import ENOUGH, Board
from reports.statistics.student import FEWEST, HERE, LIKE, Estimate
from reports.tables.table import Column, Table


def budgets_table(board: Board, curve: pd.DataFrame) -> Table:
    """Rows are strategies, best at the largest budget first; ``curve`` is that of ``curves``."""
    cells = {(row["strategy"], row["budget"]): row for row in curve.to_dict("records")}
    rows = []
    for label in board.labels:
        row: dict[str, object] = {"strategy": label}
        for budget in board.budgets:
            cell = cells.get((label, budget), {})
            apart = cell.get("apart", False)
            # A mean over few tasks would make the error seem to rise where more can be paid for.
            row |= {f"{budget}{part and ' '}{part}": None if apart else cell.get(part or "error")
                    for part in ("", "low", "high")}  # fmt: skip
            row[f"{budget} tasks"] = "" if cell.get("complete", True) else f"({cell['tasks']} tasks)"
        rows.append(row)
    return Table(
        "budgets",
        "Error at every budget",
        f"Mean over {len(board.tasks)} tasks and their seeds, 95% intervals {HERE}: Student's t on means of seeds. "
        f"Where "
        "a budget does not pay for every task, how many it paid for stands behind; under "
        f"{ENOUGH:.0%} of them no mean is given, for it would be one over other tasks.",
        pd.DataFrame(rows),
        (Column("strategy", "Strategy"), *_columns(board, "error")),
        filters={"strategy": "strategy"},
    )


def gains_tables(board: Board) -> Iterator[Table]:
    """What each strategy gains on the dense net, pair by pair, and how sure that is: here, and on tasks like these."""
    for name, scope, how in (
        ("gains", HERE, "Student's t on means of seeds over these tasks"),
        ("gains_like", LIKE, f"Student's t on means of clusters of tasks, each counting the same; from {FEWEST} on"),
    ):
        yield Table(
            name,
            f"Gain over the dense net at every budget, {scope}",
            "Points of accuracy that a strategy is ahead of dense finetuning at the same budget, over the tasks that "
            "both "
            f"could pay for with the same seed, and its 95% interval {scope}: {how}. As tasks differ more than "
            "strategies do, this tells them apart where the intervals of their errors do not.",
            pd.DataFrame(_gains(board, scope)),
            (Column("strategy", "Strategy"), *_columns(board, "points", note=True)),
            filters={"strategy": "strategy"},
            folded=scope == LIKE,
        )


def _gains(board: Board, scope: str) -> Iterator[dict[str, object]]:
    reference = board.reference
    for label in board.labels:
        if reference is None or label == reference:
            continue
        row: dict[str, object] = {"strategy": label}
        for budget in board.budgets:
            gain = board.ahead((label, budget), (reference, budget))
            one = gain.here if scope == HERE else gain.like
            row |= {budget: one.value, f"{budget} low": one.low, f"{budget} high": one.high, f"{budget} n": one.n}
            row[f"{budget} tasks"] = _behind(one, len(board.tasks))
            row[f"{budget} note"] = _note(one)
        yield row


def _behind(one: Estimate, of: int) -> str:
    return f"({one.tasks} tasks)" if 0 < one.tasks < of else ""


def _note(one: Estimate) -> str:
    if not one.n:
        return ""
    seeds = f"{one.seeds} {'seed' if one.seeds == 1 else 'seeds'}"
    return f"n = {one.n}, {one.tasks} tasks{f' in {one.clusters} clusters' if one.clusters else ''}, {seeds}"


def _columns(board: Board, style: str, *, note: bool = False) -> list[Column]:
    return [
        Column(
            budget,
            budget,
            style,  # type: ignore[arg-type]
            low=f"{budget} low",
            high=f"{budget} high",
            behind=f"{budget} tasks",
            note=f"{budget} note" if note else "",
        )
        for budget in board.budgets
    ]
