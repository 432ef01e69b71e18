"""Tasks of which an image has several labels go through every strategy: their loss, their score, and the report."""

import csv
import math
from pathlib import Path

import pytest
from command import Harness

from harness.config.registry import entries, make
from harness.conformance.trial import Trial
from harness.core.budget import Budget
from harness.core.schema import Record
from harness.core.spec import Setting

BACKBONE = "timm:test_efficientnet(weights=none)"
SPECS = [
    *(name for name in entries("strategies") if name != "as_trained"),
    *(f"avalanche(method={name})" for name in ("EWC", "LwF", "Replay", "GEM", "AGEM")),
]
SPECS += [f"finetune(head_init={name})" for name in ("ncm", "ridge", "probe")]
TASK = "bars1"
"""The multilabel one of two; the one before it has classes."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def records(results: Path) -> dict[str, list[Record]]:
    """What came out of the whole stream, for each strategy."""
    setting, backbone = Setting(backbone=BACKBONE, size=32), make("backbones", BACKBONE)
    stream, budget = make("streams", "tiny:bars(tasks=2)"), Budget.parse("1ep")
    return {spec: Trial(spec, stream, backbone, setting, budget).records(results) for spec in SPECS}


@pytest.mark.parametrize("spec", SPECS)
def test_every_strategy_learns_a_task_of_several_labels(records: dict[str, list[Record]], spec: str) -> None:
    mine = [record for record in records[spec] if record["task"] == TASK]
    scores = {record["metric"]: record["value"] for record in mine if record["event"] == "eval"}
    assert 0 < scores["mean_average_precision"] <= 1
    assert "error" not in scores
    assert math.isfinite(scores["cross_entropy"])
    (learnt,) = [record for record in mine if record["event"] == "learn"]
    # With weights that were drawn, frozen statistics belong to nothing: what loses most of its inputs may diverge.
    assert learnt["status"] in (("done", "flops", "diverged") if spec == "conv_in_pruned" else ("done", "flops"))
    assert learnt["flops"] > 0


def test_the_report_shows_them_beside_tasks_of_one_class(
    records: dict[str, list[Record]], results: Path, harness: Harness
) -> None:
    said = harness("report", results, "--out", "page").stdout
    assert f"{len(SPECS)} runs: {len(SPECS)} done" in said
    with Path("page/tables/curves.csv").open() as lines:
        shown = {row["strategy"]: float(row["multilabel"]) for row in csv.DictReader(lines)}
    labels = {"avalanche(method=Naive)" if spec == "avalanche" else spec: spec for spec in SPECS}
    assert set(shown) == set(labels)
    for label, error in shown.items():
        assert error == pytest.approx(1 - _score(records[labels[label]]), abs=1e-6)


def _score(records: list[Record]) -> float:
    """Mean average precision right after learning: strategies that share weights are asked again at the end."""
    (score,) = [r["value"] for r in records if r.get("metric") == "mean_average_precision" and r["after"] == TASK]
    return float(score)
