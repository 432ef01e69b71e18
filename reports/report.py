"""Where does a report come from? Run folders in; one page, tables and figures out."""

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from reports import figures, page
from reports.baselines import chosen
from reports.board import Board, boards
from reports.chart import chart_data
from reports.claims import claims_table
from reports.compare import compared
from reports.curves import curves, curves_table
from reports.forgetting import forgetting_table
from reports.frame import MISSING, Frames, budget_order, read
from reports.matrix import matrix_table
from reports.optimal import chance_table, crossings, optimal_table, scaling, scaling_table
from reports.ran import gaps_table, runs_table, settings_table
from reports.ranks import profiles_table, ranks_table
from reports.recovery import recovery_table
from reports.scores import scores_table
from reports.style import Look, looks
from reports.tables import Table, latex

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
        facts=_facts(frames),
        notes=_notes(frames, found),
        boards=[section for section, _ in made],
        data=page.embedded({"boards": [data for _, data in made]}),
        choices=_choices(found),
        strategies=[(label, page.mark(look[label])) for label in dict.fromkeys(x for b in found for x in b.labels)],
        parts=[_published(compared_with, look)],
        ran=[page.shown(table, look) for table in ran],
        ran_lead=_ran_lead(frames),
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
    pictures = [_picture(figures.main_picture, curve, look, folder=folder, name=f"{prefix}curves", said=_said(curve))]
    pictures[0] = replace(pictures[0], caption=_MAIN)
    if len(chance):
        told = _said_best(board)
        best = _picture(figures.optimal_picture, chance, law, look, folder=folder, name=f"{prefix}optimal", said=told)
        pictures.append(replace(best, caption=_BEST))
    profiles = profiles_table(board)
    if len(profiles.frame):
        spread = _picture(
            figures.profile_picture, profiles.frame, look, folder=folder, name=f"{prefix}profiles", said=_PROFILES
        )
        pictures.append(replace(spread, caption=f"{_PROFILES} {profiles.caption}"))
    tables = [curves_table(board, curve), optimal_table(board), scores_table(board, curve)]
    tables += [matrix_table(board, budget) for budget in reversed(board.budgets)]
    tables += [claims_table(board), ranks_table(board), profiles, recovery_table(board, curve), scaling_table(law)]
    tables += [forgetting_table(board, frames)]
    for table in tables:
        write_table(table, out / "tables", f"{prefix}{_file_name(table.name)}")
    section = page.Section(
        f"{prefix}board",
        board.title,
        facts=_board_facts(board),
        notes=_board_notes(board),
        lead=_crossed(board, curve),
        figures=pictures,
        tables=[page.shown(table, look, anchor=f"{prefix}{_file_name(table.name)}") for table in tables],
    )
    return section, chart_data(board, curve, look, anchor=section.anchor)


_MAIN = (
    "Mean error over tasks against charged compute. Bars: 95% bootstrap intervals over tasks and seeds, without what "
    "makes tasks differ in difficulty: where two at one budget lie apart, the strategies differ on these tasks. Grey: "
    "the Pareto front. Hollow: tasks are missing, so the mean is over others. The table below has every number."
)
_BEST = (
    "The chance that a strategy is the best at its budget: the share of resamples of tasks and seeds in which it has "
    "the least error. Where nets of three sizes were run at three budgets, the law fitted to them, with its 95% band."
)
_PROFILES = "Performance profiles at the largest budget."


def _picture(draw: Callable[..., "Figure"], *given: Any, folder: Path, name: str, said: str) -> page.Picture:
    """Draw at both widths, write the files, and take the SVGs for the page."""
    wide = figures.save(draw(*given, width=figures.WIDE), folder, name)
    narrow = figures.save(draw(*given, width=figures.NARROW), folder, f"{name}_column")
    return page.Picture(*(Markup(figures.inline(svg, f"{name}{i}", said)) for i, svg in enumerate((wide, narrow))))


def _said_best(board: Board) -> str:
    rows = optimal_table(board).frame.itertuples()
    return "Best at each budget: " + "; ".join(f"{r.strategy} at {r.budget}, chance {r.chance:.0%}" for r in rows) + "."


