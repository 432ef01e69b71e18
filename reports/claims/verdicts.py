"""Which published statements hold here? A verdict for each, with its intervals, n, and the runs that it rests on."""

import ast
import hashlib
import math
import shlex
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from reports.boards.board import Board
from reports.claims.needed import needed
from reports.claims.verdict import ALPHA, MARGIN, Finding, Judged, judge
from reports.statistics.student import HERE, LIKE, Estimate
from reports.tables.table import Column, Table

CODE = ("claims/pruning.py", "claims/fusion.py", "claims/cost.py", "claims/verdict.py", "boards/evidence.py",
        "statistics/student.py")  # fmt: skip
"""What a verdict is made by; its digest stands in ``claims.toml``, so that no change of it goes unsaid."""


class Claim(BaseModel):
    """A falsifiable statement, and the function that tests it. ``version`` counts its changes; ``changed`` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    statement: str
    test: str
    refuted_if: str
    source: str
    address: str
    version: int = 1
    changed: str = ""


class Rules(BaseModel):
    """Which version of rules and test code the verdicts are by, and what changed after results had been seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    changed: str
    code: str


@cache
def _content() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "claims.toml").read_text(encoding="utf-8"))


@cache
def claims() -> tuple[Claim, ...]:
    """The statements in ``claims.toml``, in its order."""
    return tuple(Claim.model_validate(_content()["every"] | claim) for claim in _content()["claims"])


@cache
def rules() -> Rules:
    """The version of rules and test code, as ``claims.toml`` has it."""
    return Rules.model_validate(_content()["rules"])


def code_digest() -> str:
    """SHA-256 over the test code as Python parses it: comments, docstrings and formatting aside."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for name in CODE:
        tree = ast.parse((root / name).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(body := getattr(node, "body", None), list):
                node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def evaluate_claim(claim: Claim, board: Board) -> Finding:
    """What the runs of ``board`` say about ``claim``."""
    module, _, function = claim.test.partition(":")
    finding: Finding = getattr(import_module(f"reports.claims.{module}"), function)(board)
    return finding


def claims_table(board: Board) -> Table:
    """A row for each claim; where there are real and emulated tasks, a row for each of the two as well."""
    parts = [board, *(part for part in map(board.only, _kinds(board)) if len(part.tasks) > 1)]
    rows = {}
    for place, part in enumerate(parts):
        findings = [evaluate_claim(claim, part) for claim in claims()]
        verdicts = {scope: judge(findings, scope) for scope in (HERE, LIKE)}
        count = {scope: max(1, sum(not math.isnan(one.p) for one in verdicts[scope])) for scope in (HERE, LIKE)}
        for number, (claim, finding) in enumerate(zip(claims(), findings, strict=True)):
            by = {scope: verdicts[scope][number] for scope in (HERE, LIKE)}
            rows[claim.id, place] = _row(claim, finding, by, count, part, board)
    listed = [rows[claim.id, place] for claim in claims() for place in range(len(parts))]
    return Table(
        "claims",
        "Claims",
        f"Statements that could be wrong, held against these runs. Two verdicts: {LIKE}, where clusters of tasks are "
        f"drawn, and {HERE}, where seeds are. A claim is decided where p of both sides (Student's t), adjusted by Holm "
        f"over the claims of a board, is at most {ALPHA:g}: a claim alone where its {1 - ALPHA:.1%} interval clears "
        f"its threshold, or lies within {100 * MARGIN:g} point of no effect; among others it has to be surer. The "
        "intervals that are shown are 95% ones of each by itself, and decide nothing. Rules and test code are version "
        f"{rules().version}, {rules().changed}; what else changed since results were first seen stands with each "
        "claim. n counts results, one a task and seed. The command makes the runs again.",
        pd.DataFrame(listed),
        (
            Column("id", "Claim"),
            Column("statement", "Statement"),
            Column("on", "On tasks"),
            Column("verdict", f"Verdict {LIKE}"),
            Column("verdict_here", f"Verdict {HERE}"),
            Column("said", "Found"),
            Column("n", "n", "count"),
            Column("p", f"p {LIKE}, adjusted", "number"),
            Column("p_here", f"p {HERE}, adjusted", "number"),
            Column("needed", "To decide it"),
            Column("tasks", "Judged on"),
            Column("runs", "Runs", "count", link="runs"),
            Column("rests_on", "Rests on"),
            Column("budgets", "Budgets"),
            Column("command", "Command"),
            Column("refuted_if", "Refuted if"),
            Column("changed", "Changed after results were seen"),
            Column("source", "Source"),
            Column("address", "Address"),
        ),
        row_head=2,
        filters={"verdict": "verdict", "held": "provenance"},
        filtered="provenance",
    )


def _row(
    claim: Claim, finding: Finding, by: dict[str, Judged], judged: dict[str, int], part: Board, board: Board
) -> dict[str, object]:  # fmt: skip
    cells = sorted(set(finding.cells))
    runs = _runs(part, cells)
    labels = list(dict.fromkeys(label for label, _ in cells))
    budgets = [b for b in board.budgets if b in {budget for _, budget in cells}]
    quantity = finding.quantity
    asked = {scope: by[scope].verdict == "inconclusive" for scope in (HERE, LIKE)}
    lacking = {scope: needed(finding, scope, judged=judged[scope]) for scope in (LIKE, HERE) if asked[scope]}
    return {
        "id": claim.id,
        "on": provenance(part),
        "statement": claim.statement,
        "verdict": by[LIKE].verdict,
        "verdict_here": by[HERE].verdict,
        "said": finding.text,
        **_ends("", quantity.like if quantity else None),
        **_ends("here_", quantity.here if quantity else None),
        "n": quantity.here.n if quantity else math.nan,
        "p": by[LIKE].p,
        "p_here": by[HERE].p,
        "needed": "; ".join(f"{scope}: {text}" for scope, text in lacking.items() if text),
        "tasks": _tasks(part, finding) if quantity else "",
        "runs": len(runs),
        "rests_on": "; ".join(labels),
        "budgets": "; ".join(budgets),
        "command": command(board, labels, budgets),
        "refuted_if": claim.refuted_if,
        "version": claim.version,
        "changed": claim.changed,
        "source": claim.source,
        "address": claim.address,
        "provenance": "" if part is board else str(part.tasks["provenance"].iloc[0]),
        "board": board.number,
        "folders": "; ".join(runs),
    }


def _ends(name: str, one: Estimate | None) -> dict[str, float]:
    value, low, high = (one.value, one.low, one.high) if one else (math.nan,) * 3
    return {f"{name}estimate": value, f"{name}low": low, f"{name}high": high}


def command(board: Board, labels: Sequence[str], budgets: Sequence[str]) -> str:
    """What makes the runs of these strategies, on the board or not, at these budgets; empty if there are none."""
    if not labels:
        return ""
    setting = board.setting
    words = ["harness", "run", "default", "--stream", str(setting["stream"]), "--backbone", str(setting["backbone"])]
    words += ["--size", str(setting["size"])]
    rows = board.rows_of((label, budget) for label in labels for budget in board.budgets)
    # As the runs write them: a label leaves out the recipe that all of the board share, and may name a version.
    as_run = dict(zip(rows["label"], rows["strategy"], strict=True))
    for strategy in dict.fromkeys(str(as_run.get(label, label)) for label in labels):
        words += ["--strategy", strategy]
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
    return [str(folder) for folder in board.rows_of(cells)["folder"].unique()]
