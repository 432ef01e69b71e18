"""The reference results are what their suites give: a cell run again has key, FLOPs and errors of the record."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.config.notation import parse
from harness.config.suite import Suite, build_suite, load_suite
from harness.core.spec import RunSpec
from harness.running.runner import run
from harness.storage.records import read_log
from reports.boards.board import boards
from reports.reading.bundle import read_bundle
from reports.reading.frame import read

REFERENCE = Path(__file__).parents[3] / "reports" / "reference"
EXACT = ("task", "index", "status", "steps", "examples", "parameters", "budget_flops", "flops", "flops_train",
         "flops_extract", "flops_prune", "flops_evaluate")  # fmt: skip


def cell(suite: Suite, strategy: str, budget: str) -> RunSpec:
    # What ``auto`` came to where the records were made, whatever it comes to here.
    setting = replace(suite.setting, precision="bf16")
    (spec,) = build_suite(name=suite.name, about="", streams=suite.streams, strategies=[strategy], budgets=[budget],
                          seeds=[0], setting=setting).specs()  # fmt: skip
    return spec


@pytest.mark.parametrize("strategy", ["finetune", "ot_fused(flops=0.5, learner=ridge)"])
def test_a_cell_of_the_default_suite_run_again_gives_what_is_on_record(strategy, tmp_path):
    spec = cell(load_suite("default"), strategy, "0.1ep")
    kept = {json.loads(one.run)["key"]: one.events for path in REFERENCE.glob("*.xz") for one in read_bundle(path)}
    assert spec.key in kept, "its data, options or protocol are no longer those of the reference results"
    (tmp_path / "events.jsonl").write_bytes(kept[spec.key])
    run(spec, tmp_path / "again")
    files = (tmp_path / "events.jsonl", tmp_path / "again" / spec.folder / "events.jsonl")
    then, now = (read_log(file).records for file in files)
    learnt = [[{name: line[name] for name in EXACT} for line in log if line["event"] == "learn"] for log in (then, now)]
    assert learnt[0] == learnt[1]
    errors = [{e["task"]: e["value"] for e in log if e.get("metric") == "error"} for log in (then, now)]
    # Another kind of processor sums in another order, which can turn a few predictions; the smallest split has 24.
    assert errors[0] == pytest.approx(errors[1], abs=0.05)


@pytest.mark.parametrize(
    ("bundle", "suite"),
    [("nevis-mini-half", "default"), ("nevis-mini-lite0", "reference-mini"), ("real-half", "reference-real"),
     ("long-half", "reference-long"), ("in-order-half", "reference-continual")],
)  # fmt: skip
def test_every_cell_of_a_suite_stands_in_its_reference(bundle: str, suite: str) -> None:
    wanted, (board,) = load_suite(suite), boards(read([REFERENCE / f"{bundle}.tar.xz"]))
    assert parse(str(board.setting["stream"])) == parse(wanted.streams[0])
    assert board.setting["backbone"] == wanted.setting.backbone
    assert {*board.cells} >= {(one, str(budget)) for one in wanted.strategies for budget in wanted.budgets}
    assert board.seeds == [*wanted.seeds]
