"""One run in this process: what it hands to a strategy, what it loads, and what it says of its tasks."""

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.compute.device import OutOfMemory
from harness.config.options import flat
from harness.config.registry import make
from harness.core.budget import Budget
from harness.core.schema import EvalRecord, RunFile, RunStatus, SettingFacts, SpecFacts, TaskFacts, parse_record
from harness.core.spec import RunSpec, Setting
from harness.core.stream import Stream
from harness.core.task import Examples, Kind, Split
from harness.running import runner
from harness.running.executor import Outcome
from harness.running.messages import Message
from harness.running.progress import Lines
from harness.storage.records import read_log
from reports.publishing.summary import summary


def spec_of(strategy: str, *, stream: str = "tiny:bars(tasks=2)", budget: str = "1ep") -> RunSpec:
    opened, made = make("streams", stream), make("strategies", strategy)
    options = tuple(flat(made).items())
    return RunSpec(
        opened.name, opened.fingerprint(), strategy, options, made.version, Budget.parse(budget),
        Setting(backbone="tiny:net", size=16), seed=0,
    )  # fmt: skip


@pytest.mark.parametrize("strategy", ["tiny:Broken(how=swaps)", "channel_pruned(learner=tiny:Broken(how=swaps))"])
def test_a_strategy_that_changes_the_meter_is_refused_though_it_stays_within_the_budget(
    strategy: str, tmp_path: Path
) -> None:
    with pytest.raises(runner.OtherMeter, match=r"another meter in ctx\.meter.*dataclasses\.replace"):
        runner.run(spec_of(strategy), tmp_path)


def test_the_scored_split_of_a_task_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, loaded = spec_of("finetune", budget="0.5ep"), Counter[tuple[str, Split]]()

    def same(thing: Any) -> Any:
        return thing

    def counted(stream: Stream) -> Stream:
        tasks = []
        for task in stream:

            def load(split: Split, task=task) -> Examples:  # type: ignore[no-untyped-def]
                loaded[task.name, Split(split)] += 1
                return task.load(split)  # type: ignore[no-any-return]

            tasks.append(replace(task, load=load))
        return replace(stream, tasks=tuple(tasks))

    monkeypatch.setattr(runner, "make", lambda kind, name: {"streams": counted}.get(kind, same)(make(kind, name)))
    runner.run(spec, tmp_path)
    assert {name: count for name, count in loaded.items() if name[1] == Split.DEV_TEST} == {
        ("bars0", Split.DEV_TEST): 1,
        ("bars1", Split.DEV_TEST): 1,
    }


def test_the_error_on_the_terminal_is_that_of_the_report_on_a_multilabel_stream_too(tmp_path: Path) -> None:
    spec = spec_of("ridge", stream="tiny:bars(tasks=4)", budget="2ep")
    assert Kind.MULTILABEL in {task.kind for task in make("streams", spec.stream)}
    out = io.StringIO()
    lines = Lines([spec], Console(file=out), verbose=False)
    heard: list[Message] = []
    runner.run(spec, tmp_path, listener=lambda message: (heard.append(message), lines.received(spec, message))[0])
    lines.ended(Outcome(spec, RunStatus.DONE))
    shown = float(out.getvalue().partition("mean error ")[2].split()[0])
    records = [parse_record(record) for record in read_log(tmp_path / spec.folder / "events.jsonl").records]
    scores = [r for r in records if isinstance(r, EvalRecord) and r.metric in ("error", "mean_average_precision")]
    errors = [1 - r.value if r.metric != "error" else r.value for r in scores if r.value is not None]
    assert [message.error for message in heard if message.record] == errors
    assert f"{sum(errors) / 4:.3f}" == f"{shown:.3f}"
    assert f"{shown:.3f}" in summary([tmp_path])


def test_every_field_that_a_run_writes_is_one_of_the_schema(tmp_path: Path) -> None:
    spec = spec_of("channel_pruned(keep=0.5)")
    runner.run(spec, tmp_path)
    run = json.loads((tmp_path / spec.folder / "run.json").read_text())
    assert set(run) == set(RunFile.model_fields)
    assert set(run["spec"]) == set(SpecFacts.model_fields) - {"sources"}, "no plugin takes part"
    assert set(run["spec"]["setting"]) == set(SettingFacts.model_fields)
    assert set(run["tasks"][0]) == set(TaskFacts.model_fields)
    for record in read_log(tmp_path / spec.folder / "events.jsonl").records:
        line = parse_record(record)
        assert line.record() == record
        assert not line.model_extra


def test_a_full_gpu_fails_the_run_and_says_what_to_do(tmp_path: Path) -> None:
    spec = spec_of("rogue:Rogue(how=overfills)")
    with pytest.raises(OutOfMemory, match=r"--jobs.*batch_size"):
        runner.run(spec, tmp_path)
    told = json.loads((tmp_path / spec.folder / "run.json").read_text())
    assert told["status"] == RunStatus.FAILED
    assert "fewer at a time (--jobs)" in told["error"]
