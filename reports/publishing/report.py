"""Where does a report come from? Run folders in; one page, tables and figures out."""

import datetime
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from reports.boards.answer import answers, focus
from reports.boards.board import Board, Unpaid, boards
from reports.boards.naming import prefixes, short_titles
from reports.claims.verdicts import claims_table, provenance
from reports.figures import forest
from reports.figures.axes import NARROW, WIDE
from reports.figures.curves import Panel, cuts, main_picture, overview_picture
from reports.figures.files import inline, save
from reports.figures.leaders import optimal_picture
from reports.figures.profiles import profile_picture
from reports.figures.readme_picture import write_picture
from reports.figures.style import Look, looks
from reports.page import document as page
from reports.page.chart import CONSTANTS, chart_data
from reports.page.overview import overview_table, verdicts_table
from reports.page.strip import strip
from reports.page.words import (
    BEST,
    CUT,
    GAINS,
    MAIN,
    NOT_TESTED,
    OVERVIEW,
    PROFILES,
    SECONDS,
    board_facts,
    board_notes,
    crossed,
    decided,
    describe_front,
    describe_leads,
    facts,
    notes,
    ran_lead,
    tasks_of,
    terms,
    untested,
)
from reports.published.baselines import chosen
from reports.published.compare import compared
from reports.publishing.results import fill
from reports.reading.frame import Frames, budget_order, read
from reports.reading.only import only_labels
from reports.tables.by_budget import budgets_table, gains_tables
from reports.tables.curves import budget_costs, curves, curves_table
from reports.tables.forgetting import accuracy_tables, forgetful, forgetting_table
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


class BoardReport(NamedTuple):
    """One board with all that the report shows of it. ``costs`` are the FLOPs a task that each budget pays for."""

    board: Board
    prefix: str
    title: str
    curve: pd.DataFrame
    costs: dict[str, float]
    law: Scaling | None
    behind: pd.DataFrame
    tables: list[Table]

    def table(self, name: str) -> Table:
        return next(table for table in self.tables if table.name == name)


def write_report(
    given: Sequence[Path], out: Path, *, only: Sequence[str] = (), results: Path | None = None,
    picture: Path | None = None, unpaid: Unpaid = "apart",
) -> Path:  # fmt: skip
    """:func:`publish` what is in ``given``, result folders and bundles.

    Args:
        only: labels of strategies; all others are left out. All if empty.
        unpaid: whether a task that a budget could not pay for is left out or counts as the constant prediction.

    Returns:
        The path of ``report.html``.

    Raises:
        UserError: one of ``given`` cannot be read, nothing in them is called as one of ``only`` is, or ``results``
            names what is not there.
    """
    frames = only_labels(read([Path(path) for path in given]), only)
    return publish(frames, boards(frames, unpaid=unpaid), out, results=results, picture=picture)


def publish(
    frames: Frames, found: Sequence[Board], out: Path, *, results: Path | None = None, picture: Path | None = None
) -> Path:
    """Write ``report.html``, ``tables/*.csv``, ``tables/*.tex`` and ``figures/*.pdf|svg`` below ``out``.

    Args:
        found: the boards of ``frames``.
        results: a Markdown file whose marks are filled in from the tables, in place (see ``publishing.results``).
        picture: an SVG file to write the main figure to, readable on light and dark ground.

    Returns:
        The path of ``report.html``.

    Raises:
        UserError: ``results`` names what is not there.
    """
    made = _made_of(frames, found)
    across, ran = _across(made, frames), _ran(frames)
    for part in ("tables", "figures"):
        (out / part).mkdir(parents=True, exist_ok=True)
    for name, table in _all(made, across, ran).items():
        write_table(table, out / "tables", name)
    frames.tasks.to_csv(out / "tables" / "records.csv", index=False)
    look = _looks(found)
    sections = [_section(one, _in_focus(one.board, look), out / "figures") for one in made]
    shown = dict.fromkeys(label for board in found for label in board.labels)
    text = page.render(
        title="Error against compute",
        facts=facts(frames),
        notes=notes(frames, found),
        terms=terms(found),
        overview=_overview(made, across, look, out / "figures"),
        boards=[section for section, _ in sections],
        data=page.embedded({**CONSTANTS, "boards": [data for _, data in sections]}),
        choices=_choices(found),
        strategies=[(label, page.mark(look[label])) for label in shown],
        parts=[_published(across["baselines"], look)] if _ours(across["baselines"].frame) else [],
        ran=[page.table_context(table, look) for table in ran if len(table.frame)],
        ran_lead=ran_lead(frames),
        made=datetime.date.today().isoformat(),
        version=_version(),
    )
    target = out / "report.html"
    target.write_text(text, encoding="utf-8")
    if results is not None:
        fill(results, _all(made, across, ran))
    if picture is not None:
        write_picture(_panels(made, look), picture)
    return target


