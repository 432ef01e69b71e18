"""How does a person look at everybody's results? A static site: one page of leaderboards, and one an entry.

No script, nothing from elsewhere; every text is escaped, and a policy in each page forbids what would slip through.
"""

import datetime
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.core.errors import UserError
from harness.core.spec import PROTOCOL_VERSION
from reports.claims.verdicts import command, provenance
from reports.publishing.board.leaderboard import Leaderboard, Row, leaderboards
from reports.publishing.board.received import Entry, Refused, one_line, own_records, received
from reports.statistics.student import Estimate
from reports.tables.table import DASH, written

_HERE = Path(__file__).parent
_MARK = ".harness-board"
"""Lies in a folder that this made: only such a folder, or an empty one, is written over."""

_PER_TASK = ("stream", "backbone", "size", "scoring", "protocol", "strategy", "budget", "seed", "task", "domain",
             "provenance", "status", "error", "n", "flops", "seconds", "parameters")  # fmt: skip


def write_site(bundles: Sequence[Path], out: Path, *, rerun: Sequence[Path] = ()) -> Path:
    """Write the site of ``bundles`` to the folder ``out``, which is made anew.

    Args:
        bundles: what people handed in. One that is damaged or cannot be is listed as such, and the others stand.
        rerun: folders of runs that were made here. A run of a bundle with the key of one of them has equal records, or
            its entry says that it has not.

    Returns:
        The path of ``index.html``.

    Raises:
        UserError: there is no bundle that can be taken, or ``out`` holds other things.
    """
    own = own_records(rerun) if rerun else {}
    entries, refused = received(bundles, own)
    if not entries:
        raise UserError(f"no bundle can be taken: {'; '.join(f'{one.name}: {one.why}' for one in refused)}"[:1000])
    found = leaderboards(entries)
    _emptied(out)
    pages = _Pages(datetime.date.today().isoformat(), reran=bool(rerun))
    for entry in entries:
        (out / "entries" / f"{entry.slug}.html").write_text(pages.entry(entry, found), encoding="utf-8")
        _per_task(entry).to_csv(out / "entries" / f"{entry.slug}.csv", index=False)
    index = out / "index.html"
    index.write_text(pages.index(entries, refused, found), encoding="utf-8")
    return index


def _emptied(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{str(out)!r} is a file; --out names a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / _MARK).exists():
        raise UserError(f"{str(out)!r} holds other files than a board; name an empty or a new folder")
    try:
        shutil.rmtree(out / "entries", ignore_errors=True)
        (out / "entries").mkdir(parents=True)
        (out / _MARK).touch()
    except OSError as error:
        raise UserError(f"cannot write to {str(out)!r}: {error.strerror}") from error


class _Pages:
    """The pages, filled."""

    def __init__(self, made: str, *, reran: bool) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True,
        )  # fmt: skip
        style = Markup((_HERE / "site.css").read_text(encoding="utf-8"))
        self._environment.globals.update(css=style, made=made, reran=reran, current_protocol=PROTOCOL_VERSION)
        self._environment.filters.update(one_line=one_line, points=_points, share=_share, flops=_flops, error=_error)

    def index(self, entries: Sequence[Entry], refused: Sequence[Refused], found: Sequence[Leaderboard]) -> str:
        return self._environment.get_template("index.html.j2").render(
            entries=entries,
            refused=refused,
            current=[one for one in found if one.current],
            earlier=[one for one in found if not one.current],
        )

    def entry(self, entry: Entry, found: Sequence[Leaderboard]) -> str:
        mine = [row for one in found for rows in one.rows.values() for row in rows if row.entry is entry]
        used = entry.frames.runs[entry.frames.runs["used"]]
        return self._environment.get_template("entry.html.j2").render(
            entry=entry,
            boards=[(board, provenance(board)) for board in entry.boards],
            rows=mine,
            commands=_commands(mine),
            notes=[one_line(note, longest=300) for note in entry.frames.notes[:50]],
            commits=sorted({one_line(str(commit)[:12]) for commit in used["commit"]}),
            dirty=bool(used["dirty"].any()),
            machines=sorted({one_line(str(held.get("gpu") or held.get("cpu"))) for held in used["hardware"]}),
            packages=_packages(used),
            sources=sorted({(str(row["strategy"]), str(row["source"])) for _, row in used.iterrows() if row["source"]}),
        )


def _commands(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Of each strategy and board: what is typed to run it again."""
    boards = {(row.label, row.board.number): row for row in rows}
    budgets = {key: [row.budget for row in rows if (row.label, row.board.number) == key] for key in boards}
    return [(row.label, command(row.board, [row.label], budgets[key])) for key, row in boards.items()]


def _packages(runs: pd.DataFrame) -> list[str]:
    held = [packages for packages in runs["packages"] if isinstance(packages, dict)]
    pairs = {(one_line(str(name)), one_line(str(version))) for one in held for name, version in one.items()}
    return [f"{name} {version}" for name, version in sorted(pairs)]


def _per_task(entry: Entry) -> pd.DataFrame:
    """Every result of the entry, a row each. A text that a spreadsheet would take for a formula is marked as text."""
    runs = entry.frames.runs.set_index("run")
    rows = entry.frames.tasks[entry.frames.tasks["used"]].copy()
    for name in ("stream", "backbone", "size", "scoring"):
        rows[name] = rows["run"].map(runs[name])
    rows["protocol"] = rows["run"].map(runs["protocol_version"])
    rows = rows.reindex(columns=list(_PER_TASK))
    for name in rows.columns:
        if rows[name].dtype == object or str(rows[name].dtype) in ("str", "string"):
            rows[name] = [_plain_cell(value) for value in rows[name]]
    return rows


def _plain_cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = one_line(value, longest=500)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _points(one: Estimate | None) -> str:
    if one is None or math.isnan(one.value):
        return DASH
    ends = f" [{100 * one.low:+.1f}, {100 * one.high:+.1f}]" if one.known else ""
    return f"{100 * one.value:+.1f}{ends}".replace("-", "\u2212")


def _error(one: Estimate) -> str:
    ends = one.share
    return written(one.value, "error") + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if one.known else "")


def _share(value: float) -> str:
    return DASH if math.isnan(value) else f"{100 * value:.0f} %"


def _flops(value: float) -> str:
    return written(value, "flops")
