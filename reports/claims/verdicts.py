"""Which published statements hold here? A verdict for each, with its interval, n, and the runs that it rests on."""

import math
import shlex
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

from reports.boards.board import Board
from reports.boards.evidence import Finding
from reports.claims.needed import needed
from reports.tables.table import Column, Table


class Claim(BaseModel):
    """A falsifiable statement, and the function that tests it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    statement: str
    test: str
    refuted_if: str
    source: str
    address: str


@cache
def claims() -> tuple[Claim, ...]:
    """The statements in ``claims.toml``, in its order."""
    content = tomllib.loads((Path(__file__).parent / "claims.toml").read_text(encoding="utf-8"))
    return tuple(Claim.model_validate(content["every"] | claim) for claim in content["claims"])


def judged(claim: Claim, board: Board) -> Finding:
    """What the runs of ``board`` say about ``claim``."""
    module, _, function = claim.test.partition(":")
    finding: Finding = getattr(import_module(f"reports.claims.{module}"), function)(board)
    return finding


def claims_table(board: Board) -> Table:
    """A row for each claim; where there are real and emulated tasks, a row for each of the two as well."""
    rows = []
    parts = [board, *(part for part in map(board.only, _kinds(board)) if len(part.tasks) > 1)]
    for claim in claims():
        for part in parts:
            finding = judged(claim, part)
            estimate = finding.estimate
            cells = sorted(set(finding.cells))
            runs = _runs(part, cells)
            labels = list(dict.fromkeys(label for label, _ in cells))
            budgets = [b for b in board.budgets if b in {budget for _, budget in cells}]
            rows.append(
                {
                    "id": claim.id,
                    "on": provenance(part),
                    "statement": claim.statement,
                    "verdict": finding.verdict,
                    "said": finding.said,
                    "estimate": estimate.value if estimate else math.nan,
                    "low": estimate.low if estimate else math.nan,
                    "high": estimate.high if estimate else math.nan,
                    "n": estimate.n if estimate else math.nan,
                    "needed": needed(finding),
                    "tasks": _tasks(part, finding) if estimate else "",
                    "runs": len(runs),
                    "rests_on": "; ".join(labels),
                    "budgets": "; ".join(budgets),
                    "command": command(board, labels, budgets),
                    "refuted_if": claim.refuted_if,
                    "source": claim.source,
                    "address": claim.address,
                    "provenance": "" if part is board else str(part.tasks["provenance"].iloc[0]),
                    "board": board.number,
                    "folders": "; ".join(runs),
                }
            )
    return Table(
        "claims",
        "Claims",
        "Statements that could be wrong, fixed with their thresholds before anything was run, and held against these "
        "runs. Gains are differences of error on the same tasks and seeds, with 95% bootstrap intervals; n counts "
        "results, one a task and seed. An interval that holds 0 refutes a gain if it is narrower than a point to "
        "either side, and is inconclusive if it is wider. The command makes the runs again.",
        pd.DataFrame(rows),
        (
            Column("id", "Claim"),
            Column("statement", "Statement"),
            Column("on", "On tasks"),
            Column("verdict", "Verdict"),
            Column("said", "Found"),
            Column("n", "n", "count"),
            Column("needed", "To decide it"),
            Column("tasks", "Judged on"),
            Column("runs", "Runs", "count", link="runs"),
            Column("rests_on", "Rests on"),
            Column("budgets", "Budgets"),
            Column("command", "Command"),
            Column("refuted_if", "Refuted if"),
            Column("source", "Source"),
            Column("address", "Address"),
        ),
        row_head=2,
        filters={"verdict": "verdict", "held": "provenance"},
        filtered="provenance",
    )


def command(board: Board, labels: Sequence[str], budgets: Sequence[str]) -> str:
    """What makes the runs of these strategies at these budgets; empty if there are none."""
    if not labels:
        return ""
    setting = board.setting
    words = ["harness", "run", "default", "--stream", str(setting["stream"]), "--backbone", str(setting["backbone"])]
    words += ["--size", str(setting["size"])]
    for label in labels:
        words += ["--strategy", label.rpartition(" v")[0] or label]
    for budget in budgets:
        words += ["--budget", budget]
    words += ["--seeds", str(max(board.seeds) + 1)]
    return shlex.join(words + (["--final"] if setting["scoring"] == "test" else []))


def _kinds(board: Board) -> list[str]:
    kinds = [str(kind) for kind in board.tasks["provenance"].unique()]
    return kinds if len(kinds) > 1 else []


def provenance(board: Board) -> str:
    """``7 real, 1 emulated``: what the tasks of a board rest on."""
    return _counted(board.tasks["provenance"])


def _tasks(board: Board, finding: Finding) -> str:
    tasks = board.tasks if finding.tasks is None else board.tasks.iloc[list(finding.tasks)]
    return _counted(tasks["provenance"])


def _counted(kinds: "pd.Series[str]") -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.value_counts().items())


def _runs(board: Board, cells: list[tuple[str, str]]) -> list[str]:
    """The folders of the runs behind ``cells``."""
    if not cells:
        return []
    wanted = set(cells)
    pairs = zip(board.rows["label"], board.rows["budget"], board.rows["folder"], strict=True)
    return list(dict.fromkeys(str(folder) for label, budget, folder in pairs if (label, budget) in wanted))