def _looks(found: Sequence[Board]) -> dict[str, Look]:
    """One look for each strategy on all boards; those in focus on most boards are told apart by colour."""
    counts = Counter(label for board in found for label in focus(board))
    return looks({label for board in found for label in board.labels}, [label for label, _ in counts.most_common()])


def _in_focus(board: Board, look: Mapping[str, Look]) -> dict[str, Look]:
    """The looks of the strategies of ``board``; grey where it has more than can be told apart."""
    shown = focus(board)
    return {label: look[label]._replace(rest=label not in shown) for label in board.labels}


def tables_of(frames: Frames, found: Sequence[Board]) -> dict[str, Table]:
    """Every table of the report, by the stem of its files; ``found`` are the boards of ``frames``."""
    made = _made_of(frames, found)
    return _all(made, _across(made, frames), _ran(frames))


def _all(made: Sequence[BoardReport], across: Mapping[str, Table], ran: Sequence[Table]) -> dict[str, Table]:
    mine = {f"{one.prefix}{_file_name(table.name)}": table for one in made for table in one.tables}
    return mine | dict(across) | {table.name: table for table in ran}


def _made_of(frames: Frames, found: Sequence[Board]) -> list[BoardReport]:
    return [_made(*each, frames) for each in zip(found, prefixes(found), short_titles(found), strict=True)]


def _made(board: Board, prefix: str, title: str, frames: Frames) -> BoardReport:
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
    tables += [behind, forgetting_table(board, frames), *accuracy_tables(board, frames), trainings_table(board)]
    return BoardReport(board, prefix, title, curve, budget_costs(board), law, behind.frame, tables)


def _across(made: Sequence[BoardReport], frames: Frames) -> dict[str, Table]:
    """The tables of all boards together; those that set boards side by side only where there are several."""
    found = [compared(frames, chosen(()))]
    if len(made) > 1:
        claims = [next(table for table in one.tables if table.name == "claims") for one in made]
        found += [overview_table([one.board for one in made]), verdicts_table([one.board for one in made], claims)]
    return {table.name: table for table in found}


def _ran(frames: Frames) -> list[Table]:
    return [gaps_table(frames), runs_table(frames), settings_table(frames)]


def _panels(made: Sequence[BoardReport], look: Mapping[str, Look]) -> list[Panel]:
    return [
        (f"{one.title}\ntasks: {provenance(one.board)}", one.curve, one.costs, _in_focus(one.board, look))
        for one in made
    ]


