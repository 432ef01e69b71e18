"""What does the live picture in the page know? Every record of a board, as compact JSON."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from reports.boards.answer import MOST
from reports.boards.board import ENOUGH, Board
from reports.figures.axes import ROOM
from reports.figures.style import COLORS, Look
from reports.page.document import marker_path
from reports.statistics.metrics import SLACK
from reports.statistics.student import NOISE, quantile
from reports.tables.curves import budget_costs

CONSTANTS = {"most": MOST, "slack": SLACK, "noise": NOISE, "enough": ENOUGH, "room": ROOM}
"""What the page's script decides by, as Python does."""


def chart_data(
    board: Board, curves: pd.DataFrame, looks: Mapping[str, Look], *, anchor: str, title: str = ""
) -> dict[str, Any]:
    """Tasks, strategies with their looks, and for each cell errors, FLOPs and seconds as (tasks, seeds)."""
    labels, budgets = list(board.labels), list(board.budgets)
    known = {(row.strategy, row.budget): row for row in curves.itertuples()}
    ticks = [(budget, cost) for budget, cost in budget_costs(board).items() if math.isfinite(cost) and cost > 0]
    return {
        "anchor": anchor,
        "title": title,
        "ticks": [[budget, float(f"{cost:.4g}")] for budget, cost in ticks],
        "tasks": board.tasks[["task", "domain", "provenance"]].rename(columns={"task": "name"}).to_dict("records"),
        "labels": [_label(label, looks[label]) for label in labels],
        "budgets": budgets,
        "seeds": board.seeds,
        "student": [quantile(freedom) for freedom in range(1, max(2, len(board.seeds)))],
        "cells": [
            {
                "label": labels.index(label),
                "budget": budgets.index(budget),
                "exact": (label, budget) in board.unchanging,
                "low": _number(known[label, budget].low),
                "high": _number(known[label, budget].high),
                "error": _table(board.values(label, budget), 5),
                "flops": _table(board.values(label, budget, "flops"), 4),
                "seconds": _table(board.values(label, budget, "seconds"), 3),
            }
            for label, budget in board.cells
        ],
    }


def _label(label: str, look: Look) -> dict[str, Any]:
    color = [light for light, _ in COLORS].index(look.light)
    dash = " ".join(f"{length * 2:g}" for length in look.dash)
    return {"name": label, "color": color, "dash": dash, "marker": marker_path(look.marker, 15, 6, 4.8),
            "rest": look.rest}  # fmt: skip


def _table(values: "np.ndarray[Any, np.dtype[np.float64]]", digits: int) -> list[list[float | None]]:
    return [[None if math.isnan(x) else float(f"{x:.{digits}g}") for x in row] for row in values.tolist()]


def _number(value: Any) -> float | None:
    return None if pd.isna(value) or math.isinf(value) else float(value)
