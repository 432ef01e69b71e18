"""Where does a report come from? Run folders in; one page, tables and figures out."""

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from reports import figures, page
from reports.baselines import chosen
from reports.board import Board, boards
from reports.chart import chart_data
from reports.claims import claims_table
from reports.compare import compared
from reports.curves import curves, curves_table
from reports.forgetting import forgetting_table
from reports.frame import Frames, budget_order, read
from reports.matrix import matrix_table
from reports.optimal import chance_table, chances_table, optimal_table
from reports.ran import gaps_table, runs_table, settings_table
from reports.ranks import profiles_table, ranks_table
from reports.recovery import recovery_table
from reports.scaling import scaling, scaling_table
from reports.scores import scores_table
from reports.style import Look, looks
from reports.tables import Table, latex
from reports.words import (
    BEST,
    MAIN,
    PROFILES,
    board_facts,
    board_notes,
    crossed,
    facts,
    notes,
    ran_lead,
    said_best,
    said_front,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_report(folders: Sequence[Path], out: Path) -> Path:
    """Write ``report.html``, ``tables/*.csv``, ``tables/*.tex`` and ``figures/*.svg|png|pdf`` below ``out``.

    Returns:
        The path of ``report.html``.

    Raises:
        UserError: one of ``folders`` does not exist.
    """
    frames = read([Path(folder) for folder in folders])
    found = boards(frames)
    for part in ("tables", "figures"):
        (out / part).mkdir(parents=True, exist_ok=True)
    look = looks({label for board in found for label in board.labels})
    names = _names(found)
    made = [_section(board, frames, look, out, prefix=name) for board, name in zip(found, names, strict=True)]
    compared_with = compared(frames, chosen(()))
    write_table(compared_with, out / "tables", compared_with.name)
    ran = [gaps_table(frames), runs_table(frames), settings_table(frames)]
    for table in ran:
        write_table(table, out / "tables", table.name)
    frames.tasks.to_csv(out / "tables" / "records.csv", index=False)
    text = page.render(
        title="Error against compute",
        facts=facts(frames),
        notes=notes(frames, found),
        boards=[section for section, _ in made],
        data=page.embedded({"boards": [data for _, data in made]}),
        choices=_choices(found),
        strategies=[(label, page.mark(look[label])) for label in dict.fromkeys(x for b in found for x in b.labels)],
        parts=[_published(compared_with, look)],
        ran=[page.shown(table, look) for table in ran],
        ran_lead=ran_lead(frames),
        made=datetime.date.today().isoformat(),
        version=_version(),
    )
    target = out / "report.html"
    target.write_text(text, encoding="utf-8")
    return target


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


def _section(
    board: Board, frames: Frames, look: dict[str, Look], out: Path, *, prefix: str
) -> tuple[page.Section, dict[str, Any]]:
    """One board's part of the page, and what its live picture needs."""
    curve = curves(board)
    law, chance = scaling(board), chance_table(board)
    folder = out / "figures"
    pictures = [
        _picture(figures.main_picture, curve, look, folder=folder, name=f"{prefix}curves", said=said_front(curve))
    ]
    pictures[0] = replace(pictures[0], caption=MAIN)
    if len(chance):
        told = said_best(board)
        best = _picture(figures.optimal_picture, chance, law, look, folder=folder, name=f"{prefix}optimal", said=told)
        pictures.append(replace(best, caption=BEST))
    profiles = profiles_table(board)
    if len(profiles.frame):
        spread = _picture(
            figures.profile_picture, profiles.frame, look, folder=folder, name=f"{prefix}profiles", said=PROFILES
        )
        pictures.append(replace(spread, caption=f"{PROFILES} {profiles.caption}"))
    tables = [curves_table(board, curve), optimal_table(board), scores_table(board, curve)]
    tables += [matrix_table(board, budget) for budget in reversed(board.budgets)]
    tables += [claims_table(board), ranks_table(board), profiles, recovery_table(board, curve), scaling_table(law)]
    tables += [chances_table(board), forgetting_table(board, frames)]
    for table in tables:
        write_table(table, out / "tables", f"{prefix}{_file_name(table.name)}")
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


def _names(found: Sequence[Board]) -> list[str]:
    """Prefixes of file names and anchors: none for the first board, so that its files are plainly named."""
    return ["" if place == 0 else f"b{place + 1}_" for place in range(len(found))]


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._=+-]+", "_", text)


def _version() -> str:
    try:
        return version("nevis-harness")
    except PackageNotFoundError:
        return "(not installed)"
