"""Which numbers are shown? Each table is a frame with its columns described, so that page, CSV and LaTeX agree."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

DASH = "\u2013"
"""Stands where there is no number."""

FEW = 2
"""Names of a list that are shown where it is longer by two or more; hover and CSV have them all."""

Style = Literal["text", "count", "number", "error", "flops", "seconds", "signed", "points", "exact", "chance"]


@dataclass(frozen=True)
class Column:
    """How a column is shown. With ``low`` and ``high`` its interval stands beside the value.

    Attributes:
        key: column of the frame. title: what people read. style: how a value is written.
        behind: column with a few words that stand behind the value.
        heat: column whose value in [0, 1] colours the cell.
        note: column with a remark shown on hover and to screen readers.
        link: name of the table on the page that the cell leads to.
        group: domain and provenance of the task that the column is about.
        several: the value is names with ``; `` between them, of which the first few are shown.
    """

    key: str
    title: str
    style: Style = "text"
    low: str = ""
    high: str = ""
    behind: str = ""
    heat: str = ""
    note: str = ""
    link: str = ""
    group: tuple[str, str] | None = None
    help: str = ""
    several: bool = False

    def show(self, row: Mapping[str, Any]) -> str:
        """The cell's text."""
        text = written(row[self.key], self.style)
        if self.several and len(names := text.split("; ")) > FEW + 1:
            text = f"{'; '.join(names[:FEW])} and {len(names) - FEW} more"
        if self.low and text != DASH and not missing(row[self.low]):
            text += f" [{written(row[self.low], self.style)}, {written(row[self.high], self.style)}]"
        return f"{text} {row[self.behind] if self.behind else ''}".rstrip()


@dataclass(frozen=True)
class Table:
    """One table: ``frame`` holds every number in full, ``columns`` say what of it is shown and how.

    Attributes:
        name: stem of its files.
        caption: what a reader must know to read it right.
        row_head: the first columns, which name the row.
        filters: columns by which the page can filter rows, and the name of the filter.
        filtered: what the page's filters of domain and provenance do: nothing ("no"), hide rows or columns of other
            tasks ("hide"), choose the rows of that provenance ("provenance"), or compute the numbers anew ("anew").
    """

    name: str
    title: str
    caption: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    row_head: int = 1
    filters: dict[str, str] = field(default_factory=dict)
    folded: bool = False
    filtered: Literal["no", "hide", "provenance", "anew"] = "no"

    @property
    def filled(self) -> tuple[Column, ...]:
        """The columns but those without any value; what names the rows stays."""
        return (
            tuple(
                column
                for place, column in enumerate(self.columns)
                if place < self.row_head or not all(missing(x) or x == "" for x in self.frame[column.key])
            )
            if len(self.frame)
            else self.columns
        )

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [{str(key): value for key, value in row.items()} for row in self.frame.to_dict("records")]


def missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def written(value: Any, style: Style) -> str:
    """A value as people read it; an en dash where there is none."""
    if missing(value) or value == "":
        return DASH
    if style == "text":
        return str(value)
    number = float(value)
    if math.isinf(number):
        return "never" if number > 0 else "-∞"
    match style:
        case "count":
            return f"{number:,.0f}".replace(",", "\u202f")
        case "exact":
            # A published number as it was printed: no digit more or less.
            return str(value)
        case "error":
            return f"{number:.3f}"
        case "signed":
            return f"{number:+.3f}".replace("-", "\u2212")
        case "points":
            return f"{100 * number:+.1f}".replace("-", "\u2212")
        case "chance":
            # Out of 2,000 resamples none and all are not never and always.
            return "> 0.99" if number > 0.99 else "< 0.01" if number < 0.01 else f"{number:.2f}"
        case "flops":
            return _scientific(number)
        case "seconds":
            return f"{number:.3g} s"
        case _:
            return f"{number:.3g}"


def _scientific(number: float) -> str:
    if number == 0:
        return "0"
    mantissa, _, exponent = f"{number:.2e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def latex(table: Table) -> str:
    """The table for a paper: booktabs, every special character escaped."""
    columns = table.filled
    lines = [
        f"% {_escaped(table.title)}. Needs \\usepackage{{booktabs}}.",
        f"\\begin{{tabular}}{{{''.join('l' if c.style == 'text' else 'r' for c in columns)}}}",
        "\\toprule",
        " & ".join(_escaped(c.title) for c in columns) + r" \\",
        "\\midrule",
        *(" & ".join(_escaped(c.show(row)) for c in columns) + r" \\" for row in table.rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


# fmt: off
_SPECIAL = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
            "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
            ">": r"\textgreater{}", "\n": " ", DASH: "--", "\u202f": r"\,", "\u2212": "$-$", "∞": r"$\infty$"}
# fmt: on


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)


def text(table: Table, *, width: int = 36) -> str:
    """The table for a terminal: aligned, each cell cut at ``width`` characters."""
    lines = [[c.title for c in table.columns], *([c.show(row) for c in table.columns] for row in table.rows)]
    lines = [[cell if len(cell) <= width else f"{cell[: width - 1]}…" for cell in line] for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.columns))]
    right = [c.style != "text" for c in table.columns]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )
