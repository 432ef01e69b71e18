"""How do streams and backbones compare? What each board says, side by side; nothing is averaged over boards."""

from collections.abc import Sequence

import pandas as pd

from reports.boards.board import Board
from reports.boards.naming import short_titles
from reports.claims.verdicts import provenance
from reports.statistics.student import HERE, LIKE
from reports.tables.optimal import optimal_table
from reports.tables.table import Column, Table

_WHERE = ("stream", "backbone", "tasks")


def overview_table(found: Sequence[Board]) -> Table:
    """The leader at each budget of each board."""
    rows = []
    for board in found:
        where = {"stream": board.setting["stream"], "backbone": board.setting["backbone"], "tasks": provenance(board)}
        rows += [{**where, **row} for row in optimal_table(board).rows]
    columns = ["budget", "strategy", "error", "low", "high", "next", "gap", "gap_low", "gap_high", "like", "like_low",
               "like_high", "n"]  # fmt: skip
    return Table(
        "overview",
        "Best at each budget, for each stream and backbone",
        "The strategy that is ahead of the most others, pair by pair, and how far the next is behind. "
        "Each row is of one stream and one backbone; no number is a mean over several of them.",
        pd.DataFrame(rows, columns=[*_WHERE, *columns]),
        (
            Column("stream", "Stream"),
            Column("backbone", "Backbone"),
            Column("tasks", "Tasks"),
            Column("budget", "Budget"),
            Column("strategy", "Strategy"),
            Column("error", f"Error [95% {HERE}]", "error", low="low", high="high"),
            Column("next", "Next"),
            Column("gap", f"Next is behind by [95% {HERE}]", "signed", low="gap_low", high="gap_high"),
            Column("like", f"... [95% {LIKE}]", "signed", low="like_low", high="like_high"),
            Column("n", "n", "count"),
        ),
        row_head=2,
        filters={"budget": "budget", "strategy": "strategy"},
    )


def verdicts_table(found: Sequence[Board], claims: Sequence[Table]) -> Table:
    """A row for each claim, a column for each board and kind of task: where does it hold?"""
    rows: dict[str, dict[str, object]] = {}
    shown: dict[str, Column] = {}
    for board, name, table in zip(found, short_titles(found), claims, strict=True):
        for row in table.rows:
            key = f"verdict {board.title}, {row['on']}"
            title = f"{name}: {row['on']}"
            shown.setdefault(
                key, Column(key, title, behind=f"{key} here", note=f"{key} note", help=f"{board.title}: {row['on']}")
            )
            claim = rows.setdefault(row["id"], {"id": row["id"], "statement": row["statement"]})
            here = "" if row["verdict_here"] == row["verdict"] else f" ({HERE}: {row['verdict_here']})"
            claim |= {key: row["verdict"], f"{key} here": here, f"{key} note": row["said"]}
    columns = [name for key in shown for name in (key, f"{key} here", f"{key} note")]
    return Table(
        "verdicts",
        "Claims, for each stream and backbone",
        f"A verdict rests on one stream and one backbone, and is about {LIKE}; where that {HERE} is another, it stands "
        "behind. On hover, what was found. The tables of each say more.",
        pd.DataFrame(list(rows.values()), columns=["id", "statement", *columns]),
        (Column("id", "Claim"), Column("statement", "Statement"), *shown.values()),
        row_head=2,
    )
