"""Which published statements hold here? A verdict for each, with its interval, n, and the runs that it rests on."""

import math
import tomllib
from functools import cache
from importlib import import_module
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

from reports.board import Board
from reports.evidence import Finding
from reports.tables import Column, Table


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
    finding: Finding = getattr(import_module(f"reports.{module}"), function)(board)
    return finding


def claims_table(board: Board) -> Table:
    """A row for each claim."""
    rows = []
    for claim in claims():
        finding = judged(claim, board)
        estimate = finding.estimate
        cells = sorted(set(finding.cells))
        runs = _runs(board, cells)
        rows.append(
            {
                "id": claim.id,
                "statement": claim.statement,
                "verdict": finding.verdict,
                "said": finding.said,
                "estimate": estimate.value if estimate else math.nan,
                "low": estimate.low if estimate else math.nan,
                "high": estimate.high if estimate else math.nan,
                "n": estimate.n if estimate else math.nan,
                "tasks": _provenance(board, finding) if estimate else "",
                "runs": len(runs),
                "rests_on": "; ".join(dict.fromkeys(label for label, _ in cells)),
                "budgets": "; ".join(b for b in board.budgets if b in {budget for _, budget in cells}),
                "refuted_if": claim.refuted_if,
                "source": claim.source,
                "address": claim.address,
                "folders": "; ".join(runs),
            }
        )
    return Table(
        "claims",
        "Claims",
        "Statements that could be wrong, fixed with their thresholds before anything was run. Gains are paired over "
        "tasks and seeds, with 95% bootstrap intervals. An interval that holds 0 refutes a gain if it is narrower than "
        "a point to either side, and is inconclusive if it is wider.",
        pd.DataFrame(rows),
        (
            Column("id", "Claim"),
            Column("statement", "Statement"),
            Column("verdict", "Verdict"),
            Column("said", "Found"),
            Column("n", "n", "count"),
            Column("tasks", "Tasks"),
            Column("runs", "Runs", "count", link="runs"),
            Column("rests_on", "Rests on"),
            Column("budgets", "Budgets"),
            Column("refuted_if", "Refuted if"),
            Column("source", "Source"),
            Column("address", "Address"),
        ),
        filters={"verdict": "verdict"},
    )


def _provenance(board: Board, finding: Finding) -> str:
    tasks = board.tasks if finding.tasks is None else board.tasks.iloc[list(finding.tasks)]
    return ", ".join(f"{count} {kind}" for kind, count in tasks["provenance"].value_counts().items())


def _runs(board: Board, cells: list[tuple[str, str]]) -> list[str]:
    """The folders of the runs behind ``cells``."""
    if not cells:
        return []
    wanted = set(cells)
    pairs = zip(board.rows["label"], board.rows["budget"], board.rows["folder"], strict=True)
    return list(dict.fromkeys(str(folder) for label, budget, folder in pairs if (label, budget) in wanted))
