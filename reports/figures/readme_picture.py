"""What does a README show? The main figure as one SVG that is readable on light and on dark ground."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from harness.core.errors import UserError
from reports.figures import figures
from reports.figures.style import COLORS, FRONT, Look
from reports.reading.frame import REFERENCE

_LIGHT = {"ground": "#ffffff", "ink-2": "#4a4a4a", "grid": "#dddddd", "front": FRONT[0]}
_DARK = {"ground": "#16181a", "ink-2": "#bdbdb8", "grid": "#34383b", "front": FRONT[1]}


def write_picture(panels: Sequence[tuple[str, pd.DataFrame]], look: Mapping[str, Look], file: Path) -> None:
    """Write the panels of :func:`~reports.figures.figures.overview_picture` to ``file``, an SVG with its own ground.

    A README is read in a glance: only :func:`few` of the strategies are drawn, and only where
    enough tasks could be paid for.

    Raises:
        UserError: the file does not end in .svg or cannot be written.
    """
    if file.suffix != ".svg":
        raise UserError(f"cannot write the picture to {str(file)!r}: expected a file that ends in .svg")
    with TemporaryDirectory() as folder:
        svg = figures.save(
            figures.overview_picture([(title, few(table)) for title, table in panels], look),
            Path(folder),
            "main_column",
        )
    said = "Mean error over tasks against charged FLOPs a task, a line a strategy"
    head, _, body = figures.inline(svg, "main", said).partition(">")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_packed(f"{head}>{_style()}{body}"), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {str(file)!r}: {error.strerror}") from error


def few(table: pd.DataFrame) -> pd.DataFrame:
    """The rows over enough tasks of the reference, of what is on the Pareto front, and of each family's best variant.

    Families are strategies that differ in options only; best is the least error at a strategy's largest budget.
    """
    whole = table[~table["apart"].astype(bool)]
    last = whole.sort_values("flops").drop_duplicates("strategy", keep="last").sort_values("error")
    best = last[~last["strategy"].str.partition("(")[0].duplicated()]["strategy"]
    front = whole[whole["on_front"].astype(bool)]["strategy"]
    return whole[whole["strategy"].isin({REFERENCE, *best, *front})]


def _packed(svg: str) -> str:
    """``svg`` with each style said once, and without the space between tags."""
    styles: dict[str, str] = {}
    svg = re.sub(r' style="([^"]*)"', lambda found: f' class="{styles.setdefault(found[1], f"s{len(styles)}")}"', svg)
    classes = "".join(f".{name}{{{style}}}" for style, name in styles.items())
    svg = svg.replace("</style>", f"{classes}</style>", 1)
    return re.sub(r">\s+<", "><", re.sub(r"\s*\n\s*", " ", svg)) + "\n"


def _style() -> str:
    light = _LIGHT | {f"c{i}": color for i, (color, _) in enumerate(COLORS)}
    dark = _DARK | {f"c{i}": color for i, (_, color) in enumerate(COLORS)}
    first, second = ("".join(f"--{name}:{value};" for name, value in colors.items()) for colors in (light, dark))
    ground = '<rect width="100%" height="100%" rx="6" style="fill: var(--ground)"/>'
    return f"<style>:root{{{first}}}@media(prefers-color-scheme:dark){{:root{{{second}}}}}</style>{ground}"
