"""What is known of every published number, in 100 columns? Theirs, ours, why not, and what would change that."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import pandas as pd

from reports.published.answer import digits_as, fit, signed_as, under
from reports.published.protocols import command, protocols
from reports.tables.table import Table

_TOGETHER = ("verdict", "why", "unknown", "suite")
"""Numbers of a source that are alike in these share the lines on them."""


def every_number(published: Table) -> str:
    """All rows of :func:`reports.published.compare.compared`, a source after another, the comparable ones first."""
    parts = []
    for source, rows in published.frame.groupby("source", sort=False):
        lines = [f"{source}  {rows['address'].iloc[0]}"]
        for shared, alike in groupby(rows.to_dict("records"), key=lambda row: tuple(row[name] for name in _TOGETHER)):
            several = list(alike)
            lines += map(_number, several)
            lines += _about(*map(str, shared), missing=all(pd.isna(row["ours"]) for row in several))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _number(row: Mapping[Any, Any]) -> str:
    """One line: what, theirs, ours and the distance."""
    line = f"  {fit(str(row['what']), 56)}{row['theirs']:>10} {row['unit']:7}"
    if not pd.isna(row["ours"]):
        line += f"{digits_as(row['ours'], row['theirs']):>10}{signed_as(row['distance'], row['theirs']):>10}"
    return line.rstrip()


def _about(verdict: str, why: str, unknown: str, suite: str, *, missing: bool) -> Iterator[str]:
    yield from under(f"{verdict}: {why}" + (f"; unknown of theirs: {unknown}" if unknown else ""))
    if verdict != "not comparable":
        return
    if suite:
        protocol = protocols()[suite]
        yield from under(f"{command(suite)}: needs {', '.join(protocol.needs)}; {protocol.cost}")
    elif missing:
        yield from under("no suite makes runs for it")
