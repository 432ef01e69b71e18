"""On how many tasks is a strategy how good? Performance profiles, in steps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.figures.axes import legend_below
from reports.figures.style import RC, REST, Look, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def profile_picture(profiles: pd.DataFrame, look: Mapping[str, Look], *, width: float) -> "Figure":
    """Share of tasks and seeds whose error is at most x, a line a strategy; ``profiles_table`` gives the numbers.

    The share is known at the thresholds and drawn as steps: between two of them it is what it was at the lower one.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    thresholds = [name for name in profiles.columns if name.startswith("at_")]
    x = [float(name.removeprefix("at_")) for name in thresholds]
    rows = sorted(profiles.to_dict("records"), key=lambda row: not look[row["strategy"]].rest)
    with mpl.rc_context(RC):
        shown = sum(not look[row["strategy"]].rest for row in rows)
        figure = Figure(figsize=(min(width, 5.2), 2.8 + 0.17 * shown), layout="constrained")
        ax: Any = figure.subplots()
        for row in rows:
            mine, shares = look[row["strategy"]], [row[name] for name in thresholds]
            if mine.rest:
                ax.step(x, shares, where="post", color=REST[0], lw=0.8)
                continue
            ax.step(x, shares, where="post", color=mine.light, lw=1.3, dashes=mine.dash or (None, None),
                    marker=mine.marker, markersize=4, markevery=4, label=shortened(row["strategy"], 46))  # fmt: skip
        ax.set(xlabel="error", ylabel="share of tasks and seeds", xlim=(0, 1.02), ylim=(0, 1.03))
        legend_below(figure, *ax.get_legend_handles_labels(), width=min(width, 5.2))
    return figure
