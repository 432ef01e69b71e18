"""How hard are a stream's tasks? ``python -m bench.difficulty DIR [--far]``: a table from finished runs.

A task is *real work* for a linear probe if its score lies between chance + 10 points and 97%. Score is accuracy, or
mean average precision where a task has several labels; chance is one over the classes, or the labels' mean frequency.

Domains far from photographs of things, on which finetuning should beat frozen ImageNet features, were written down
before anything was measured: see :data:`FAR`.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.config.registry import make
from harness.core.schema import Record
from harness.core.task import Kind, Split
from harness.storage.records import parse_line

FAR = ("OCR", "counting", "image-quality", "medical", "remote-sensing", "shape", "sketch")
MARGIN, CEILING = 0.10, 0.97


class Scored(NamedTuple):
    """The score of one task in one run."""

    stream: str
    strategy: str
    budget: str
    seed: int
    task: str
    domain: str
    score: float


def scores(folder: Path) -> Iterator[Scored]:
    """All scores of the runs in ``folder``."""
    for manifest in sorted(folder.rglob("run.json")):
        run = json.loads(manifest.read_text(encoding="utf-8"))
        domains = {task["name"]: task["domain"] for task in run["tasks"]}
        written = str(manifest.parent.relative_to(folder)).split("/")[-3]
        for record in _records(manifest.with_name("events.jsonl")):
            if record["event"] == "eval" and record["metric"] in ("error", "mean_average_precision"):
                value = record["value"] if record["metric"] != "error" else 1 - record["value"]
                spec = run["spec"]
                task = record["task"]
                yield Scored(spec["stream"], written, spec["budget"], spec["seed"], task, domains[task], value)


def _records(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield parse_line(line)


def chances(stream: str) -> Mapping[str, float]:
    """What guessing scores on each task of ``stream``."""
    found = {}
    for task in make("streams", stream):
        several = task.kind is Kind.MULTILABEL
        found[task.name] = float(task.load(Split.TEST).labels.mean()) if several else 1 / task.num_classes
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--far", action="store_true", help="compare finetune with linear_probe on the far domains")
    asked = parser.parse_args(arguments)
    found = list(scores(asked.folder))
    if asked.far:
        far(found)
    else:
        table(found)


def table(found: list[Scored]) -> None:
    """Print a line for each task, and how many are real work for the linear probe."""
    probed = [one for one in found if one.strategy.startswith("linear_probe")]
    inside = 0
    print(f"{'task':28s} {'domain':20s} chance  score")
    for stream in sorted({one.stream for one in probed}):
        chance = chances(stream)
        for one in (one for one in probed if one.stream == stream):
            fits = chance[one.task] + MARGIN <= one.score <= CEILING
            inside += fits
            note = "" if fits else "easy" if one.score > CEILING else "hard"
            print(f"{one.task:28s} {one.domain:20s} {chance[one.task]:6.3f} {one.score:6.3f} {note}")
    print(f"between chance + 10 points and 97%: {inside} of {len(probed)} ({inside / len(probed):.0%})")


def far(found: list[Scored]) -> None:
    """Print on how many tasks of the far domains finetuning beats the probe."""
    of: dict[tuple[str, str, int], dict[str, Any]] = {}
    for one in found:
        of.setdefault((one.stream, one.task, one.seed), {"domain": one.domain})[one.strategy] = one.score
    won = met = 0
    for (_, task, _), facts in of.items():
        if facts["domain"] in FAR and {"finetune", "linear_probe"} <= set(facts):
            met, won = met + 1, won + (facts["finetune"] > facts["linear_probe"])
            both = f"finetune {facts['finetune']:.3f}  linear_probe {facts['linear_probe']:.3f}"
            print(f"{task:28s} {facts['domain']:20s} {both}")
    print(f"finetune beats linear_probe on {won} of {met} tasks of far domains")


if __name__ == "__main__":
    main()