def _overview(
    made: Sequence[BoardReport], across: Mapping[str, Table], look: dict[str, Look], folder: Path
) -> page.Section | None:
    if len(made) < 2:
        return None
    panels = _panels(made, look)
    picture = _picture(overview_picture, panels, folder=folder, name="overview", said=OVERVIEW, caption=OVERVIEW)
    tables = [across[name] for name in ("overview", "verdicts") if len(across[name].frame)]
    return page.Section(
        "overview",
        "All streams and backbones",
        figures=[picture],
        folded=[page.table_context(table, look, folded=True) for table in tables],
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


def _ours(published: pd.DataFrame) -> bool:
    """Whether any run of ours stands beside a published number."""
    return bool((published["ours"].notna() & (published["by"] != "arithmetic on layer shapes")).any())


def _published(table: Table, look: dict[str, Look]) -> page.Section:
    counts = table.frame["verdict"].value_counts()
    said = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    return page.Section(
        "published",
        "Published numbers",
        f"{len(table.frame)} numbers from {table.frame['source'].nunique()} sources: {said}. Every number has its "
        "address; none is judged where the conditions differ.",
        tables=[page.table_context(table, look)],
    )


def _section(made: BoardReport, look: dict[str, Look], folder: Path) -> tuple[page.Section, dict[str, Any]]:
    """One board's part of the page, and what its live picture needs."""
    board, prefix, curve = made.board, made.prefix, made.curve
    summary = strip(board, curve, look) if board.leads else None
    claims = _judged(made.table("claims"))
    shown = [claims if table.name == "claims" else table for table in made.tables]
    if len(board.tasks) == 1:
        # Error at every budget says it all: no task to rank by, and each task's table is that one again.
        shown = [
            table for table in shown if table.name not in ("ranks", "profiles") and not table.name.startswith("tasks_")
        ]
    first = [table for table in shown if table.name in ("optimal", "forgetting") or table.name.startswith("matrix")]
    section = page.Section(
        f"{prefix}board",
        made.title,
        spec=board.title,
        subtitle=f"{tasks_of(board)}, {len(board.seeds)} {'seed' if len(board.seeds) == 1 else 'seeds'}",
        answers=[(one.where, one.strategy, one.how) for one in answers(board)],
        strip=summary and {**summary, "full": f"{prefix}budgets"},
        facts=board_facts(board),
        notes=[*board_notes(board), *forgetful(made.table("forgetting"))],
        lead=" ".join(filter(None, (crossed(board, curve), untested(made.table("claims"))))),
        figures=_figures(made, look, folder),
        more=_more(made, look, folder),
        tables=_tables(first, prefix, look, folded=False),
        folded=_tables([table for table in shown if table not in first], prefix, look, folded=True),
    )
    return section, chart_data(board, curve, look, anchor=section.anchor, title=made.title)


def _tables(tables: Sequence[Table], prefix: str, look: Mapping[str, Look], *, folded: bool) -> list[dict[str, Any]]:
    """Those that hold anything; what is said of tasks like these, only where there are intervals."""
    return [
        page.table_context(table, look, anchor=f"{prefix}{_file_name(table.name)}", folded=folded)
        for table in tables
        if len(table.frame) and (table.name != "gains_like" or table.frame.filter(like=" low").notna().any(axis=None))
    ]


def _judged(claims: Table) -> Table:
    """The claims that were tested, and in the title what came out."""
    frame = claims.frame
    tested = frame[(frame["verdict"] != NOT_TESTED) | (frame["verdict_here"] != NOT_TESTED)] if len(frame) else frame
    said = decided(replace(claims, frame=tested)) if len(tested) else ""
    return replace(claims, frame=tested, title=f"{claims.title}: {said} on these tasks" if said else claims.title)


def _figures(made: BoardReport, look: Mapping[str, Look], folder: Path) -> list[page.Picture]:
    """Error against compute, and gains over the dense net."""
    curve, prefix = made.curve, made.prefix
    if not len(curve):
        return []
    drawn = [
        _picture(
            main_picture, curve, made.costs, look, folder=folder, name=f"{prefix}curves", said=describe_front(curve),
            title="Error against compute", caption=f"{MAIN} {CUT}" if cuts(curve, look) else MAIN,
        )
    ]  # fmt: skip
    gains = made.table("gains").frame
    if len(gains) and np.isfinite(gains[list(made.board.budgets)].to_numpy(float)).any():
        drawn.append(
            _picture(
                forest.forest_picture, gains, made.board.budgets, look, folder=folder, name=f"{prefix}gains",
                said=GAINS, title="Gain over the dense net",
                caption=f"{GAINS} {CUT}" if forest.cuts(gains, made.board.budgets) else GAINS,
            )
        )  # fmt: skip
    return drawn


def _more(made: BoardReport, look: Mapping[str, Look], folder: Path) -> list[page.Picture]:
    """What is worth a look where there is something to compare."""
    board, curve, prefix, drawn = made.board, made.curve, made.prefix, []
    if len(board.labels) < 2 or curve["error"].isna().all():
        return []
    timed = partial(main_picture, cost="seconds")
    drawn.append(
        _picture(
            timed, curve, made.costs, look, folder=folder, name=f"{prefix}seconds", said=SECONDS,
            title="Error against seconds", caption=SECONDS,
        )
    )  # fmt: skip
    behind = made.behind
    if behind["strategy"].nunique() > 1 and behind["budget"].nunique() > 1:
        drawn.append(
            _picture(
                optimal_picture, behind, made.costs, made.law, look, folder=folder, name=f"{prefix}optimal",
                said=describe_leads(board), title="Behind the leader", caption=BEST,
            )
        )  # fmt: skip
    profiles = made.table("profiles")
    if len(profiles.frame) > 1 and len(board.tasks) > 1:
        drawn.append(
            _picture(
                profile_picture, profiles.frame, look, folder=folder, name=f"{prefix}profiles", said=PROFILES,
                title="Performance profiles", caption=f"{PROFILES} {profiles.caption}",
            )
        )  # fmt: skip
    return drawn


def _picture(
    draw: Callable[..., "Figure"], *given: Any, folder: Path, name: str, said: str, title: str = "", caption: str
) -> page.Picture:
    """Draw at both widths, write the files, and take the SVGs for the page."""
    wide = save(draw(*given, width=WIDE), folder, name)
    narrow = save(draw(*given, width=NARROW), folder, f"{name}_column")
    wide, narrow = (Markup(inline(svg, f"{name}{i}", said)) for i, svg in enumerate((wide, narrow)))
    return page.Picture(wide, narrow, name, title, caption)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._=+-]+", "_", text)


def _version() -> str:
    try:
        return version("nevis-harness")
    except PackageNotFoundError:
        return "(not installed)"
