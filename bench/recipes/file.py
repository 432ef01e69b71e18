"""What did a trial give? A line a run in a small file, which says all that the choice is made from."""

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from harness.core.schema import EvalRecord, LearnRecord, parse_record, score_of
from harness.core.spec import RunSpec
from harness.storage.run_folder import RunFolder

TRIALS = Path(__file__).with_name("trials.csv")


@dataclass(frozen=True)
class Row:
    """One run of one trial.

    Attributes:
        rung: its place among the rungs of the band.
        trial: its place among the trials.
        strategy: body and recipe as they were written.
        fingerprint: the first signs of the stream's.
        flops: charged, of all tasks. tasks: their names.
        errors: of each task; 1 where nothing was learnt.
        weights: whose each task kept: e(nd), s(tart), a(verage). diverged: how many tasks did.
    """

    net: str
    band: str
    rung: int
    seed: int
    budget: str
    body: str
    trial: int
    strategy: str
    stream: str
    fingerprint: str
    flops: float
    tasks: tuple[str, ...]
    errors: tuple[float, ...]
    weights: str
    diverged: int

    @property
    def case(self) -> tuple[str, str, int, str, int, str]:
        """What it is a run of; one file holds each once."""
        return (self.net, self.band, self.rung, self.body, self.trial, self.stream)


def row(spec: RunSpec, folder: Path, **facts: Any) -> Row | None:
    """What the run of ``spec`` below ``folder`` gave; None where it is not done."""
    store = RunFolder(folder / spec.folder)
    if store.status() != "done":
        return None
    tasks: list[str] = []
    errors: list[float] = []
    weights, flops, diverged = "", 0.0, 0
    evals: list[EvalRecord] = []
    for record in map(parse_record, store.records()):
        if isinstance(record, EvalRecord):
            evals.append(record)
            continue
        assert isinstance(record, LearnRecord)
        score = score_of(evals, record.task)
        error = score.error if score else None
        tasks.append(record.task)
        errors.append(1.0 if error is None else round(error, 4))
        weights += (record.chosen or "end")[0]
        flops += record.flops
        diverged += record.status == "diverged"
    return Row(
        net=spec.setting.backbone, seed=spec.seed, budget=str(spec.budget), strategy=spec.strategy,
        fingerprint=spec.fingerprint[:12], flops=float(f"{flops:.4g}"), tasks=tuple(tasks), errors=tuple(errors),
        weights=weights, diverged=diverged, **facts,
    )  # fmt: skip


def read(path: Path = TRIALS) -> list[Row]:
    """The rows of the file; none where there is none."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return [_parsed(line) for line in csv.DictReader(lines)]


def write(rows: Iterable[Row], path: Path = TRIALS) -> None:
    """All ``rows``, in the order of their cases."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        lines.writeheader()
        for one in sorted(rows, key=lambda row: row.case):
            lists = {"tasks": " ".join(one.tasks), "errors": " ".join(f"{error:g}" for error in one.errors)}
            lines.writerow(asdict(one) | lists)


def _parsed(line: dict[str, str]) -> Row:
    numbers = {name: json.loads(line[name]) for name in ("rung", "seed", "trial", "flops", "diverged")}
    lists = {"tasks": tuple(line["tasks"].split()), "errors": tuple(map(float, line["errors"].split()))}
    content: dict[str, Any] = {**line, **numbers, **lists}
    return Row(**content)
