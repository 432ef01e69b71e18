"""How do figures look? One style: colors, markers and dashes that survive color blindness, grey print, dark pages."""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Look(NamedTuple):
    """How one strategy is drawn. ``light`` and ``dark`` are one color for white and for dark ground."""

    light: str
    dark: str
    marker: str
    dash: tuple[float, ...]


# After Okabe and Ito (https://jfly.uni-koeln.de/color/), shifted to at least 3:1 on white and, the second, on near
# black.
# Ordered so that neighbors differ in lightness too.
COLORS = [("#1a1a1a", "#f2f2f2"), ("#00508f", "#56b4e9"), ("#b58900", "#f0b43c"), ("#cf4a00", "#ff8a4c"),
          ("#00735a", "#2fc79a"), ("#a8508a", "#e39ac8"), ("#5b5bb5", "#a5a5f5"), ("#7a6a00", "#d8c94a")]  # fmt: skip
FAMILIES = ("finetune", "linear_probe", "channel_pruned", "filter_pruned", "ot_fused", "ncm", "ridge", "knn")
"""Whose color is always the same; others take what is left, in order of name."""

MARKERS = "osD^vP<X>*ph"
DASHES: list[tuple[float, ...]] = [(), (4, 1.5), (1.2, 1.2), (6, 1.5, 1.2, 1.5), (3, 1, 1, 1, 1, 1)]

FRONT = ("#8a8a8a", "#8a8a8a")
RC: Any = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 8, "axes.titlesize": 8.5,
    "axes.labelsize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5,
    "axes.spines.right": False, "axes.spines.top": False, "axes.linewidth": 0.6, "axes.edgecolor": "#555555",
    "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.5, "axes.axisbelow": True,
    "xtick.color": "#333333", "ytick.color": "#333333", "axes.labelcolor": "#333333", "text.color": "#1a1a1a",
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.minor.width": 0.4, "legend.frameon": False,
    "svg.fonttype": "none", "pdf.fonttype": 42, "figure.dpi": 100, "savefig.dpi": 200, "savefig.facecolor": "none",
    "figure.facecolor": "none", "axes.facecolor": "none", "text.parse_math": False,
}  # fmt: skip


def looks(labels: Iterable[str]) -> dict[str, Look]:
    """A look for each label: color by family, marker and dash by its place among the family's variants."""
    labels = sorted(labels, key=lambda label: (len(label), label))
    families = list(dict.fromkeys(label.partition("(")[0].partition(" ")[0] for label in labels))
    known = [family for family in FAMILIES if family in families]
    color = {family: FAMILIES.index(family) for family in known}
    free = [i for i in range(len(COLORS)) if i not in color.values()] or list(range(len(COLORS)))
    for i, family in enumerate(family for family in families if family not in color):
        color[family] = free[i % len(free)]
    found: dict[str, Look] = {}
    members: dict[str, int] = {}
    for label in labels:
        family = label.partition("(")[0].partition(" ")[0]
        variant = members.get(family, 0)
        members[family] = variant + 1
        place = families.index(family)
        marker, dash = place + variant * 5, DASHES[variant % len(DASHES)]
        while (look := Look(*COLORS[color[family]], MARKERS[marker % len(MARKERS)], dash)) in found.values():
            marker += 1
            if marker > place + variant * 5 + len(MARKERS):
                break  # more variants than looks: the tables still tell them apart
        found[label] = look
    return found


def shortened(text: str, limit: int = 42) -> str:
    """A name that fits a figure; the tables carry it in full."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
