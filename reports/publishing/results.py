"""Where does each number of a written text come from? Marks in Markdown name table, column and row; we fill them in.

A mark is an invisible comment, then what it stands for, then its end::

    The dense net is at <!--= curves[error] strategy=finetune; budget=1ep -->0.312 [0.287, 0.340]<!--/--> here.

    <!--= scores[strategy, area, n] -->
    (a Markdown table, written by us)
    <!--/-->

``curves`` is the stem of a file in ``tables/`` of the report, ``error`` a column of it: written as the page writes it,
with its interval where it has one, or as ``error:.1f`` says, a hundredfold as ``error*100:+.1f``. Rows are those whose
columns have the values that stand behind, ``|`` between several. On one line a mark is for one cell, else for a table.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import UserError, unknown
from reports.tables.table import DASH, Table, missing

MARK = re.compile(
    r"<!--=\s*(?P<table>[^\s\[\]]+)\[(?P<columns>[^\]]*)\]\s*(?P<where>.*?)\s*-->(?P<text>.*?)<!--/-->", re.DOTALL
)
"""A mark, from its comment to its end."""
_COLUMN = re.compile(r"(?P<key>[^*:]+?)(?P<hundred>\*100)?(?::(?P<format>[-+.\w%]+))?")


def fill(file: Path, tables: Mapping[str, Table]) -> None:
    """Bring every mark of a Markdown file up to ``tables``, in place.

    Raises:
        UserError: the file cannot be read or written, or see :func:`filled`.
    """
    try:
        text = file.read_text(encoding="utf-8")
        if (new := filled(text, tables)) != text:
            file.write_text(new, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot bring {str(file)!r} up to date: {error}") from error


def filled(text: str, tables: Mapping[str, Table]) -> str:
    """``text`` with every mark's content as ``tables`` have it.

    Raises:
        UserError: a mark names no table, no column or no row, or is not closed; the mark is told.
    """
    if len(MARK.findall(text)) != text.count("<!--="):
        raise UserError(
            "a mark is not closed or cannot be read: expected <!--= TABLE[COLUMN, ...] KEY=VALUE; ... -->text<!--/-->"
        )
    return MARK.sub(lambda found: _replaced(found, tables), text)


def _replaced(mark: "re.Match[str]", tables: Mapping[str, Table]) -> str:
    name, head = mark["table"], mark[0].partition("-->")[0] + "-->"
    if name not in tables:
        raise unknown("table", name, tables)
    try:
        written = _table(tables[name], mark) if "\n" in mark["text"] else _cell(tables[name], mark)
    except UserError as error:
        raise UserError(f"{head} {error}") from error
    return f"{head}{written}<!--/-->"


def _cell(table: Table, mark: "re.Match[str]") -> str:
    columns, rows = _columns(table, mark["columns"]), _rows(table, mark["where"])
    if len(columns) != 1 or len(rows) != 1:
        raise UserError(f"{len(columns)} columns, {len(rows)} rows: expected one of each in a line; {_tell(table)}")
    return _shown(table, rows[0], columns[0])


def _table(table: Table, mark: "re.Match[str]") -> str:
    rows, columns = _rows(table, mark["where"]), _columns(table, mark["columns"])
    if not rows:
        raise UserError(f"no such row; {_tell(table)}")
    titles = {c.key: (c.title, c.style) for c in table.columns}
    heads = [titles.get(key, (key, "text")) for key, *_ in columns]
    lines = [
        " | ".join(title for title, _ in heads),
        " | ".join("---" if style == "text" else "---:" for _, style in heads),
        *(" | ".join(_escaped(_shown(table, row, column)) for column in columns) for row in rows),
    ]
    return "\n\n" + "\n".join(f"| {line} |" for line in lines) + "\n\n"


def _columns(table: Table, text: str) -> list[tuple[str, bool, str]]:
    """(key, whether a hundredfold, format) of each named column."""
    found = []
    for part in text.split(","):
        name = part.strip()
        match = None if name in table.frame.columns else _COLUMN.fullmatch(name)
        key = match["key"] if match else name
        if key not in table.frame.columns:
            raise unknown("column", key, map(str, table.frame.columns))
        found.append((key, bool(match and match["hundred"]), str(match["format"] or "") if match else ""))
    return found


def _rows(table: Table, where: str) -> list[dict[str, Any]]:
    rows = table.rows
    for condition in filter(None, (part.strip() for part in where.split(";"))):
        key, equals, values = condition.partition("=")
        if not equals or key.strip() not in table.frame.columns:
            raise unknown("column", key.strip(), map(str, table.frame.columns))
        wanted = {value.strip() for value in values.split("|")}
        rows = [row for row in rows if str(row[key.strip()]) in wanted]
    return rows


def _shown(table: Table, row: Mapping[str, Any], column: tuple[str, bool, str]) -> str:
    key, hundred, form = column
    if hundred or form:
        if missing(row[key]):
            return DASH
        return format(float(row[key]) * (100 if hundred else 1), form or ".3g").replace("-", "\u2212")
    described = next((c for c in table.columns if c.key == key), None)
    if described is not None:
        return described.show(row)
    value = row[key]
    return DASH if missing(value) else f"{value:.3g}" if isinstance(value, float) else str(value)


def _tell(table: Table) -> str:
    names = [c.key for c in table.columns[: max(2, table.row_head)]]
    rows = [", ".join(f"{name}={row[name]}" for name in names) for row in table.rows[:3]]
    return f"{table.name} has rows such as {' / '.join(rows)}" if rows else f"{table.name} is empty"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
