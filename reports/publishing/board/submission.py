"""Is a folder of results ready to be handed in? The board's rules, what is missing, and the bundle with its text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harness.core.errors import UserError
from harness.core.spec import PROTOCOL_VERSION
from reports.boards.board import Board, boards
from reports.claims.verdicts import command
from reports.publishing.board.leaderboard import FROZEN
from reports.publishing.board.received import address as safe_address
from reports.publishing.board.received import one_line
from reports.publishing.export import Exported, export
from reports.reading.bundle import SUFFIX, read_bundle, write_bundle
from reports.reading.frame import REFERENCE, read

SEEDS = 3
"""Seeds that every strategy needs at every budget, but for one that no seed changes."""


@dataclass(frozen=True)
class Submission:
    """What was found.

    Attributes:
        missing: what the rules ask for and is not there, a sentence each with the command that makes it.
        remarks: what will stand beside the entry.
        written: the bundle; None where something is missing. text: of the hand-in.
    """

    missing: tuple[str, ...]
    remarks: tuple[str, ...]
    written: Exported | None = None
    text: str = ""


def submit(
    given: Sequence[Path], out: Path, *, name: str = "", by: str = "", about: str = "", address: str = ""
) -> Submission:
    """Check the results in ``given`` against the board's rules and, where they are kept, write the bundle ``out``.

    The text of the hand-in is written beside it, as Markdown.

    Raises:
        UserError: there are no results, ``out`` is no name of a bundle, or ``address`` is none.
    """
    if not out.name.endswith(SUFFIX):
        raise UserError(f"cannot write the bundle {str(out)!r}: expected a name that ends in {SUFFIX}")
    if address and not safe_address(address):
        raise UserError(f"--address {address!r}: expected an https address")
    frames = read([Path(path) for path in given])
    found = boards(frames)
    if not found:
        raise UserError(f"no result in {', '.join(map(str, given))}; 'harness run default' makes some")
    missing = [sentence for board in found for sentence in _missing(board)]
    runs = frames.runs
    if unread := int((~runs["used"] & (runs["status"] == "unreadable")).sum()):
        missing.append(f"{unread} run folders cannot be read: remove them, or run them again")
    undone = runs[runs["used"] & (runs["status"] != "done")]
    missing += [
        f"{row['folder']} is {row['status']}: run the suite again, with --retry-failed" for _, row in undone.iterrows()
    ]
    remarks = _remarks(runs[runs["used"]])
    if missing:
        return Submission(tuple(missing), tuple(remarks))
    entry = {
        "name": one_line(name or out.name.removesuffix(SUFFIX)),
        "by": one_line(by),
        "about": one_line(about, longest=600),
        "address": address,
    }
    exported = export(given, out)
    write_bundle(read_bundle(out), out, entry={key: text for key, text in entry.items() if text})
    text = _text(entry, found, remarks, exported)
    out.with_name(f"{out.name.removesuffix(SUFFIX)}.md").write_text(text, encoding="utf-8")
    return Submission((), tuple(remarks), exported, text)


def _missing(board: Board) -> list[str]:
    found = []
    if board.setting["protocol_version"] != PROTOCOL_VERSION:
        found.append(
            f"{board.title}: protocol {board.setting['protocol_version']}, the board is at {PROTOCOL_VERSION}: run it "
            "again with this version"
        )
    for budget in board.budgets:
        if (REFERENCE, budget) not in board.cells:
            found.append(f"{board.title}: no {REFERENCE} at {budget}: {command(board, [REFERENCE], [budget])}")
        if not any((label, budget) in board.cells for label in FROZEN):
            found.append(f"{board.title}: no frozen head at {budget}: {command(board, [FROZEN[0]], [budget])}")
    few: dict[int, list[str]] = {}
    for label, budget in board.cells:
        values = board.values(label, budget)
        seeds = int((values == values).any(axis=0).sum())
        if (label, budget) not in board.unchanging and seeds < SEEDS:
            few.setdefault(seeds, []).append(f"{label} at {budget}")
    for seeds, cells in few.items():
        have = "has" if len(cells) == 1 else "have"
        found.append(f"{board.title}: {'; '.join(cells)} {have} {seeds} of {SEEDS} seeds: add --seeds {SEEDS}")
    return found


def _remarks(runs: pd.DataFrame) -> list[str]:
    found = []
    if bool(runs["dirty"].any()):
        found.append("some runs were made by code that was changed and not committed; the entry will say so")
    if plugins := sorted({str(row["strategy"]) for _, row in runs.iterrows() if row["source"]}):
        found.append(f"source is not in a bundle: say with --address where that of {', '.join(plugins)} is found")
    return found


def _text(entry: dict[str, str], found: Sequence[Board], remarks: Sequence[str], exported: Exported) -> str:
    lines = [f"# {entry['name']}", ""]
    lines += [f"{title}: {entry[key]}" for title, key in (("By", "by"), ("At", "address")) if entry[key]]
    lines += ["", entry["about"], ""] if entry["about"] else [""]
    lines += [f"Bundle `{exported.file.name}`: {exported.runs} runs, {exported.records} task records.", ""]
    for board in found:
        lines.append(f"- {board.title}, protocol {board.setting['protocol_version']}: {len(board.tasks)} tasks, "
                     f"{len(board.seeds)} seeds, budgets {', '.join(board.budgets)}")  # fmt: skip
        lines += [f"  - `{label}`" for label in board.labels]
    lines += ["", *(f"Note: {remark}." for remark in remarks)] if remarks else []
    lines += ["", "To run one of them again:", "", "```sh"]
    lines += [command(board, [board.labels[0]], list(board.budgets)) for board in found]
    return "\n".join([*lines, "```", ""])
