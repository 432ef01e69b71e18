"""Where does a report come from? Run folders in; one page, tables and figures out."""

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from markupsafe import Markup

from reports.boards.board import Board, Unpaid, boards
from reports.boards.naming import prefixes, short_title
from reports.claims.verdicts import claims_table, provenance
from reports.figures import figures
from reports.figures.readme_picture import write_picture
from reports.figures.style import Look, looks
from reports.page import document as page
from reports.page.chart import chart_data
from reports.page.overview import overview_table, verdicts_table
from reports.page.words import (
    BEST,
    GAINS,
    MAIN,
    OVERVIEW,
    PROFILES,
    board_facts,
    board_notes,
    crossed,
    facts,
    notes,
    ran_lead,
    said_best,
    said_front,
    terms,
)
from reports.published.baselines import chosen
from reports.published.compare import compared
from reports.publishing.results import fill
from reports.reading.frame import Frames, budget_order, read
from reports.tables.by_budget import budgets_table, gains_tables
from reports.tables.curves import curves, curves_table
from reports.tables.forgetting import forgetting_table
from reports.tables.matrix import matrix_table
from reports.tables.optimal import behind_table, optimal_table
from reports.tables.ran import gaps_table, runs_table, settings_table
from reports.tables.ranks import profiles_table, ranks_table
from reports.tables.recovery import recovery_table
from reports.tables.scaling import Scaling, scaling, scaling_table
from reports.tables.scores import scores_table
from reports.tables.table import Table, latex
from reports.tables.trainings import trainings_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Made(NamedTuple):
    """One board with all that the report shows of it."""

    board: Board
    prefix: str
    curve: pd.DataFrame
    law: Scaling | None
    behind: pd.DataFrame
    tables: list[Table]


def write_report(
    given: Sequence[Path], out: Path, *, results: Path | None = None, picture: Path | None = None,
    unpaid: Unpaid = "apart",
) -> Path:  # fmt: skip
    """Write ``report.html``, ``tables/*.csv``, ``tables/*.tex`` and ``figures/*.svg|png|pdf`` below ``out``.

    Args:
        given: result folders and bundles.
        results: a Markdown file whose marks are filled in from the tables, in place (see ``publishing.results``).
        unpaid: whether a task that a budget could not pay for is left out or counts as the constant prediction.
        picture: an SVG file to write the main figure to, readable on light and dark ground.

    Returns:
        The path of ``report.html``.

    Raises:
        UserError: one of ``given`` cannot be read, or ``results`` names what is not there.
    """
    frames = read([Path(path) for path in given])
    made = [_made(board, frames, prefix) for board, prefix in _named(boards(frames, unpaid=unpaid))]
    across, ran = _across(made, frames), _ran(frames)
    for part in ("tables", "figures"):
        (out / part).mkdir(parents=True, exist_ok=True)
    for name, table in _all(made, across, ran).items():
        write_table(table, out / "tables", name)
    frames.tasks.to_csv(out / "tables" / "records.csv", index=False)
    found = [one.board for one in made]
    look = looks({label for board in found for label in board.labels})
    sections = [_section(one, look, out / "figures") for one in made]
    text = page.render(
        title="Error against compute",
        facts=facts(frames),
        notes=notes(frames, found),
        terms=terms(found),
        overview=_overview(made, across, look, out / "figures"),
        boards=[section for section, _ in sections],
        data=page.embedded({"boards": [data for _, data in sections]}),
        choices=_choices(found),
        strategies=[(label, page.mark(look[label])) for label in dict.fromkeys(x for b in found for x in b.labels)],
        parts=[_published(across["baselines"], look)],
        ran=[page.shown(table, look) for table in ran],
        ran_lead=ran_lead(frames),
        made=datetime.date.today().isoformat(),
        version=_version(),
    )
    target = out / "report.html"
    target.write_text(text, encoding="utf-8")
    if results is not None:
        fill(results, _all(made, across, ran))
    if picture is not None:
        write_picture(_panels(made), look, picture)
    return target


def tables_of(given: Sequence[Path]) -> dict[str, Table]:
    """Every table of the report of ``given``, by the stem of its files."""
    frames = read([Path(path) for path in given])
    made = [_made(board, frames, prefix) for board, prefix in _named(boards(frames))]
    return _all(made, _across(made, frames), _ran(frames))


def _all(made: Sequence[Made], across: Mapping[str, Table], ran: Sequence[Table]) -> dict[str, Table]:
    mine = {f"{one.prefix}{_file_name(table.name)}": table for one in made for table in one.tables}
    return mine | dict(across) | {table.name: table for table in ran}


def _named(found: Sequence[Board]) -> list[tuple[Board, str]]:
    return list(zip(found, prefixes(found), strict=True))


def _made(board: Board, frames: Frames, prefix: str) -> Made:
    curve, law = curves(board), scaling(board)
    tables = [
        curves_table(board, curve),
        budgets_table(board, curve),
        *gains_tables(board),
        optimal_table(board),
        claims_table(board),
        scores_table(board, curve),
    ]
    tables += [matrix_table(board, budget) for budget in reversed(board.budgets)]
    tables += [recovery_table(board, curve), ranks_table(board), profiles_table(board), scaling_table(law)]
    behind = behind_table(board)
    tables += [behind, forgetting_table(board, frames), trainings_table(board)]
    return Made(board, prefix, curve, law, behind.frame, tables)