def _said(curve: pd.DataFrame) -> str:
    """The picture in a sentence, for those who cannot see it."""
    front = curve[curve["on_front"].astype(bool)].sort_values("flops")
    if front.empty:
        return "Error against compute: nothing is complete yet."
    points = "; ".join(f"{r.strategy} at {r.budget}: {r.error:.3f} for {r.flops:.2e} FLOPs" for r in front.itertuples())
    return f"Error against charged FLOPs and seconds a task. On the Pareto front, from cheap to dear: {points}."


def _names(found: Sequence[Board]) -> list[str]:
    """Prefixes of file names and anchors: none for the first board, so that its files are plainly named."""
    return ["" if place == 0 else f"b{place + 1}_" for place in range(len(found))]


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._=+-]+", "_", text)


def _facts(frames: Frames) -> list[tuple[str, object]]:
    used = frames.runs[frames.runs["used"]]
    counts = used["status"].value_counts()
    results = int((frames.tasks["error"].notna() & (frames.tasks["used"] == True)).sum())  # noqa: E712 - object column
    return [
        ("Runs", f"{len(frames.runs)}"),
        *(
            (f"Runs {status}", int(counts[status]))
            for status in ("failed", "interrupted", "running")
            if status in counts
        ),
        ("Task results", f"{results} of {int((frames.tasks['used'] == True).sum())}"),  # noqa: E712
        ("Strategies", used["label"].nunique()),
        ("Seeds", used["seed"].nunique()),
    ]


def _board_facts(board: Board) -> list[tuple[str, object]]:
    kinds = board.tasks["provenance"].value_counts()
    made = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return [
        ("Tasks", f"{len(board.tasks)} ({made})"),
        ("Budgets", ", ".join(board.budgets)),
        ("Seeds", ", ".join(map(str, board.seeds)) or "none"),
        ("Scored on", board.setting["scoring"]),
    ]


def _crossed(board: Board, curve: pd.DataFrame) -> str:
    """Where the best strategies overtake one another, in a sentence."""
    found = crossings(board, curve)
    parts = [f"{c.overtakes} overtakes {c.overtaken} at {c.flops:.2g} FLOPs a task" for c in found[:4]]
    return f"Crossing budgets: {'; '.join(parts)}." if parts else ""


def _board_notes(board: Board) -> list[str]:
    torn = [f"{label} at {budget}" for label, budget in board.cells if not board.complete(label, budget)]
    notes = []
    if torn:
        more = f", and {len(torn) - 6} more" if len(torn) > 6 else ""
        notes.append(
            f"Tasks are missing for {'; '.join(torn[:6])}{more}. Their means are over other tasks than the rest."
        )
    if len(board.seeds) == 1:
        notes.append("One seed only: the intervals speak about tasks, not about repetition.")
    return notes


def _notes(frames: Frames, found: Sequence[Board]) -> list[str]:
    notes = list(frames.notes)
    if not len(frames.runs):
        notes.append("No run was found: there is nothing to report yet.")
    failed = frames.runs[frames.runs["status"] == "failed"]
    if len(failed):
        notes.append(
            f"{len(failed)} runs failed; what they finished before is used, and the place of each failure stands under "
            "What was run."
        )
    if len(found) > 1:
        notes.append(f"The runs are of {len(found)} streams or settings; those are not compared with one another.")
    for what, name in (("commit", "commits"), ("packages", "sets of package versions"), ("hardware", "machines")):
        different = frames.runs.loc[frames.runs["used"], what].map(str).nunique()
        if different > 1:
            notes.append(f"The runs come from {different} {name}.")
    return notes if len(notes) <= 30 else [*notes[:30], f"and {len(notes) - 30} more"]


def _ran_lead(frames: Frames) -> str:
    planned, learnt = len(frames.tasks), int((frames.tasks["status"] != MISSING).sum())
    runs = len(frames.runs)
    return f"{runs} run folders, {planned} planned tasks, {learnt} learnt; records.csv holds all {planned} rows."


def _version() -> str:
    try:
        return version("nevis-harness")
    except PackageNotFoundError:
        return "(not installed)"
