"""The reference results are what their specs give: a cell run again has the key, the FLOPs and the errors on record.

They are of protocol 4, whose keys are made as they were; the runs of that protocol and of the next do the same work.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.config.notation import parse
from harness.config.suite import build_suite, load_suite
from harness.running.runner import run
from harness.storage.records import read_log
from reports.boards.board import boards
from reports.reading.bundle import read_bundle
from reports.reading.frame import read

REFERENCE = Path(__file__).parents[3] / "reports" / "reference"
RECORDED = 4
EXACT = ("task", "index", "status", "steps", "examples", "parameters", "budget_flops", "flops", "flops_train",
         "flops_extract", "flops_prune", "flops_evaluate")  # fmt: skip


@pytest.mark.parametrize("strategy", ["ridge", "filter_pruned(recipe=v1, flops=0.5)"])
def test_a_cell_of_the_reference_results_run_again_gives_what_is_on_record(strategy, tmp_path):
    suite = load_suite("reference-mini")
    (spec,) = build_suite(name=suite.name, about="", streams=suite.streams, strategies=[strategy], budgets=["0.03ep"],
                   seeds=[0], setting=replace(suite.setting, protocol_version=RECORDED)).specs()  # fmt: skip
    kept = {json.loads(one.run)["key"]: one.events for path in REFERENCE.glob("*.xz") for one in read_bundle(path)}
    assert spec.key in kept, "its data, options or protocol are no longer those of the reference results"
    (tmp_path / "events.jsonl").write_bytes(kept[spec.key])
    run(spec, tmp_path / "again")
    files = (tmp_path / "events.jsonl", tmp_path / "again" / spec.folder / "events.jsonl")
    then, now = (read_log(file).records for file in files)
    learnt = [[{name: line[name] for name in EXACT} for line in log if line["event"] == "learn"] for log in (then, now)]
    assert learnt[0] == learnt[1]
    errors = [{e["task"]: e["value"] for e in log if e.get("metric") == "error"} for log in (then, now)]
    # Another kind of processor sums in another order, which can turn a few of some hundred predictions.
    assert errors[0] == pytest.approx(errors[1], abs=0.02)


def test_every_cell_of_the_default_suite_stands_in_a_reference():
    suite, (board,) = load_suite("default"), boards(read([REFERENCE / "nevis-mini-half.tar.xz"]))
    assert parse(str(board.setting["stream"])) == parse(suite.streams[0])
    assert board.setting["backbone"] == suite.setting.backbone
    assert {*board.cells} == {(one, str(budget)) for one in suite.strategies for budget in suite.budgets}
    assert board.seeds == [*suite.seeds]
