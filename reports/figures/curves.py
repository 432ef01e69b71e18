"""How does error fall with compute? A line a strategy over its budgets: one board large, or several as small panels."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from reports.figures.axes import barred, beside, budget_ticks, cut, in_colour, legend_below, log_ticks, window
from reports.figures.style import FRONT, RC, REST, Look, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cost = Literal["flops", "seconds"]
Panel = tuple[str, pd.DataFrame, Mapping[str, float], Mapping[str, Look]]
"""A title, its table of :func:`reports.tables.curves.curves`, the FLOPs of its budgets, and looks."""

TITLES = {"flops": "budget, and the FLOPs a task that it pays for", "seconds": "seconds a task"}
MOST_COUNTS = 4
"""Hollow points beside which the number of their tasks is written; more would be unreadable, and a table has it."""


def main_picture(
    table: pd.DataFrame, budgets: Mapping[str, float], look: Mapping[str, Look], *, cost: Cost = "flops", width: float
) -> "Figure":
    """Error against ``cost``, a line a strategy over its budgets, with intervals and the Pareto front.

    Args:
        table: from :func:`reports.tables.curves.curves`. Hollow points miss tasks; lines leave out what stands apart.
        budgets: FLOPs a task of each.
        look: of every strategy, so that it looks alike in all pictures.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    labels = in_colour(list(dict.fromkeys(table["strategy"])), look)
    narrow = width < 5
    with mpl.rc_context(RC):
        height = 2.9 + 0.17 * (len(labels) + 2) if narrow else 3.7
        figure = Figure(figsize=(width, height), layout="constrained")
        ax: Any = figure.subplots()
        ends = _curves(ax, table, look, cost=cost)
        ax.set(xlabel=TITLES[cost] if cost == "seconds" or _known(budgets) else "charged FLOPs a task")
        ax.set_ylabel("mean error over tasks")
        if cost == "flops":
            budget_ticks(ax, budgets, apart=0.17 if narrow else 0.1)
        elif ends:
            log_ticks(ax)
        _tell_rest(ax, table, look)
        if narrow:
            legend_below(figure, *ax.get_legend_handles_labels(), width=width)
        else:
            beside(ax, ends, look, height=height - 0.8)
    return figure


def overview_picture(panels: Sequence[Panel], *, width: float) -> "Figure":
    """Error against charged FLOPs, a small picture for each of ``panels``."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = 1 if width < 5 or len(panels) == 1 else 2
    rows = -(-len(panels) // columns)
    with mpl.rc_context(RC):
        shown = list(
            dict.fromkeys(label for _, table, _, look in panels for label in in_colour(list(table["strategy"]), look))
        )
        height = (2.5 if len(panels) > 1 else 3.4) * rows + 0.19 * (-(-(len(shown) + 1) // (1 if width < 5 else 2)) + 1)
        figure = Figure(figsize=(width, height), layout="constrained")
        axes: Any = figure.subplots(rows, columns, squeeze=False).ravel()
        entries: dict[str, Any] = {}
        for ax, (title, table, budgets, look) in zip(axes, panels, strict=False):
            _curves(ax, table, look, cost="flops")
            budget_ticks(ax, budgets, apart=0.17)
            ax.set(title="\n".join(shortened(line, 60) for line in title.splitlines()))
            ax.title.set_fontsize(7.5)
            ax.set(xlabel="budget, and FLOPs a task" if _known(budgets) else "charged FLOPs a task")
            ax.set_ylabel("mean error over tasks")
            entries |= {name: handle for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)}
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        legend_below(figure, list(entries.values()), list(entries), width=width)
    return figure


def cuts(table: pd.DataFrame, look: Mapping[str, Look]) -> bool:
    """Whether the picture cuts an interval that would leave the points no room."""
    drawn = _drawn(table, "flops")
    return not drawn.empty and cut(*_reach(drawn, look))


def _drawn(table: pd.DataFrame, cost: Cost) -> pd.DataFrame:
    shown: pd.DataFrame = table[np.isfinite(table[cost]) & (table[cost] > 0) & np.isfinite(table["error"])]
    return shown


def _reach(drawn: pd.DataFrame, look: Mapping[str, Look]) -> tuple[pd.Series, pd.DataFrame]:
    """The errors that are seen, and the ends of the intervals that are: of strategies in color, over enough tasks."""
    rest = drawn["strategy"].map(lambda label: look[label].rest).astype(bool)
    apart = drawn["apart"].astype(bool)
    seen = drawn if (rest & apart).all() else drawn[~(rest & apart)]
    return seen["error"], drawn.loc[~rest & ~apart, ["low", "high"]]


def _known(budgets: Mapping[str, float]) -> bool:
    return any(math.isfinite(flops) for flops in budgets.values())


def _tell_rest(ax: Any, table: pd.DataFrame, look: Mapping[str, Look]) -> None:
    rest = sum(look[label].rest for label in dict.fromkeys(table["strategy"]))
    if rest:
        ax.annotate(f"grey: {rest} {'other' if rest == 1 else 'others'}", (1, 1), xycoords="axes fraction", ha="right",
                    va="bottom", fontsize=7, color="#555555")  # fmt: skip


def _curves(ax: Any, table: pd.DataFrame, look: Mapping[str, Look], *, cost: Cost) -> list[tuple[str, float, float]]:
    """Draws the lines; label, x and y of the last point of each that is in colour."""
    front = "on_front" if cost == "flops" else "on_front_seconds"
    ax.set_xscale("log")
    drawn = _drawn(table, cost)
    if drawn.empty:
        ax.text(0.5, 0.5, "nothing measured yet", transform=ax.transAxes, ha="center", va="center")
        return []
    best = drawn[drawn[front].astype(bool)].sort_values(cost)
    if len(best) > 1:
        ax.step(best[cost], best["error"], where="post", color=FRONT[0], lw=5, alpha=0.28, solid_capstyle="round",
                label="Pareto front", zorder=1)  # fmt: skip
    told = (~drawn["complete"].astype(bool)).sum() <= MOST_COUNTS
    ends: list[tuple[str, float, float]] = []
    for label in dict.fromkeys(drawn["strategy"]):
        part, mine = drawn[drawn["strategy"] == label].sort_values(cost), look[label]
        whole = part[~part["apart"].astype(bool)]
        name = "_" if whole.empty else shortened(label, 46)
        barred(ax, whole[cost], whole["error"], whole[["low", "high"]].to_numpy(float).T, mine, name)
        if mine.rest:
            continue
        _hollow(ax, part[~part["complete"].astype(bool)], mine, cost, told=told, name="_" if len(whole) else label)
        last = (whole if len(whole) else part).iloc[-1]
        ends.append((label, float(last[cost]), float(last["error"])))
    if any(look[label].rest for label in drawn["strategy"]):
        ax.plot([], [], color=REST[0], lw=0.8, label="other strategies")
    low, high = window(*_reach(drawn, look))
    ax.set_ylim(max(0.0, low), high)
    return ends


def _hollow(ax: Any, torn: pd.DataFrame, look: Look, cost: Cost, *, told: bool, name: str) -> None:
    """Points over fewer tasks; where they are few, with how many."""
    for place, row in enumerate(torn.to_dict("records")):
        ax.plot(row[cost], row["error"], ls="none", mfc="white", color=look.light, marker=look.marker, markersize=4.5,
                label="_" if place else shortened(name, 46), zorder=3)  # fmt: skip
        if told:
            ax.annotate(f"{row['tasks']} of {row['of_tasks']} tasks", (row[cost], row["error"]), xytext=(4, 4),
                        textcoords="offset points", fontsize=6, color=look.light)  # fmt: skip
