"""Whatever a run folder holds, the report says what it can and never fails."""

import json
from typing import Any

import pytest

from harness.storage.records import line_of, read_log
from reports.publishing.report import write_report
from reports.publishing.summary import summary
from reports.reading.frame import read


def change(path, value):
    def apply(run):
        *way, last = path.split(".")
        for step in way:
            run = run[int(step)] if isinstance(run, list) else run[step]
        if value is ...:
            del run[last]
        else:
            run[last] = value

    return apply


ODD = [
    ("spec.budget", "rubbish"), ("spec.budget", ""), ("spec.seed", -3), ("spec.strategy", ""), ("spec.strategy", "((("),
    ("spec.strategy", "a" * 3000), ("spec.options", {"keep": [1, {"a": None}], "flops": "x"}), ("tasks", []),
    ("tasks.0.num_classes", 0), ("tasks.0.kind", "regression"), ("tasks.0.year", -10**9), ("tasks.0.sizes", {}),
    ("tasks.0.dense_flops", None), ("tasks.0.dense_flops", -1), ("tasks.1.name", "uci_digits"), ("status", "odd"),
    ("error", "one line"), ("hardware", {}), ("packages", ...), ("started", None), ("key", ""),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), ODD, ids=lambda x: str(x)[:24])
def test_odd_facts_of_a_run_are_reported_without_failing(one, tmp_path, path, value):
    one(tmp_path, "finetune", "1ep", 0)
    folder = one(tmp_path, "linear_probe", "1ep", 0)
    run = json.loads((folder / "run.json").read_text())
    change(path, value)(run)
    (folder / "run.json").write_text(json.dumps(run))
    assert "2 runs" in summary([tmp_path])


def odd_records(folder, **values):
    records = read_log(folder / "events.jsonl").records
    (folder / "events.jsonl").write_text("".join(line_of({**record, **values}) for record in records))


@pytest.mark.parametrize(
    "values",
    [{"value": "text"}, {"value": None}, {"n": "many"}, {"flops": None}, {"flops": "x"}, {"flops": 0}, {"seconds": -1},
     {"index": 99}, {"index": "0"}, {"status": "exploded"}, {"status": None}, {"metric": 3}, {"budget_flops": None},
     {"flops_evaluate": 0}, {"error": 7, "board": 9, "run": "x"}],
    ids=str,
)  # fmt: skip
def test_odd_records_are_reported_without_failing(one, tmp_path, values):
    one(tmp_path, "finetune", "1ep", 0)
    odd_records(one(tmp_path, "linear_probe", "1ep", 0), **values)
    assert "2 runs" in summary([tmp_path])


def test_one_page_of_all_of_them(one, tmp_path):
    for seed, (path, value) in enumerate(ODD):
        folder = one(tmp_path, "filter_pruned(keep=0.5)", "1ep", seed)
        run = json.loads((folder / "run.json").read_text())
        change(path, value)(run)
        (folder / "run.json").write_text(json.dumps(run))
    odd: list[dict[str, Any]] = [{"value": "text"}, {"n": "many"}, {"flops": "x"}, {"index": "0"}, {"status": None}]
    for place, values in enumerate(odd):
        odd_records(one(tmp_path, "finetune", "1ep", place), **values)
    text = write_report([tmp_path], tmp_path / "out").read_text()
    assert f"{len(ODD) + 5} run folders" in text


@pytest.mark.parametrize("values", [{"flops": "x"}, {"n": "many"}, {"status": "exploded"}])
def test_a_record_that_is_none_of_the_schema_is_named_and_not_used(one, tmp_path, values):
    odd_records(one(tmp_path, "finetune", "1ep", 0), **values)
    frames = read([tmp_path])
    (field,) = values
    assert any(f"none of this schema ({field}: " in note for note in frames.notes)
    assert frames.tasks["error"].isna().all()


def test_one_run_at_one_budget_has_a_page(one, tmp_path):
    one(tmp_path, "filter_pruned(keep=0.5)", "1ep", 0)
    assert write_report([tmp_path], tmp_path / "out").exists()
