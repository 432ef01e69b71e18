"""How did training go? Steps, losses, whose weights were kept, and what diverged, by strategy and budget."""

import math
from typing import Any

import numpy as np
import pandas as pd

from harness.core.regime import WORDS
from reports.boards.board import Board
from reports.tables.table import Column, Table

CHOICES = ("start", "average")
"""Weights that a task may keep instead of those that training ends with."""


def trainings_table(board: Board) -> Table:
    """A row for each strategy and budget whose records tell of losses; those before protocol 5 do not."""
    rows = []
    for label, budget in board.cells:
        mine = board.rows_of([(label, budget)])
        trained = mine[_column(mine, "loss_first").notna() | (mine["status"] == "diverged")]
        if trained.empty:
            continue
        chosen, band = _column(trained, "chosen"), board.band(budget)
        rows.append(
            {
                "strategy": label,
                "budget": budget,
                "band": WORDS[band] if band else "",
                "steps": float(np.nanmedian(trained["steps"])),
                **{f"kept the {one}": _of(chosen == one, chosen.notna()) for one in CHOICES},
                "diverged": _of(trained["status"] == "diverged", trained["status"].notna()),
                **{name: _median(trained, name) for name in ("loss_first", "loss_last")},
                "trainings": len(trained),
            }
        )
    names = ["strategy", "budget", "band", "steps", *(f"kept the {one}" for one in CHOICES), "diverged", "loss_first",
             "loss_last", "trainings"]  # fmt: skip
    return Table(
        "trainings",
        "How training went",
        "Of all tasks and seeds. The band is that of the images that the dense net could be trained on. Where a recipe "
        "chooses, on dev or by the loss, a task may keep the weights that it started from, or the mean of start and "
        "end. Diverged: what was kept has a loss above that of the start, or training reached no finite number.",
        pd.DataFrame(rows, columns=names),
        (
            Column("strategy", "Strategy"),
            Column("budget", "Budget"),
            Column("band", "Training images"),
            Column("steps", "Steps, median", "count"),
            Column("kept the start", "Kept the start"),
            Column("kept the average", "Kept the average"),
            Column("diverged", "Diverged"),
            Column("loss_first", "Loss at first", "number"),
            Column("loss_last", "at last, medians", "number"),
        ),
        row_head=2,
        filters={"strategy": "strategy", "budget": "budget"},
        folded=True,
    )


def _column(rows: pd.DataFrame, name: str) -> "pd.Series[Any]":
    return rows[name] if name in rows else pd.Series(pd.NA, index=rows.index)


def _median(rows: pd.DataFrame, name: str) -> float:
    values = pd.to_numeric(_column(rows, name), errors="coerce").to_numpy(float)
    return float(np.nanmedian(values)) if not np.isnan(values).all() else math.nan


def _of(those: "pd.Series[Any]", all_of: "pd.Series[Any]") -> str:
    """``3 of 28``; empty where there is nothing that could be."""
    return f"{int(those.fillna(False).sum())} of {int(all_of.sum())}" if all_of.any() else ""
