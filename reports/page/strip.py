"""What is the answer at a glance? A strip: a row a strategy, a column a budget, the best of each marked."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.boards.answer import budgets_in_words, regime
from reports.boards.board import Board
from reports.figures.style import Look
from reports.page.document import mark
from reports.statistics.student import HERE
from reports.tables.table import DASH, written

FAR = 0.25
"""So far behind the leader, in error, a cell has no colour at all."""


def strip(board: Board, curve: pd.DataFrame, looks: Mapping[str, Look]) -> dict[str, Any]:
    """What the template needs: the strategies in colour, at every budget, and how far each is behind the best.

    Args:
        curve: from :func:`reports.tables.curves.curves`.
    """
    cells = {(row["strategy"], row["budget"]): row for row in curve.to_dict("records")}
    labels = [label for label in board.labels if not looks[label].rest]
    rows: list[dict[str, Any]] = [
        {
            "label": label,
            "mark": mark(looks[label]),
            "cells": [_cell(board, label, budget, cells.get((label, budget))) for budget in board.budgets],
        }
        for label in labels
    ]
    return {
        "columns": [_column(board, budget) for budget in board.budgets],
        "rows": rows,
        "others": len(board.labels) - len(labels),
        "parts": any(cell["part"] for row in rows for cell in row["cells"]),
    }


def _column(board: Board, budget: str) -> dict[str, str]:
    known = regime(board, budget)
    told = f"{known.images} images shown to the dense net, {known.steps}" if known.most else ""
    return {"budget": budget, "title": budgets_in_words([budget]), "band": known.bands, "told": told}


def _cell(board: Board, label: str, budget: str, row: Mapping[Any, Any] | None) -> dict[str, str]:
    if row is None:
        return {"text": "", "kind": "none", "heat": "", "told": "not run", "part": ""}
    paid = "" if row["complete"] else f"{row['tasks']} of {row['of_tasks']} tasks"
    part = "" if row["complete"] else f"{row['tasks']}/{row['of_tasks']}"
    if row["apart"] or budget not in board.leads:
        few = f"could pay for {paid or 'no task'}: listed apart"
        return {"text": DASH, "kind": "none", "heat": "", "told": few, "part": part}
    found = board.leads[budget]
    ends = written(row["error"], "error")
    if written(row["low"], "error") != DASH:
        ends += f" [{written(row['low'], 'error')}, {written(row['high'], 'error')}] {HERE}"
    told = [ends, *([paid] if paid else [])]
    text = written(row["error"], "error")
    if found.leader[0] == label:
        return {"text": text, "kind": "lead", "heat": "1.00", "told": "; ".join([*told, "leads"]), "part": part}
    gap = found.gaps[label, budget].here
    alike = gap.known and not gap.low > 0
    told.append(f"{100 * gap.value:.1f} points behind {found.leader[0]}{', not told apart' if alike else ''}")
    heat = max(0.0, 1 - gap.value / FAR)
    kind = "alike" if alike else ""
    return {"text": text, "kind": kind, "heat": f"{heat:.2f}", "told": "; ".join(told), "part": part}
