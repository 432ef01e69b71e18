"""What do the pictures show? matplotlib figures from the tables, drawn once for papers and for the page."""

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.figures.style import COLORS, FRONT, RC, Look, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from reports.tables.scaling import Scaling

WIDE, NARROW = 7.4, 3.5
"""Inches: text width, and one column of a two-column paper."""


def main_picture(table: pd.DataFrame, look: Mapping[str, Look], *, width: float = WIDE) -> "Figure":
    """Error against FLOPs and against seconds, a line a strategy over its budgets, with intervals and Pareto front.

    Args:
        table: from :func:`reports.tables.curves.curves`. Hollow points miss tasks; lines leave out what stands apart.
        look: of every strategy, so that it looks alike in all pictures.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(table["strategy"]))
    narrow = width < 5
    with mpl.rc_context(RC):
        rows = -(-len(labels) // (1 if narrow else 3))
        legend = 0.19 * rows + 0.1
        height = (4.7 if narrow else 3.2) + legend
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = {"nrows": 2} if narrow else {"ncols": 2, "sharey": True, "width_ratios": [1.35, 1]}
        axes: Any = figure.subplots(**grid)
        figure.get_layout_engine().set(rect=(0, legend / height, 1, 1 - legend / height))  # type: ignore[union-attr, call-arg]
        for ax, cost, front in zip(axes, ("flops", "seconds"), ("on_front", "on_front_seconds"), strict=True):
            _curves(ax, table, look, cost=cost, front=front)
        axes[0].set_xlabel("charged FLOPs a task")
        axes[1].set_xlabel("seconds a task")
        axes[0].set_ylabel("mean error over tasks")
        if narrow:
            axes[1].set_ylabel("mean error over tasks")
        _epochs_above(axes[0], table)
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(
            handles, names, loc="lower left", bbox_to_anchor=(0.02, 0), ncols=1 if narrow else 3, handlelength=3.2,
            columnspacing=1.2, labelspacing=0.35,
        )  # fmt: skip
    return figure


def overview_picture(
    panels: Sequence[tuple[str, pd.DataFrame]], look: Mapping[str, Look], *, width: float = WIDE
) -> "Figure":
    """Error against charged FLOPs, a panel for each title and its table of :func:`reports.tables.curves.curves`."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(label for _, table in panels for label in table["strategy"]))
    columns = 1 if width < 5 or len(panels) == 1 else 2
    with mpl.rc_context(RC):
        rows = -(-len(panels) // columns)
        names = ["Pareto front", *map(shortened, labels)]
        abreast = _abreast(names, width)
        legend = 0.19 * -(-len(names) // abreast) + 0.1
        height = (2.5 if len(panels) > 1 else 3.4) * rows + legend
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.get_layout_engine().set(rect=(0, legend / height, 1, 1 - legend / height))  # type: ignore[union-attr, call-arg]
        axes: Any = figure.subplots(rows, columns, squeeze=False).ravel()
        entries: dict[str, Any] = {}
        for ax, (title, table) in zip(axes, panels, strict=False):
            _curves(ax, table, look, cost="flops", front="on_front")
            ax.set(title="\n".join(shortened(line) for line in title.splitlines()), xlabel="charged FLOPs a task")
            ax.set_ylabel("mean error over tasks")
            entries |= {name: handle for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)}
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        figure.legend(
            list(entries.values()), list(entries), loc="lower left", bbox_to_anchor=(0.02, 0),
            ncols=abreast, handlelength=3.2, columnspacing=1.2, labelspacing=0.35,
        )  # fmt: skip
    return figure


def _abreast(names: Sequence[str], width: float) -> int:
    """Columns of a legend below a figure of ``width`` inches, which fills them one after the other."""
    for columns in (3, 2):
        rows = -(-len(names) // columns)
        widest = [max(map(len, names[place : place + rows])) for place in range(0, len(names), rows)]
        # A letter takes about 0.057 inches, the line and the space beside it half an inch.
        if sum(0.5 + 0.057 * letters for letters in widest) <= width:
            return columns
    return 1


def gains_picture(
    gains: pd.DataFrame, budgets: Sequence[str], flops: Mapping[tuple[str, str], float], look: Mapping[str, Look], *,
    width: float = WIDE,
) -> "Figure":  # fmt: skip
    """Points ahead of the dense net at the same budget against charged FLOPs, a line a strategy, with intervals.

    Args:
        gains: the frame of :func:`reports.tables.by_budget.gains_tables`, on these tasks.
        flops: charged a task, of each strategy and budget.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(RC):
        legend = 0.175 * len(gains)
        figure = Figure(figsize=(width, 2.8 + legend if width < 5 else max(2.8, legend)), layout="constrained")
        ax: Any = figure.subplots()
        ax.axhline(0, color=FRONT[0], lw=1)
        ax.set_xscale("log")
        for row in gains.to_dict("records"):
            label = row["strategy"]
            there = [b for b in budgets if np.isfinite(row[b]) and flops.get((label, b), 0) > 0]
            mine, x = look[label], [flops[label, b] for b in there]
            ends = np.asarray([[100 * row[f"{b} {end}"] for b in there] for end in ("low", "high")]).reshape(2, -1)
            _barred(ax, x, np.asarray([100 * row[b] for b in there]), ends, mine, shortened(label, 34))
        ax.set(xlabel="charged FLOPs a task", ylabel="points ahead of the dense net")
        if len(ax.lines) > 1:
            _log_ticks(ax)
        figure.legend(loc="outside lower left" if width < 5 else "outside right upper", handlelength=2.6)
    return figure


def _barred(ax: Any, x: Sequence[float], y: Any, ends: Any, look: Look, label: str) -> None:
    """A line with its intervals, ``ends`` (2, points); a point whose interval is not known has no bar."""
    ax.plot(x, y, color=look.light, marker=look.marker, markersize=4.5, lw=1.3, dashes=look.dash or (None, None),
            label=label, zorder=3)  # fmt: skip
    lengths = np.abs(ends - y)
    sure = np.isfinite(lengths).all(axis=0)
    if sure.any():
        ax.errorbar(np.asarray(x)[sure], y[sure], yerr=lengths[:, sure], fmt="none", ecolor=look.light, elinewidth=0.9,
                    capsize=1.8, alpha=0.75, zorder=2)  # fmt: skip


NEAR = 15
"""Points behind the leader beyond which a strategy is left out of the picture of leaders."""


def optimal_picture(
    behind: pd.DataFrame, law: "Scaling | None", look: Mapping[str, Look], *, width: float = WIDE
) -> "Figure":
    """Left: how far strategies are behind the leader of a budget. Right: error over compute for nets of several sizes.

    Args:
        behind: from :func:`reports.tables.optimal.behind_table`. Strategies that never come near are left out.
        law: from :func:`reports.tables.scaling.scaling`; without it there is no right picture.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    narrow = width < 5
    nearest = behind.groupby("strategy")["behind"].min()
    shown = [label for label in dict.fromkeys(behind["strategy"]) if 100 * nearest[label] <= NEAR]
    with mpl.rc_context(RC):
        count = 2 if law else 1
        figure = Figure(
            figsize=(width if law or narrow else width * 0.6, 2.9 * (count if narrow else 1)), layout="constrained"
        )
        axes: Any = np.atleast_1d(figure.subplots(nrows=count) if narrow else figure.subplots(ncols=count))
        axes[0].set_xscale("log")
        for label in shown:
            part = behind[behind["strategy"] == label].sort_values("flops")
            ends = -100 * part[["low", "high"]].to_numpy(float).T
            _barred(axes[0], part["flops"].to_numpy(float), -100 * part["behind"].to_numpy(float), ends, look[label],
                    shortened(label, 34))  # fmt: skip
        axes[0].set(xlabel="charged FLOPs a task", ylabel="points behind the leader")
        if shown:
            _log_ticks(axes[0])
            axes[0].legend(loc="best", handlelength=2.6, fontsize=6.5)
        if law:
            _law(axes[1], law, look)
    return figure


def profile_picture(profiles: pd.DataFrame, look: Mapping[str, Look], *, width: float = WIDE) -> "Figure":
    """Share of tasks and seeds whose error is at most x, a line a strategy; ``profiles_table`` gives the numbers."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    thresholds = [name for name in profiles.columns if name.startswith("at_")]
    x = [float(name.removeprefix("at_")) for name in thresholds]
    with mpl.rc_context(RC):
        legend = 0.175 * len(profiles)
        figure = Figure(figsize=(width, 2.8 + legend if width < 5 else max(2.8, legend)), layout="constrained")
        ax: Any = figure.subplots()
        for row in profiles.to_dict("records"):
            mine = look[row["strategy"]]
            ax.plot(x, [row[name] for name in thresholds], color=mine.light, lw=1.3, dashes=mine.dash or (None, None),
                    marker=mine.marker, markersize=4, markevery=4, label=shortened(row["strategy"], 34))  # fmt: skip
        ax.set(xlabel="error", ylabel="share of tasks and seeds", xlim=(0, 1), ylim=(0, 1.03))
        figure.legend(loc="outside lower left" if width < 5 else "outside right upper", handlelength=2.6)
    return figure


def _law(ax: Any, found: "Scaling", look: Mapping[str, Look]) -> None:
    points = found.points
    ax.set_xscale("log")
    for label in dict.fromkeys(points["strategy"]):
        part = points[points["strategy"] == label].sort_values("flops")
        mine = look[label]
        ax.plot(part["flops"], part["error"], ls="none", marker=mine.marker, color=mine.light, markersize=4.5)
        cost = np.geomspace(part["flops"].min(), part["flops"].max(), 40)
        # Examples grow in proportion to compute for one net.
        share = cost * float((part["share"] / part["flops"]).median())
        size = np.full(len(cost), float(part["size"].iloc[0]))
        errors = found.law.at(size, share)
        ax.plot(cost, errors, color=mine.light, lw=1.1, dashes=mine.dash or (None, None), label=shortened(label, 30))
        low, high = found.band(size, share)
        if np.isfinite(low).all():
            ax.fill_between(cost, low, high, color=mine.light, alpha=0.12, lw=0)
    ax.set(xlabel="charged FLOPs a task", ylabel="mean error, and the fitted law")
    _log_ticks(ax)
    ax.legend(loc="best", handlelength=2.6, fontsize=6.5)


TOLD = 4
"""Hollow points beside which the number of their tasks is written; more would be unreadable, and a table has it."""


def _curves(ax: Any, table: pd.DataFrame, look: Mapping[str, Look], *, cost: str, front: str) -> None:
    ax.set_xscale("log")
    drawn = table[np.isfinite(table[cost]) & (table[cost] > 0) & np.isfinite(table["error"])]
    if drawn.empty:
        ax.text(0.5, 0.5, "nothing measured yet", transform=ax.transAxes, ha="center", va="center")
        return
    best = drawn[drawn[front].astype(bool)].sort_values(cost)
    if len(best) > 1:
        ax.step(best[cost], best["error"], where="post", color=FRONT[0], lw=5, alpha=0.28, solid_capstyle="round",
                label="Pareto front", zorder=1)  # fmt: skip
    told = (~drawn["complete"].astype(bool)).sum() <= TOLD
    for label in dict.fromkeys(drawn["strategy"]):
        part = drawn[drawn["strategy"] == label].sort_values(cost)
        mine = look[label]
        whole = part[~part["apart"].astype(bool)]
        style: dict[str, Any] = {"color": mine.light, "marker": mine.marker, "markersize": 4.5, "zorder": 3}
        ax.plot(whole[cost], whole["error"], lw=1.3, dashes=mine.dash or (None, None),
                label="_" if whole.empty else shortened(label), **style)  # fmt: skip
        lengths = np.abs(whole[["low", "high"]].to_numpy(float).T - whole["error"].to_numpy(float))
        sure = np.isfinite(lengths).all(axis=0)
        if sure.any():
            ax.errorbar(whole[cost][sure], whole["error"][sure], yerr=lengths[:, sure], fmt="none", ecolor=mine.light,
                        elinewidth=0.9, capsize=1.8, alpha=0.75, zorder=2)  # fmt: skip
        torn = part[~part["complete"].astype(bool)]
        for row in torn.itertuples():
            name = shortened(label) if whole.empty and row.Index == torn.index[0] else "_"
            ax.plot(getattr(row, cost), row.error, ls="none", mfc="white", label=name, **style)
            if told:
                ax.annotate(f"{row.tasks} of {row.of_tasks} tasks", (getattr(row, cost), row.error), xytext=(4, 4),
                            textcoords="offset points", fontsize=6, color=mine.light)  # fmt: skip
    _log_ticks(ax)


def _log_ticks(ax: Any) -> None:
    """Ticks at 1, 2, 5 or 1, 3 of each decade, whatever leaves room, written as the tables write them."""
    from matplotlib.ticker import FixedLocator, NullLocator

    low, high = sorted(ax.get_xlim())
    # Room around what lies at one place; scaled anew, fixed ticks would leave none.
    low, high = (low, high) if high > 1.01 * low else (low / 3, high * 3)
    ax.set_xlim(low, high)
    decades = math.log10(high / low)
    steps = (1, 2, 5) if decades < 1.7 else (1, 3) if decades < 3.2 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(
        lambda value, _: f"{value:g}" if 1e-3 <= value < 1e4 else f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    )


def _epochs_above(ax: Any, table: pd.DataFrame) -> None:
    """A second axis in training epochs of the dense net; the factor is the same for every point of a board."""
    factor = (table["epochs"] / table["flops"])[~table["apart"].astype(bool)].median()
    if not (math.isfinite(factor) and factor > 0):
        return
    above = ax.secondary_xaxis("top", functions=(lambda x: x * factor, lambda x: x / factor))
    above.set_xlabel("epochs of the dense net")
    low, high = ax.get_xlim()
    above.set_xlim(low * factor, high * factor)
    _log_ticks(above)
    above.spines["top"].set_visible(False)


def save(figure: "Figure", folder: Path, name: str) -> str:
    """Write ``name``.svg and, of what is no column picture, .pdf and .png; equal numbers, equal files. Gives the SVG.

    Of column pictures, which papers print, the main one is written as .pdf too.
    """
    import matplotlib as mpl

    with mpl.rc_context(RC | {"svg.hashsalt": name}), warnings.catch_warnings():
        # A name may hold characters that the font lacks; they show as boxes in PNG and PDF, and right in SVG.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # Laid out once: every further file would solve the same layout again.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        # The layout is solved to a hair, and by another hair the next time.
        for ax in figure.axes:
            ax.set_position([round(end, 5) for end in ax.get_position().bounds])  # type: ignore[arg-type]
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, facecolor="white")
        if not name.endswith("_column"):
            figure.savefig(folder / f"{name}.png", facecolor="white")
        if not name.endswith("_column") or name.endswith("curves_column"):
            figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    return (folder / f"{name}.svg").read_text(encoding="utf-8")


def inline(svg: str, name: str, description: str) -> str:
    """A saved figure as an ``<svg>`` for the page: it scales, takes its colors, and tells screen readers what it is."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    # A narrower figure stays narrower, so that text has one size on the page.
    points = re.search(r'^<svg[^>]*? width="([0-9.]+)pt"', svg)
    widest = f' style="max-width: min(66rem, {2.1 * float(points[1]):.0f}px)"' if points else ""
    svg = re.sub(r'^<svg([^>]*?) width="[^"]*"', r"<svg\1", svg)
    svg = re.sub(r'^<svg([^>]*?) height="[^"]*"', r"<svg\1", svg)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{_attribute(description)}"{widest}', 1)
    for number, (light, _) in enumerate(COLORS):
        svg = svg.replace(light, f"var(--c{number})")
    for gray, name_ in (("#333333", "ink-2"), ("#555555", "ink-2"), ("#dddddd", "grid"), (FRONT[0], "front")):
        svg = svg.replace(gray, f"var(--{name_})")
    svg = svg.replace("fill: #ffffff", "fill: none")
    # Several figures share a page: each has ids of its own. Inside tags only, for a name may look like one.
    marks = re.compile(r'(?<= id=")(?=[^"])|(?<=href="#)|(?<=url\(#)')
    return re.sub(r"<[^>]+>", lambda tag: marks.sub(f"{name}-", _PLACES.sub(_rounded, tag.group())), svg)


_PLACES = re.compile(r' (?:d|x|y|points|transform)="[^"]*"')
"""Where an SVG says where something is; a hundredth of a point is finer than anybody sees."""


def _rounded(attribute: "re.Match[str]") -> str:
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute.group())


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
