"""What does a comparison answer, in a terminal of 100 columns? First what can be compared, then what it would take."""

import math
import textwrap
from collections.abc import Iterator, Sequence

import pandas as pd

from reports.published.protocols import Protocol, command, on_offer, still_needed
from reports.tables.table import Table, written

WIDTH = 100
MOST = 24
"""Cells of a reference that are shown; ``--all`` shows all."""

JUDGED = ("reproduced", "within spread", "differs")
_NUMBER = ["source", "what", "where"]
"""By these a published number is told from others."""

_ARITHMETIC = "arithmetic on layer shapes"


def answer(
    published: Table, references: Table, claims: Sequence[tuple[str, Table]], *, named: str = "DIR", known: str = ""
) -> str:
    """The whole answer.

    Args:
        published: of :func:`reports.published.compare.compared`. references: of
            :func:`reports.published.references.beside`. claims: of each board its title and its table.
        named: what was compared, as it is typed.
        known: what the references hold, said where no cell of theirs is among ours.
    """
    rows = published.frame
    judged = rows[rows["verdict"].isin(JUDGED) & (rows["by"] != _ARITHMETIC)]
    parts = [
        _published(judged, len(rows) > 0),
        references_text(references.frame, known),
        *(_claims(title, table.frame) for title, table in claims),
        _rest(rows, named),
    ]
    return "\n\n".join(part for part in parts if part)


def _published(judged: pd.DataFrame, asked: bool) -> str:
    if judged.empty:
        return "No published number can be compared with these runs." if asked else ""
    lines = [_cut(f"{'Published numbers beside yours':55}{'theirs':>9}{'yours':>9}{'distance':>10}  verdict")]
    for row in judged.to_dict("records"):
        unit = str(row["unit"])
        lines.append(
            f"{fit(str(row['source']), 23)} {fit(str(row['what']), 30)} {row['theirs']:>9}"
            f"{digits_as(row['ours'], row['theirs']):>9}{signed_as(row['distance'], row['theirs']):>9}{unit:>2} "
            f"{row['verdict']}"
        )
        lines += under(f"yours: {row['by']}")
        if row["unknown"]:
            lines += under(f"unknown of theirs: {row['unknown']}")
    return "\n".join(lines)


def references_text(rows: pd.DataFrame, known: str = "", *, most: int | None = MOST) -> str:
    """Our cells beside those of references, ``most`` for each; ``known`` where there are none."""
    if rows.empty:
        return "\n".join(textwrap.wrap(known, WIDTH)) if known else ""
    lines = []
    for name, mine in rows.groupby("reference", sort=False):
        lines.append(f"{fit(f'Mean error beside reference {name}', 51)}reference   yours        distance  verdict")
        for row in mine[:most].to_dict("records"):
            ends = "" if math.isnan(row["low"]) else f" ± {100 * (row['high'] - row['low']) / 2:.1f}"
            lines.append(
                f"{fit(str(row['strategy']), 33)} {fit(str(row['budget']), 8)}{row['tasks']:>3} tasks"
                f"{written(row['theirs'], 'error'):>9}{written(row['ours'], 'error'):>8}"
                f"{100 * row['distance']:+9.1f}{ends:7}  {row['verdict']}"
            )
        if most is not None and len(mine) > most:
            lines.append(f"  and {len(mine) - most} more cells: --all")
        for why in mine[mine["verdict"] == "not judged"]["why"].unique():
            lines += under(f"not judged: {why}")
        if (told := mine["why"].str.contains("by name and size")).any() and not (mine["verdict"] == "not judged").all():
            lines += under(f"{told.sum()} cells: the tasks are alike by name and number of images; the streams differ")
    return "\n".join(lines)


def _claims(title: str, rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    tested = rows[(rows["provenance"] == "") & (rows["verdict_here"] != "not tested")]
    if tested.empty:
        return ""
    lines = [_cut(f"Claims of papers beside yours, on these tasks: {title}")]
    for row in tested.to_dict("records"):
        lines += textwrap.wrap(
            f"{row['id']:4}{row['verdict_here']}: {row['statement']}", WIDTH, subsequent_indent=" " * 4
        )
        lines += under(f"{row['said']} ({row['source']})", indent=4)
    untested = rows[(rows["provenance"] == "") & (rows["verdict_here"] == "not tested")]["id"]
    if len(untested):
        lines += textwrap.wrap(f"not tested by these runs: {', '.join(map(str, untested))}", WIDTH)
    return "\n".join(lines)


def _rest(rows: pd.DataFrame, named: str) -> str:
    """One line for all that cannot be compared, and what would change that."""
    if rows.empty:
        return ""
    numbers = rows["verdict"].isin(JUDGED).groupby([rows[name] for name in _NUMBER], sort=False).any()
    open_rows = rows.set_index(_NUMBER).loc[numbers.index[~numbers]].reset_index()
    counted = int(((rows["by"] == _ARITHMETIC) & rows["verdict"].isin(JUDGED)).sum())
    measured = rows[rows["claim"] != ""][["source", "what"]].drop_duplicates()
    many = int((~numbers).sum()) - len(measured)
    lines = []
    if many > 0:
        needed = still_needed(open_rows.drop_duplicates(_NUMBER))
        shown = f"{', '.join(needed[:3])}{', ...' if len(needed) > 3 else ''}" or "what nothing here records"
        lines += textwrap.wrap(f"{many} more need {shown}: harness compare {named} --all", WIDTH)
        lines += [line for suite, protocol, n in on_offer(open_rows) for line in _offer(suite, protocol, n)]
    if counted:
        lines.append(f"{counted} published counts of layers are reproduced by arithmetic, without any run.")
    return "\n".join(lines)


def _offer(suite: str, protocol: Protocol, n: int) -> list[str]:
    needs = ", ".join(protocol.needs)
    return [f"  {command(suite)}", *under(f"makes {n} comparable; needs {needs}; {protocol.cost}")]


def under(text: str, *, indent: int = 6) -> Iterator[str]:
    """The lines of ``text``, indented."""
    return iter(textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent))


def fit(text: str, width: int) -> str:
    """``text`` in exactly ``width`` columns."""
    return (text if len(text) <= width else f"{text[: width - 1]}…").ljust(width)


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def digits_as(ours: float, theirs: object) -> str:
    """Ours with as many digits as theirs has."""
    places = len(str(theirs).partition(".")[2])
    return f"{ours:.{max(places, 1)}f}"


def signed_as(distance: float, theirs: object) -> str:
    """A distance with as many digits as theirs has, and its sign."""
    places = len(str(theirs).partition(".")[2])
    return f"{distance:+.{max(places, 1)}f}"
