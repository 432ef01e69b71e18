"""Who is how far behind the leader of each budget, and which law do nets of several sizes follow?"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.figures.axes import barred, budget_ticks, in_colour, legend_below, log_ticks, window
from reports.figures.style import RC, Look, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.tables.scaling import Scaling

NEAR = 15
"""Points behind the leader beyond which a strategy is left out of the picture of leaders."""


def optimal_picture(
    behind: pd.DataFrame, budgets: Mapping[str, float], law: "Scaling | None", look: Mapping[str, Look], *, width: float
) -> "Figure":
    """Left: how far strategies are behind the leader of a budget. Right: error over compute for nets of several sizes.

    Args:
        behind: from :func:`reports.tables.optimal.behind_table`. Strategies that never come near are left out.
        budgets: FLOPs a task of each.
        law: from :func:`reports.tables.scaling.scaling`; without it there is no right picture.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    narrow, count = width < 5, 2 if law else 1
    nearest = behind.groupby("strategy")["behind"].min()
    shown = [label for label in dict.fromkeys(behind["strategy"]) if 100 * nearest[label] <= NEAR]
    with mpl.rc_context(RC):
        height = 2.9 * (count if narrow else 1) + 0.17 * len(in_colour(shown, look))
        figure = Figure(figsize=(width if law or narrow else width * 0.6, height), layout="constrained")
        axes: Any = np.atleast_1d(figure.subplots(nrows=count) if narrow else figure.subplots(ncols=count))
        axes[0].set_xscale("log")
        for label in shown:
            part = behind[behind["strategy"] == label].sort_values("flops")
            ends = -100 * part[["low", "high"]].to_numpy(float).T
            barred(axes[0], part["flops"].to_numpy(float), -100 * part["behind"].to_numpy(float), ends, look[label],
                   shortened(label, 46))  # fmt: skip
        axes[0].set(xlabel="budget, and FLOPs a task", ylabel="points behind the leader")
        if shown:
            budget_ticks(axes[0], budgets, apart=0.17)
            drawn = behind[behind["strategy"].isin(shown)]
            colored = drawn[drawn["strategy"].isin(in_colour(shown, look))]
            axes[0].set_ylim(window(-100 * drawn["behind"], -100 * colored[["low", "high"]]))
        if law:
            _law(axes[1], law, look)
        entries: dict[str, Any] = {}
        for ax in axes:
            entries |= {name: handle for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)}
        legend_below(figure, list(entries.values()), list(entries), width=figure.get_size_inches()[0])
    return figure


def _law(ax: Any, found: "Scaling", look: Mapping[str, Look]) -> None:
    points = found.points
    ax.set_xscale("log")
    for label in dict.fromkeys(points["strategy"]):
        part = points[points["strategy"] == label].sort_values("flops")
        mine = look[label]
        cost = np.geomspace(part["flops"].min(), part["flops"].max(), 40)
        # Examples grow in proportion to compute for one net.
        share = cost * float((part["share"] / part["flops"]).median())
        size = np.full(len(cost), float(part["size"].iloc[0]))
        ax.plot(part["flops"], part["error"], ls="none", marker=mine.marker, color=mine.light, markersize=4.5)
        ax.plot([], [], marker=mine.marker, color=mine.light, lw=1.1, dashes=mine.dash or (None, None),
                markersize=4.5, label=shortened(label, 46))  # fmt: skip
        ax.plot(cost, found.law.at(size, share), color=mine.light, lw=1.1, dashes=mine.dash or (None, None))
        low, high = found.band(size, share)
        if np.isfinite(low).all():
            ax.fill_between(cost, low, high, color=mine.light, alpha=0.12, lw=0)
    ax.set(xlabel="charged FLOPs a task", ylabel="mean error, and the fitted law")
    log_ticks(ax)