def _across(made: Sequence[Made], frames: Frames) -> dict[str, Table]:
    """The tables of all boards together; those that set boards side by side only where there are several."""
    found = [compared(frames, chosen(()))]
    if len(made) > 1:
        claims = [next(table for table in one.tables if table.name == "claims") for one in made]
        found += [overview_table([one.board for one in made]), verdicts_table([one.board for one in made], claims)]
    return {table.name: table for table in found}


def _ran(frames: Frames) -> list[Table]:
    return [gaps_table(frames), runs_table(frames), settings_table(frames)]


def _panels(made: Sequence[Made]) -> list[tuple[str, pd.DataFrame]]:
    return [(f"{short_title(one.board)}\ntasks: {provenance(one.board)}", one.curve) for one in made]


def _overview(
    made: Sequence[Made], across: Mapping[str, Table], look: dict[str, Look], folder: Path
) -> page.Section | None:
    if len(made) < 2:
        return None
    panels = _panels(made)
    picture = _picture(figures.overview_picture, panels, look, folder=folder, name="overview", said=OVERVIEW)
    return page.Section(
        "overview",
        "All streams and backbones",
        figures=[replace(picture, caption=OVERVIEW)],
        tables=[page.shown(across[name], look) for name in ("overview", "verdicts")],
    )


def write_table(table: Table, folder: Path, name: str) -> None:
    """``name``.csv with every number in full, ``name``.tex as it is shown."""
    table.frame.loc[:, [c for c in table.frame.columns if not str(c).endswith((" heat", " note"))]].to_csv(
        folder / f"{name}.csv", index=False
    )
    (folder / f"{name}.tex").write_text(latex(table), encoding="utf-8")


def _choices(found: Sequence[Board]) -> list[tuple[str, list[str]]]:
    """What the page can be filtered by, and the values there are."""
    values = {name: {str(x) for board in found for x in board.tasks[name]} for name in ("domain", "provenance")}
    budgets = sorted({budget for board in found for budget in board.budgets}, key=budget_order)
    return [*((name, sorted(held)) for name, held in values.items()), ("budget", budgets)]


def _published(table: Table, look: dict[str, Look]) -> page.Section:
    counts = table.frame["verdict"].value_counts()
    said = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    return page.Section(
        "published",
        "Published numbers",
        f"{len(table.frame)} numbers from {table.frame['source'].nunique()} sources: {said}. Every number has its "
        "address; none is judged where the conditions differ.",
        tables=[page.shown(table, look)],
    )


def _section(made: Made, look: dict[str, Look], folder: Path) -> tuple[page.Section, dict[str, Any]]:
    """One board's part of the page, and what its live picture needs."""
    board, prefix, curve, law, behind, tables = made
    main = _picture(figures.main_picture, curve, look, folder=folder, name=f"{prefix}curves", said=said_front(curve))
    pictures = [replace(main, caption=MAIN)]
    gains = next(table for table in tables if table.name == "gains").frame
    if len(gains):
        flops = {(row.strategy, row.budget): row.flops for row in curve.itertuples()}
        drawn = _picture(
            figures.gains_picture, gains, board.budgets, flops, look, folder=folder, name=f"{prefix}gains", said=GAINS
        )
        pictures.append(replace(drawn, caption=GAINS))
    if len(behind):
        told = said_best(board)
        best = _picture(figures.optimal_picture, behind, law, look, folder=folder, name=f"{prefix}optimal", said=told)
        pictures.append(replace(best, caption=BEST))
    profiles = next(table for table in tables if table.name == "profiles")
    if len(profiles.frame):
        spread = _picture(
            figures.profile_picture, profiles.frame, look, folder=folder, name=f"{prefix}profiles", said=PROFILES
        )
        pictures.append(replace(spread, caption=f"{PROFILES} {profiles.caption}"))
    section = page.Section(
        f"{prefix}board",
        board.title,
        facts=board_facts(board),
        notes=board_notes(board),
        lead=crossed(board, curve),
        figures=pictures,
        tables=[page.shown(table, look, anchor=f"{prefix}{_file_name(table.name)}") for table in tables],
    )
    return section, chart_data(board, curve, look, anchor=section.anchor)


def _picture(draw: Callable[..., "Figure"], *given: Any, folder: Path, name: str, said: str) -> page.Picture:
    """Draw at both widths, write the files, and take the SVGs for the page."""
    wide = figures.save(draw(*given, width=figures.WIDE), folder, name)
    narrow = figures.save(draw(*given, width=figures.NARROW), folder, f"{name}_column")
    return page.Picture(*(Markup(figures.inline(svg, f"{name}{i}", said)) for i, svg in enumerate((wide, narrow))))


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._=+-]+", "_", text)


def _version() -> str:
    try:
        return version("nevis-harness")
    except PackageNotFoundError:
        return "(not installed)"
