"""How far is each strategy ahead of the dense net, and how sure is that? A forest plot: a row a strategy."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.figures.axes import LETTER, cut, window
from reports.figures.style import FRONT, RC, REST, Look, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 16
"""Rows; what is more stands in the table."""


def forest_picture(gains: pd.DataFrame, budgets: Sequence[str], look: Mapping[str, Look], *, width: float) -> "Figure":
    """Points of accuracy ahead of the dense net at each budget, with intervals: a panel a budget, a row a strategy.

    A narrow picture has one panel, in which the budgets of a strategy stand below one another, and only what is in
    colour.

    Args:
        gains: the frame of :func:`reports.tables.by_budget.gains_tables`, on these tasks.
    """
    import matplotlib as mpl

    rows = sorted(gains.to_dict("records"), key=lambda row: look[row["strategy"]].rest)
    there = [budget for budget in budgets if np.isfinite(gains[budget].to_numpy(float)).any()]
    if width < 5:
        rows = [row for row in rows if not look[str(row["strategy"])].rest]
    rows = rows if width < 5 else rows[:MOST]
    with mpl.rc_context(RC):
        figure = _stacked(rows, there, look, width) if width < 5 else _panels(rows, there, look, width)
        for ax in figure.axes:
            ax.set_xlim(window(*_reach(rows, there)))
        return figure


def cuts(gains: pd.DataFrame, budgets: Sequence[str]) -> bool:
    """Whether the picture cuts an interval that would leave the points no room."""
    return cut(*_reach(gains.to_dict("records"), budgets))


def _reach(rows: Sequence[Mapping[Any, Any]], budgets: Sequence[str]) -> tuple[list[float], list[float]]:
    """Points, no gain among them, and the ends of their intervals."""
    points = [100 * float(row[budget]) for row in rows for budget in budgets]
    ends = [100 * float(row[f"{budget}{end}"]) for row in rows for budget in budgets for end in (" low", " high")]
    return [0.0, *filter(math.isfinite, points)], ends


def _panels(rows: list[Any], budgets: Sequence[str], look: Mapping[str, Look], width: float) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 0.75 + 0.21 * max(2, len(rows))), layout="constrained")
    axes: Any = figure.subplots(1, max(1, len(budgets)), sharex=True, sharey=True, squeeze=False)[0]
    for ax, budget in zip(axes, budgets, strict=False):
        ax.axvline(0, color=FRONT[0], lw=1)
        for place, row in enumerate(rows):
            _point(ax, row, budget, place, look[row["strategy"]])
        ax.set_title(budget)
        ax.grid(visible=False, axis="y")
    for ax in axes:
        ax.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(rows)), [shortened(row["strategy"], 44) for row in rows])
    axes[0].set_ylim(len(rows) - 0.4, -0.6)
    for text, row in zip(axes[0].get_yticklabels(), rows, strict=True):
        mine = look[row["strategy"]]
        text.set_color("#555555" if mine.rest else mine.light)
    figure.supxlabel("points ahead of the dense net at the same budget", fontsize=8)
    return figure


def _stacked(rows: list[Any], budgets: Sequence[str], look: Mapping[str, Look], width: float) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 0.7 + 0.15 * len(rows) * (len(budgets) + 1.6)), layout="constrained")
    ax: Any = figure.subplots()
    ax.axvline(0, color=FRONT[0], lw=1)
    ticks, names, y = [], [], 0.0
    for row in rows:
        mine = look[row["strategy"]]
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        ax.text(0, y, shortened(row["strategy"], int(width / LETTER)), color=mine.light, fontsize=7.5, va="center",
                transform=ax.get_yaxis_transform(), bbox=ground)  # fmt: skip
        for place, budget in enumerate(budgets, start=1):
            _point(ax, row, budget, y + place, mine)
            ticks.append(y + place)
            names.append(budget)
        y += len(budgets) + 1.6
    ax.set_yticks(ticks, names, fontsize=6.5)
    ax.set_ylim(y - 1, -1)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("points ahead of the dense net")
    return figure


def _point(ax: Any, row: Mapping[str, Any], budget: str, y: float, look: Look) -> None:
    value, low, high = (100 * float(row[f"{budget}{end}"]) for end in ("", " low", " high"))
    color = REST[0] if look.rest else look.light
    if np.isfinite([low, high]).all():
        ax.plot([low, high], [y, y], color=color, lw=1.4, solid_capstyle="butt", zorder=2)
    if np.isfinite(value):
        # Without an interval nobody knows on which side of 0 it is: hollow.
        filled = color if np.isfinite([low, high]).all() else "white"
        ax.plot(value, y, marker=look.marker, color=color, mfc=filled, markersize=4.5, ls="none", zorder=3)
