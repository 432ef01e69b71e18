"""What do all pictures share? Ticks where the budgets are, names beside lines, points with intervals."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reports.figures.style import REST, Look, shortened

WIDE, NARROW = 7.4, 3.5
"""Inches: text width, and one column of a two-column paper."""

LETTER = 0.062
"""Inches that a letter of 7.5 points takes, at most."""

ROOM = 0.6
"""How far intervals may widen an axis on each side, as a share of what the points need; longer ones are cut.

Student's t of two seeds is 12.7 standard errors: at their full length such intervals leave no room for the points.
"""


def window(points: Any, ends: Any) -> tuple[float, float]:
    """The part of an axis that shows all ``points`` and as much of their intervals as leaves the points apart.

    Args:
        points: finite values. ends: where their intervals end; what is not finite is no interval.
    """
    low, high = float(np.min(points)), float(np.max(points))
    known = np.asarray(ends, float)
    known = known[np.isfinite(known)]
    reach = max(ROOM * (high - low), 0.1 * max(abs(low), abs(high)))
    bottom, top = max(min([low, *known]), low - reach), min(max([high, *known]), high + reach)
    pad = 0.04 * (top - bottom) or 0.01
    return bottom - pad, top + pad


def cut(points: Any, ends: Any) -> bool:
    """Whether :func:`window` cuts any interval."""
    known = np.asarray(ends, float)
    known = known[np.isfinite(known)]
    low, high = window(points, ends)
    return bool(((known < low) | (known > high)).any())


def log_ticks(ax: Any) -> None:
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
    ax.xaxis.set_major_formatter(lambda value, _: written(value))


def budget_ticks(ax: Any, budgets: Mapping[str, float], *, apart: float = 0.09) -> None:
    """A tick at each budget, its name above the FLOPs that it pays for; else :func:`log_ticks`.

    Args:
        budgets: FLOPs a task of each, from small to large. apart: share of the axis that a tick's name needs.
    """
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    known = {name: flops for name, flops in budgets.items() if math.isfinite(flops) and flops > 0}
    if not known:
        log_ticks(ax)
        return
    low, high = sorted(ax.get_xlim())
    low, high = min(low, min(known.values()) / 1.15), max(high, max(known.values()) * 1.15)
    low, high = (low, high) if high > 1.5 * low else (low / 3, high * 3)
    ax.set_xlim(low, high)
    names, last = [], -math.inf
    for name, flops in known.items():
        place = math.log(flops / low) / math.log(high / low)
        # A tick without room for its name still marks the budget.
        names.append(f"{name}\n{written(flops)}" if place - last >= apart else "")
        last = place if names[-1] else last
    ax.xaxis.set_major_locator(FixedLocator(list(known.values())))
    ax.xaxis.set_major_formatter(FixedFormatter(names))
    ax.xaxis.set_minor_locator(NullLocator())


def written(value: float) -> str:
    """A number of a logarithmic axis: ``0.3``, ``40``, ``9.8e10``."""
    if 1e-3 <= value < 1e4:
        return f"{value:.3g}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def beside(ax: Any, ends: Sequence[tuple[str, float, float]], look: Mapping[str, Look], *, height: float) -> None:
    """The name of each line in the right margin, at the height of its last point but over no other.

    Args:
        ends: label, x and y of the last point of each line. height: inches of the axes, about.
    """
    low, high = ax.get_ylim()
    gap = 0.135 / height * (high - low)
    order = sorted(ends, key=lambda end: end[2])
    places = spread([y for _, _, y in order], gap, low + gap / 2, high - gap / 2)
    for (label, x, y), place in zip(order, places, strict=True):
        color = look[label].light
        ax.annotate(
            shortened(label, 40), (x, y), xytext=(1.045, (place - low) / (high - low)), textcoords="axes fraction",
            color=color, fontsize=7.5, va="center", ha="left", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "lw": 0.5, "alpha": 0.55, "shrinkA": 1, "shrinkB": 3,
                        "relpos": (0, 0.5)},
        )  # fmt: skip


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places in [low, high] as near to the sorted ``wanted`` as a distance of ``gap`` between them lets them be."""
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    # Groups that touch stand around the mean of what they want.
    groups: list[tuple[list[float], float]] = []

    def half(members: list[float]) -> float:
        return (len(members) - 1) * gap / 2

    def center(members: list[float]) -> float:
        return min(max(sum(members) / len(members), low + half(members)), high - half(members))

    for value in wanted:
        members = [value]
        while groups and groups[-1][1] + half(groups[-1][0]) + gap > center(members) - half(members):
            members = groups.pop()[0] + members
        groups.append((members, center(members)))
    return [middle + i * gap - half(members) for members, middle in groups for i in range(len(members))]


def barred(ax: Any, x: Any, y: Any, ends: Any, look: Look, label: str = "_") -> None:
    """A line with its intervals, ``ends`` (2, points); a point whose interval is not known has no bar.

    What stands in the background is a grey line without points or bars.
    """
    if look.rest:
        ax.plot(x, y, color=REST[0], lw=0.8, zorder=1.5)
        return
    ax.plot(x, y, color=look.light, marker=look.marker, markersize=4.5, lw=1.3, dashes=look.dash or (None, None),
            label=label, zorder=3)  # fmt: skip
    lengths = np.abs(np.asarray(ends, float) - np.asarray(y, float))
    sure = np.isfinite(lengths).all(axis=0)
    if sure.any():
        ax.errorbar(np.asarray(x)[sure], np.asarray(y)[sure], yerr=lengths[:, sure], fmt="none", ecolor=look.light,
                    elinewidth=0.9, capsize=1.8, alpha=0.55, zorder=2)  # fmt: skip


def legend_below(figure: Any, handles: Sequence[Any], names: Sequence[str], *, width: float) -> None:
    """A legend under the picture, in as many columns as the names leave room for."""
    fits = [n for n in (3, 2, 1) if n * (0.55 + LETTER * max(map(len, names), default=0)) <= width]
    figure.legend(handles, names, loc="outside lower left", ncols=fits[0] if fits else 1, handlelength=2.6,
                  columnspacing=1.2, labelspacing=0.35)  # fmt: skip


def in_colour(labels: Sequence[str], look: Mapping[str, Look]) -> list[str]:
    """Those of ``labels`` that are drawn in colour, after the grey ones would be drawn."""
    return [label for label in labels if not look[label].rest]
