"""The schema is what writers write and readers read, of every version, and it ships as a JSON Schema."""

import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from harness.compute.ledger import COST_PHASES, Ledger
from harness.core import schema
from harness.core.schema import (
    SCHEMA_VERSION,
    EvalRecord,
    LearnRecord,
    RunFile,
    as_error,
    json_schema,
    packed,
    parse_record,
    parse_run,
    score_of,
    unpacked,
)
from harness.core.spec import Setting
from harness.storage.records import parse_line
from reports.reading.bundle import read_bundle

BUNDLES = sorted((Path(__file__).parents[3] / "reports" / "reference").glob("*.tar.xz"))
SHIPPED = json.loads(files("harness.core").joinpath("schema.json").read_text(encoding="utf-8"))


def learn(**changes: Any) -> LearnRecord:
    content: dict[str, Any] = {
        "event": "learn", "task": "a", "index": 0, "status": "flops", **Ledger().fields(), "setup_flops": 0,
        "budget_flops": math.inf, "cpu_seconds": 0.5, "steps": 3, "examples": 48, "parameters": 10, "peak_bytes": 7,
        "latency_seconds": None,
    }  # fmt: skip
    record = parse_record(content | changes)
    assert isinstance(record, LearnRecord)
    return record


def evaluated(metric: str, value: float | None, *, task: str = "a", after: str = "a") -> EvalRecord:
    return EvalRecord(after=after, task=task, split="dev_test", n=4, metric=metric, value=value)


def models(model: type[BaseModel]) -> set[type[BaseModel]]:
    inner = {
        kind
        for field in model.model_fields.values()
        for kind in (field.annotation, *get_args(field.annotation))
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    }
    return {model, *(found for one in inner for found in models(one))}


def test_the_json_schema_that_ships_is_what_the_models_give() -> None:
    assert json_schema() == SHIPPED, "run: python -m harness.core.schema"
    Draft202012Validator.check_schema(SHIPPED)


def test_every_field_says_what_it_is() -> None:
    every: set[type[BaseModel]] = {*models(RunFile), EvalRecord, LearnRecord}
    for model in every:
        assert [name for name, field in model.model_fields.items() if not field.description] == [], model


def test_a_learn_record_has_the_phases_of_the_ledger_and_a_run_file_the_fields_of_the_setting() -> None:
    assert set(Ledger().fields()) == {
        name for name in LearnRecord.model_fields if name.split("_")[0] in ("flops", "seconds")
    }
    assert {f"flops_{phase}" for phase in COST_PHASES} < set(LearnRecord.model_fields)
    assert set(schema.SettingFacts.model_fields) == set(Setting.__dataclass_fields__)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name.partition(".")[0])
def test_the_shipped_bundles_are_read_whole_and_written_again_as_they_are(bundle: Path) -> None:
    valid = Draft202012Validator(SHIPPED)
    for number, one in enumerate(read_bundle(bundle)[::9]):
        assert parse_run(one.run).schema_version == SCHEMA_VERSION
        lines = one.events.decode().splitlines(keepends=True)
        for line in lines:
            record = parse_line(line)
            assert parse_record(record).record() == record
            assert not parse_record(record).model_extra
        if number == 0:
            assert valid.is_valid(json.loads(one.run))
            assert all(valid.is_valid(json.loads(line)) for line in lines[:20])


def test_a_record_leaves_out_what_it_has_nothing_to_say_of_and_keeps_what_it_does_not_know() -> None:
    assert not {"loss_first", "grad_norm_max", "crc32"} & set(learn().record())
    assert learn().record()["budget_flops"] is None
    assert (
        learn(loss_last=2.0, novelty=[1]).record() | {"loss_last": 2, "novelty": [1]}
        == learn(loss_last=2.0, novelty=[1]).record()
    )
    assert evaluated("error", math.nan).record()["value"] is None


def test_a_run_of_an_earlier_version_becomes_one_of_this_and_a_later_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert set(schema.MIGRATIONS) == set(range(1, SCHEMA_VERSION))
    run = json.loads(read_bundle(BUNDLES[0])[0].run)
    monkeypatch.setattr(schema, "SCHEMA_VERSION", 3)
    steps = {1: lambda run: {**run, "error": "1"}, 2: lambda run: {**run, "error": run["error"] + "2"}}
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    for version, error in ((1, "12"), (2, "02"), (3, "0")):
        found = parse_run(json.dumps({**run, "schema_version": version, "error": "0"}).encode())
        assert (found.schema_version, found.error) == (3, error)
    for version in (0, 4):
        with pytest.raises(ValueError, match=f"schema {version}, this harness reads 1 to 3"):
            parse_run(json.dumps({**run, "schema_version": version}).encode())


@pytest.mark.parametrize("metric", ["error", "mean_average_precision"])
def test_the_score_is_found_by_its_name_wherever_it_stands(metric: str) -> None:
    score, others = evaluated(metric, 0.25), [evaluated("cross_entropy", 3.0), evaluated("error_before", 0.9)]
    again = evaluated(metric, 0.5, after="b")
    orders: list[list[EvalRecord | LearnRecord]] = [[score, *others, again], [again, *others, learn(), score]]
    for order in orders:
        assert score_of(order, "a") is score
    assert score.error == as_error(metric, 0.25) == (0.25 if metric == "error" else 0.75)
    assert score_of(others, "a") is None


@given(st.lists(st.integers(0, 2**16 - 1)))
def test_predicted_classes_come_back(classes: list[int]) -> None:
    assert list(unpacked(packed(np.array(classes, dtype=int))) if classes else []) == classes  # type: ignore[arg-type]
    assert unpacked("no base64!") is unpacked(None) is None
