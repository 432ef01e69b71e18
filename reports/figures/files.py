"""How does a picture become a file for a paper, and a part of the page? Vector files, and one lean ``<svg>``."""

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from reports.figures.style import COLORS, FRONT, RC, REST

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: "Figure", folder: Path, name: str) -> str:
    """Write ``name``.svg and, of what is no column picture but the main one, .pdf; gives the SVG.

    Equal numbers give equal files.
    """
    import matplotlib as mpl
    from matplotlib.text import Text

    # Ligatures, the fi of finetune, would stand in a second font in each PDF.
    for text in figure.findobj(Text):
        text.set_fontfeatures(["-liga"])
    with mpl.rc_context(RC | {"svg.hashsalt": name}), warnings.catch_warnings():
        # A name may hold characters that the font lacks; they show as boxes in PNG and PDF, and right in SVG.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # Laid out once: every further file would solve the same layout again.
        figure.get_layout_engine().execute(figure)  # type: ignore[union-attr]
        # None, and not "none": that leaves a layout behind for which each file is drawn twice.
        figure.set_layout_engine(None)
        # The layout is solved to a hair, and by another hair the next time.
        for ax in figure.axes:
            ax.set_position([round(end, 5) for end in ax.get_position().bounds])  # type: ignore[arg-type]
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, facecolor="white")
        # Half of the time goes into the letters of a PDF.
        if not name.endswith("_column") or name.endswith("curves_column"):
            figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    return (folder / f"{name}.svg").read_text(encoding="utf-8")


def inline(svg: str, name: str, description: str) -> str:
    """A saved figure as an ``<svg>`` for the page: it scales, takes its colours and names itself to screen readers."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    # A narrower figure stays narrower, so that text has one size on the page.
    points = re.search(r'^<svg[^>]*? width="([0-9.]+)pt"', svg)
    widest = f' style="max-width: min(66rem, {2.1 * float(points[1]):.0f}px)"' if points else ""
    svg = re.sub(r'^<svg([^>]*?) width="[^"]*"', r"<svg\1", svg)
    svg = re.sub(r'^<svg([^>]*?) height="[^"]*"', r"<svg\1", svg)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{_attribute(description)}"{widest}', 1)
    for number, (light, _) in enumerate(COLORS):
        svg = svg.replace(light, f"var(--c{number})")
    grays = (("#333333", "ink-2"), ("#555555", "ink-2"), ("#dddddd", "grid"), (FRONT[0], "front"), (REST[0], "rest"))
    for gray, name_ in grays:
        svg = svg.replace(gray, f"var(--{name_})")
    svg = svg.replace("fill: #ffffff", "fill: var(--ground)").replace("stroke: #ffffff", "stroke: var(--ground)")
    # Several figures share a page: each has ids of its own. Inside tags only, for a name may look like one.
    marks = re.compile(r'(?<= id=")(?=[^"])|(?<=href="#)|(?<=url\(#)')
    svg = re.sub(r"<[^>]+>", lambda tag: marks.sub(f"{name}-", _PLACES.sub(_rounded, tag.group())), svg)
    return packed(svg, f"{name}-s")


def packed(svg: str, prefix: str) -> str:
    """``svg`` with each style said once, as a class whose name begins with ``prefix``; no space between tags."""
    styles: dict[str, str] = {}
    head, _, body = svg.partition(">")

    def named(found: "re.Match[str]") -> str:
        return f' class="{styles.setdefault(found[1], f"{prefix}{len(styles)}")}"'

    # Groups that nobody refers to have names all the same.
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))

    def lean(tag: "re.Match[str]") -> str:
        text = re.sub(r' style="([^"]*)"', named, tag.group())
        return re.sub(r' id="([^"]*)"', lambda found: found.group() if found[1] in used else "", text)

    # Inside tags only, for a name may look like anything.
    body = re.sub(r"<[^>]+>", lean, re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL))
    classes = "".join(f".{name}{{{style}}}" for style, name in styles.items())
    body = re.sub(r"\s*\n\s*", " ", body)
    return re.sub(r">\s+<", "><", f"{head}><style>{classes}</style>{body}")


_PLACES = re.compile(r' (?:d|x|y|points|transform)="[^"]*"')
"""Where an SVG says where something is; a tenth of a point is finer than anybody sees on a page."""


def _rounded(attribute: "re.Match[str]") -> str:
    return re.sub(r"(\.\d)\d+", r"\1", attribute.group())


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
