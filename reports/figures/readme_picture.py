"""What does a README show? The main figure as one SVG that is readable on light and on dark ground."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.core.errors import UserError
from reports.figures.axes import WIDE
from reports.figures.curves import Panel, overview_picture
from reports.figures.files import inline, save
from reports.figures.style import COLORS, FRONT, REST

_LIGHT = {"ground": "#ffffff", "ink-2": "#4a4a4a", "grid": "#dddddd", "front": FRONT[0], "rest": REST[0]}
_DARK = {"ground": "#16181a", "ink-2": "#bdbdb8", "grid": "#34383b", "front": FRONT[1], "rest": REST[1]}


def write_picture(panels: Sequence[Panel], file: Path) -> None:
    """Write the panels of :func:`~reports.figures.curves.overview_picture` to ``file``, an SVG with its own ground.

    A README is read in a glance: only what stands in colour is drawn.

    Raises:
        UserError: the file does not end in .svg or cannot be written.
    """
    if file.suffix != ".svg":
        raise UserError(f"cannot write the picture to {str(file)!r}: expected a file that ends in .svg")
    few = [
        (title, table[~table["strategy"].map(lambda label, look=look: look[label].rest).astype(bool)], budgets, look)
        for title, table, budgets, look in panels
    ]
    with TemporaryDirectory() as folder:
        svg = save(overview_picture(few, width=WIDE), Path(folder), "main_column")
    said = "Mean error over tasks against charged FLOPs a task, a line a strategy"
    head, _, body = inline(svg, "main", said).partition(">")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{head}>{_style()}{body}\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {str(file)!r}: {error.strerror}") from error


def _style() -> str:
    light = _LIGHT | {f"c{i}": color for i, (color, _) in enumerate(COLORS)}
    dark = _DARK | {f"c{i}": color for i, (_, color) in enumerate(COLORS)}
    first, second = ("".join(f"--{name}:{value};" for name, value in colors.items()) for colors in (light, dark))
    ground = '<rect width="100%" height="100%" rx="6" style="fill: var(--ground)"/>'
    return f"<style>:root{{{first}}}@media(prefers-color-scheme:dark){{:root{{{second}}}}}</style>{ground}"
