"""What came out, in a few lines for the terminal? The best first, at the largest budget, with n and intervals."""

from collections.abc import Hashable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from reports.boards.board import Board, Unpaid, boards
from reports.reading.frame import Frames, read
from reports.statistics.student import HERE
from reports.tables.curves import curves
from reports.tables.table import DASH, written

_INTERVALS = f"[95% intervals {HERE}: Student's t on means of seeds]"


def summary(folders: Sequence[Path], *, unpaid: Unpaid = "apart") -> str:
    """:func:`text` of what is in ``folders``.

    Raises:
        UserError: one of them does not exist.
    """
    return text(read([Path(folder) for folder in folders]), unpaid=unpaid)


def text(frames: Frames, *, unpaid: Unpaid = "apart") -> str:
    """A plain aligned table: strategies, and for each budget the mean error with its interval.

    A star marks what stands on the Pareto front; ``7/8`` behind an error means that it is over 7 of 8 tasks;
    alone, that too few could be paid for to compare their mean.
    """
    parts = []
    for board in boards(frames, unpaid=unpaid):
        lines = _lines(board)
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        body = "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )
        parts.append(f"{board.title}\n{_about(board)}\n{_INTERVALS}\n\n{body}")
    return "\n\n".join([*parts, _runs_line(frames)])


def html(frames: Frames) -> str:
    """The same as :func:`text`, for a notebook."""
    parts = []
    for board in boards(frames):
        head, *lines = ["".join(f"<td>{escape(cell)}</td>" for cell in line) for line in _lines(board)]
        rows = "".join(f"<tr>{line}</tr>" for line in lines)
        parts.append(
            f"<h4>{escape(board.title)}</h4><p>{escape(_about(board))}<br>{escape(_INTERVALS)}</p>"
            f"<table><thead><tr>{head.replace('td>', 'th>')}</tr></thead><tbody>{rows}</tbody></table>"
        )
    return "".join([*parts, f"<p>{escape(_runs_line(frames))}</p>"])


def _about(board: Board) -> str:
    seeds = ", ".join(map(str, board.seeds))
    return f"{len(board.tasks)} tasks, seeds {seeds}; mean error, * on the Pareto front over FLOPs"


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
