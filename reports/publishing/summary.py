"""What came out, in a few lines for the terminal? The best first, at the largest budget, with n and intervals."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

from reports.boards.answer import answers
from reports.boards.board import Board, Unpaid, boards
from reports.reading.frame import Frames, read
from reports.reading.only import only_labels
from reports.statistics.student import HERE
from reports.tables.curves import curves
from reports.tables.forgetting import forgetful, forgetting_table
from reports.tables.table import DASH, written
from reports.tables.table import text as table_text


def _intervals(board: Board) -> str:
    if len(board.seeds) < 2:
        return "[one seed: no intervals]"
    return f"[95% intervals {HERE}: Student's t on means of seeds]"


def summary(folders: Sequence[Path], *, only: Sequence[str] = (), unpaid: Unpaid = "apart") -> str:
    """:func:`text` of what is in ``folders``, of the strategies ``only`` if any are named.

    Raises:
        UserError: one of them does not exist, or no run is called as one of ``only`` is.
    """
    frames = only_labels(read([Path(folder) for folder in folders]), only)
    return text(frames, boards(frames, unpaid=unpaid))


def text(frames: Frames, found: Sequence[Board]) -> str:
    """A plain aligned table of each board: strategies, and for each budget the mean error with its interval.

    A star marks what stands on the Pareto front; ``7/8`` behind an error means that it is over 7 of 8 tasks;
    alone, that too few could be paid for to compare their mean.
    """
    parts = []
    for board in found:
        lines = _lines(board)
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        body = "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )
        said = "\n".join(wrapped for one in answers(board) for wrapped in wrap(str(one), 100, subsequent_indent="  "))
        parts.append(
            "\n\n".join(filter(None, (f"{board.title}\n{_about(board)}", said, f"{_intervals(board)}\n\n{body}")))
        )
        if (shared := _shared(board, frames)) is not None:
            parts.append(shared)
    return "\n\n".join([*parts, _runs_line(frames)])


def html(frames: Frames, found: Sequence[Board]) -> str:
    """The same as :func:`text`, for a notebook."""
    parts = []
    for board in found:
        head, *lines = ["".join(f"<td>{escape(cell)}</td>" for cell in line) for line in _lines(board)]
        rows = "".join(f"<tr>{line}</tr>" for line in lines)
        parts.append(
            f"<h4>{escape(board.title)}</h4><p>{escape(_about(board))}<br>{escape(_intervals(board))}</p>"
            f"<ul>{''.join(f'<li>{escape(str(one))}</li>' for one in answers(board))}</ul>"
            f"<table><thead><tr>{head.replace('td>', 'th>')}</tr></thead><tbody>{rows}</tbody></table>"
        )
    return "".join([*parts, f"<p>{escape(_runs_line(frames))}</p>"])


def _about(board: Board) -> str:
    seeds = ", ".join(map(str, board.seeds))
    tasks = f"{len(board.tasks)} {'task' if len(board.tasks) == 1 else 'tasks'}"
    return f"{tasks}, seeds {seeds}; mean error, * on the Pareto front over FLOPs"


def _shared(board: Board, frames: Frames) -> str | None:
    """What tasks do to one another where they share weights; None where none do."""
    table = forgetting_table(board, frames)
    if not len(table.frame):
        return None
    few = ("strategy", "budget", "own", "final", "forgetting", "forward", "flops")
    columns = [replace(column, title=column.title.partition(" [")[0]) for column in table.columns if column.key in few]
    lines = [table.title, *forgetful(table), "", table_text(replace(table, columns=tuple(columns)), width=44)]
    return "\n".join(lines)


def _lines(board: Board) -> list[list[str]]:
    """The table's head, and a line for each strategy."""
    cells = {(row["strategy"], row["budget"]): row for row in curves(board).to_dict("records")}
    found = [["strategy", *board.budgets]]
    for label in board.labels:
        row = [_cell(cells[label, budget]) if (label, budget) in cells else "" for budget in board.budgets]
        found.append([label, *row])
    return found


def _cell(cell: Mapping[Hashable, Any]) -> str:
    if not cell["tasks"]:
        return "no result"
    paid = "" if cell["complete"] else f" {cell['tasks']}/{cell['of_tasks']}"
    if cell["apart"]:
        return f"apart{paid}"
    text = written(cell["error"], "error")
    if written(cell["low"], "error") != DASH:
        text += f" [{written(cell['low'], 'error')}, {written(cell['high'], 'error')}]"
    return f"{text}{paid}{' *' if cell['on_front'] else ''}"


def _runs_line(frames: Frames) -> str:
    if not len(frames.runs):
        return "no run was found"
    counts = frames.runs["status"].value_counts()
    return f"{len(frames.runs)} runs: {', '.join(f'{count} {status}' for status, count in counts.items())}"
