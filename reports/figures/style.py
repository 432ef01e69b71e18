"""How do figures look? One style: colours, markers and dashes that survive colour blindness, grey print, dark pages."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple


class Look(NamedTuple):
    """How one strategy is drawn.

    Attributes:
        light, dark: one colour for white and for dark ground.
        rest: drawn in grey, in the background, so that a few others stand out.
    """

    light: str
    dark: str
    marker: str
    dash: tuple[float, ...]
    rest: bool = False


# The palette of Okabe and Ito (https://jfly.uni-koeln.de/color/), changed until each has a contrast of at least 3:1:
# the first of a pair on white, the second on near black. Neighbours differ in lightness too.
COLORS = [("#1a1a1a", "#f2f2f2"), ("#00508f", "#56b4e9"), ("#b58900", "#f0b43c"), ("#cf4a00", "#ff8a4c"),
          ("#00735a", "#2fc79a"), ("#a8508a", "#e39ac8"), ("#5b5bb5", "#a5a5f5"), ("#7a6a00", "#d8c94a")]  # fmt: skip
FAMILIES = ("finetune", "linear_probe", "channel_pruned", "filter_pruned", "ot_fused", "ncm", "ridge", "knn")
"""Families whose colour never changes; others take the colours that are left, in order of name."""

MARKERS = "osD^vP<X>*ph"
DASHES: list[tuple[float, ...]] = [(), (4, 1.5), (1.2, 1.2), (6, 1.5, 1.2, 1.5), (3, 1, 1, 1, 1, 1)]

FRONT = ("#8a8a8a", "#8a8a8a")
REST = ("#b9b9b4", "#5a5f63")
RC: Any = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 8, "axes.titlesize": 8.5,
    "axes.labelsize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5,
    "axes.spines.right": False, "axes.spines.top": False, "axes.linewidth": 0.6, "axes.edgecolor": "#555555",
    "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.5, "axes.axisbelow": True,
    "xtick.color": "#333333", "ytick.color": "#333333", "axes.labelcolor": "#333333", "text.color": "#1a1a1a",
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.minor.width": 0.4, "legend.frameon": False,
    "svg.fonttype": "none", "pdf.fonttype": 42, "figure.dpi": 100, "savefig.dpi": 200, "savefig.facecolor": "none",
    # Text has the same width in every file format, so that one layout fits them all.
    "text.hinting": "none", "figure.facecolor": "none", "axes.facecolor": "none", "text.parse_math": False,
}  # fmt: skip


def looks(labels: Iterable[str], focus: Sequence[str] = ()) -> dict[str, Look]:
    """A look for each label: colour by family, marker and dash by its place among the family's variants.

    Args:
        focus: labels that should differ in colour as far as there are colours, the most important first.
    """
    labels = sorted(labels, key=lambda label: (len(label), label))
    families = list(dict.fromkeys(map(_family, labels)))
    color = _family_colors(families)
    own = _own_colors(focus, color)
    found: dict[str, Look] = {}
    members: dict[str, int] = {}
    for label in [*(x for x in focus if x in labels), *(x for x in labels if x not in focus)]:
        family = _family(label)
        variant = members.get(family, 0)
        members[family] = variant + 1
        place = families.index(family)
        pair, dash = COLORS[own.get(label, color[family])], DASHES[variant % len(DASHES)]
        marker = place + variant * 5
        while (look := Look(*pair, MARKERS[marker % len(MARKERS)], dash)) in found.values():
            marker += 1
            if marker > place + variant * 5 + len(MARKERS):
                break  # more variants than looks: the tables still tell them apart
        found[label] = look
    return found


def _family(label: str) -> str:
    return label.partition("(")[0].partition(" ")[0]


def _family_colors(families: Sequence[str]) -> dict[str, int]:
    color = {family: FAMILIES.index(family) for family in FAMILIES if family in families}
    free = [i for i in range(len(COLORS)) if i not in color.values()] or list(range(len(COLORS)))
    others = [family for family in families if family not in color]
    return color | {family: free[i % len(free)] for i, family in enumerate(others)}


def _own_colors(focus: Sequence[str], color: dict[str, int]) -> dict[str, int]:
    """The first of a family has the family's colour; its variants take colours that no other label in focus has."""
    own: dict[str, int] = {}
    for label in sorted(focus, key=len):
        if (mine := color[_family(label)]) not in own.values():
            own[label] = mine
    for label in focus:
        free = [i for i in range(len(COLORS)) if i not in own.values()]
        if label not in own and free:
            own[label] = free[0]
    return own


def shortened(text: str, limit: int = 42) -> str:
    """A name that fits a figure; the tables carry it in full."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
