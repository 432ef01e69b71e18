"""How does the page come about? Tables and figures become one HTML file that needs nothing else."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.figures.style import COLORS, Look
from reports.tables.table import Column, Table, missing

_HERE = Path(__file__).parent
ROWS = 200
"""A page shows no more rows of one table; its CSV holds them all."""


@dataclass(frozen=True)
class Picture:
    """A figure on the page: its ``<svg>`` for wide and for narrow screens; ``name`` is the stem of its files."""

    wide: Markup
    narrow: Markup
    name: str
    title: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        spec: the title in full, on hover. subtitle: what stands beside the title, in a few words.
        answers: what it says, each as where, who and how.
        strip: from :func:`reports.page.strip.strip`.
        facts: in a line under its title. notes: warnings.
        figures, tables: to be seen at once. more: figures that are folded. folded: tables that are.
    """

    anchor: str
    title: str
    spec: str = ""
    subtitle: str = ""
    answers: Sequence[tuple[str, str, str]] = ()
    strip: Mapping[str, Any] | None = None
    lead: str = ""
    facts: Sequence[tuple[str, object]] = ()
    notes: Sequence[str] = ()
    figures: Sequence[Picture] = ()
    more: Sequence[Picture] = ()
    tables: Sequence[Mapping[str, Any]] = ()
    folded: Sequence[Mapping[str, Any]] = ()


def render(**parts: Any) -> str:
    """The whole page. Every text in ``parts`` is escaped; only ``Markup`` is taken as it is."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    css, js = (Markup((_HERE / f"page.{kind}").read_text(encoding="utf-8")) for kind in ("css", "js"))
    return environment.get_template("page.html.j2").render(css=css, js=js, **parts)


def embedded(value: Any) -> Markup:
    """JSON that can stand inside a ``<script>``: no name can end it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def table_context(
    table: Table, looks: Mapping[str, Look], *, anchor: str = "", folded: bool | None = None
) -> dict[str, Any]:
    """What the template needs to know of a table; columns without any value are left out.

    Args:
        anchor: its place on the page and the stem of its files. folded: instead of what the table says.
    """
    columns = table.filled
    return {
        "name": table.name,
        "title": table.title,
        "caption": table.caption,
        "folded": table.folded if folded is None else folded,
        "anchor": anchor or table.name,
        "filtered": table.filtered,
        "by_column": any(c.heat for c in columns),
        "more": f"The first {ROWS} of {len(table.frame)} rows; all are in {anchor or table.name}.csv."
        if len(table.frame) > ROWS
        else "",
        "columns": [
            {
                "title": c.title,
                "key": c.key,
                "number": c.style != "text",
                "help": c.help,
                "lines": _lines(c),
                "data": Markup(' data-domain="{}" data-provenance="{}"').format(*c.group) if c.group else "",
            }
            for c in columns
        ],
        "rows": [
            {
                "data": _data(table, row),
                "cells": [_cell(c, row, i < table.row_head, looks) for i, c in enumerate(columns)],
            }
            for row in table.rows[:ROWS]
        ],
    }


def _lines(column: Column) -> list[str]:
    """A task's year, domain and provenance below its name; hover has the rest."""
    return [column.help.partition(",")[0], *column.group] if column.group else []


def _data(table: Table, row: Mapping[str, Any]) -> Markup:
    return Markup("").join(Markup(' data-{}="{}"').format(name, row[key]) for name, key in table.filters.items())


def _cell(column: Column, row: Mapping[str, Any], head: bool, looks: Mapping[str, Look]) -> Markup:
    text, value = column.show(row), row[column.key]
    number = column.style != "text"
    attributes = {"scope": "row"} if head else {}
    if names := _classes(column, row, text):
        attributes["class"] = names
    if number and not missing(value):
        attributes["data-sort"] = f"{float(value):.9g}"
    if column.heat and not missing(row[column.heat]):
        attributes["style"] = f"--h:{row[column.heat]:.2f}"
    if column.note and row[column.note]:
        attributes["title"] = row[column.note]
    elif column.several and value:
        attributes["title"] = str(value)
    elif len(text) > 40:
        attributes["title"] = text
    inner = escape(text)
    if column.title == "Strategy" and value in looks:
        inner = mark(looks[str(value)]) + inner
    if column.link and number and value:
        link = {"href": f"#{column.link}", "data-labels": row["rests_on"], "data-budgets": row["budgets"],
                "data-of": str(row["board"])}  # fmt: skip
        inner = _tag("a", link, inner)
    return _tag("th" if head else "td", attributes, inner)


def _tag(name: str, attributes: Mapping[str, str], inner: Markup) -> Markup:
    held = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{held}>{inner}</{name}>")


def _classes(column: Column, row: Mapping[str, Any], text: str) -> str:
    names = ["num"] if column.style != "text" else ["long"] if len(text) > 44 else []
    if column.heat and not missing(row[column.heat]):
        names.append("hot")
    if column.key == "command":
        names = ["command"]
    if column.key.startswith("verdict"):
        names.append(f"is-{str(row[column.key]).replace(' ', '-')}")
    return " ".join(names)


@cache
def mark(look: Look) -> Markup:
    """The line and marker of a strategy, as its legend entry in a table."""
    color = "var(--rest)" if look.rest else f"var(--c{[light for light, _ in COLORS].index(look.light)})"
    dashes = " ".join(f"{length * 1.5:g}" for length in look.dash)
    return Markup(
        '<svg class="mark" viewBox="0 0 30 12" aria-hidden="true" focusable="false">'
        '<path d="M0 6H30" stroke="{0}" stroke-width="2" stroke-dasharray="{1}"/><path d="{2}" fill="{0}"/></svg>'
    ).format(color, dashes, marker_path(look.marker, 15, 6, 4.5))


def marker_path(marker: str, x: float, y: float, r: float) -> str:
    """The outline of a marker as an SVG path."""
    corners = {"s": (4, 45.0), "D": (4, 0.0), "^": (3, -90.0), "v": (3, 90.0), "<": (3, 180.0), ">": (3, 0.0)}
    corners |= {"p": (5, -90.0), "h": (6, -90.0)}
    if marker in corners:
        count, turn = corners[marker]
        around = [math.radians(turn + 360 * i / count) for i in range(count)]
        return "M" + "L".join(f"{x + r * 1.2 * math.cos(a):.1f} {y + r * 1.2 * math.sin(a):.1f}" for a in around) + "Z"
    if marker in "PX*":
        count, inner, turn = {"P": (4, 0.35, 0.0), "X": (4, 0.35, 45.0), "*": (5, 0.45, -90.0)}[marker]
        points = []
        for i in range(2 * count):
            a, size = math.radians(turn + 180 * i / count), r * 1.3 * (1 if i % 2 == 0 else inner)
            points.append(f"{x + size * math.cos(a):.1f} {y + size * math.sin(a):.1f}")
        return "M" + "L".join(points) + "Z"
    return f"M{x - r:g} {y:g}a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0 {-2 * r:g} 0Z"
