"""A run stops and goes on, spends what it may, and says the same thing twice."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from command import Harness

from harness.config.suite import Suite, build_suite, load_suite
from harness.core.spec import PROTOCOL_VERSION, RunSpec
from harness.learning.batches import Augment
from harness.learning.recipe import RATES, STARTED
from harness.storage.records import canonical, line_of, read_log

SUITE = """
streams = ["tiny:bars"]
strategies = ["tiny:Finetune"]
budgets = ["2ep"]
[setting]
backbone = "tiny:net"
size = 16
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(SUITE)
    return path


def logs(out: Path) -> list[str]:
    """The canonical records of every run below ``out``, as bytes would be compared."""
    return ["".join(map(line_of, canonical(read_log(path).records))) for path in sorted(out.rglob("events.jsonl"))]


def learns(out: Path) -> list[dict[str, Any]]:
    return [r for path in sorted(out.rglob("events.jsonl")) for r in read_log(path).records if r["event"] == "learn"]


def test_two_executions_have_equal_canonical_records(harness: Harness, suite: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        harness("run", suite, "--out", out)
    assert logs(tmp_path / "one") == logs(tmp_path / "two") != []
    assert len(learns(tmp_path / "one")) == 3


def test_the_first_task_names_the_body_that_was_made_the_same_with_every_seed(
    harness: Harness, suite: Path, tmp_path: Path
) -> None:
    harness("run", suite, "--strategy", "channel_pruned", "--out", "one", "--seeds", 2, "--jobs", 2)
    begun = [record["prepared"] for record in learns(tmp_path / "one") if record["index"] == 0]
    assert len(begun) == 2
    assert len(set(begun)) == 1
    assert begun[0]


@pytest.mark.parametrize("moment", ["dies_at", "dies_before"])
@pytest.mark.parametrize("task", ["bars0", "bars1", "bars2"])
def test_a_killed_run_resumes_to_the_same_bytes(
    harness: Harness, suite: Path, tmp_path: Path, moment: str, task: str
) -> None:
    harness("run", suite, "--out", "whole")
    flag = tmp_path / "died"
    text = f"tiny:Finetune({moment}={task}, flag='{flag}')"
    harness("run", suite, "--out", "broken", "--strategy", text, code=1)
    assert flag.exists()
    assert len(learns(tmp_path / "broken")) == int(task[-1])
    harness("run", suite, "--out", "broken", "--strategy", text, "--retry-failed")
    assert logs(tmp_path / "whole") == logs(tmp_path / "broken")
    assert json.loads(next((tmp_path / "broken").rglob("run.json")).read_text())["attempts"] == 2


def test_a_finished_run_is_not_done_again(harness: Harness, suite: Path, tmp_path: Path) -> None:
    harness("run", suite, "--out", "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert "0 to do" in harness("run", suite, "--out", "out").stderr
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}


@pytest.mark.parametrize("budget", ["0.5ep", "2ep", "3000000flops", "stream:1ep"])
@pytest.mark.parametrize("strategy", ["tiny:Finetune", "tiny:OwnLoop"])
def test_no_run_overspends_by_more_than_a_step(
    harness: Harness, suite: Path, tmp_path: Path, budget: str, strategy: str
) -> None:
    harness("run", suite, "--out", "out", "--budget", budget, "--strategy", strategy)
    for record in learns(tmp_path / "out"):
        a_step = record["flops_train"] / record["steps"]
        # Our own loop knows its price and never overspends at all.
        allowed = 1e-9 * record["budget_flops"] if strategy == "tiny:Finetune" else a_step * 1.01
        assert record["flops"] <= record["budget_flops"] + allowed
        assert record["status"] == "flops"
        assert record["flops"] >= 0.5 * record["budget_flops"]


def test_the_phases_of_the_ledger_add_up(harness: Harness, suite: Path, tmp_path: Path) -> None:
    harness("run", suite, "--out", "out")
    for record in learns(tmp_path / "out"):
        for unit in ("flops", "seconds"):
            parts = {k: v for k, v in record.items() if k.startswith(f"{unit}_") and not k.endswith("evaluate")}
            assert math.isclose(sum(parts.values()), record[unit], rel_tol=1e-9)
        assert record["flops_evaluate"] > 0


def test_what_a_prediction_costs_is_not_mixed_with_what_is_measured_before_training(
    harness: Harness, suite: Path, tmp_path: Path
) -> None:
    cost = {}
    for strategy in ("tiny:Finetune", "channel_pruned(keep=0.5)"):
        harness("run", suite, "--out", "out", "--strategy", strategy)
        logs = [path for path in (tmp_path / "out").rglob("events.jsonl") if strategy[:4] in str(path)]
        records = [record for path in logs for record in read_log(path).records]
        assert any(r.get("metric") == "error_before" for r in records) == ("pruned" in strategy)
        cost[strategy] = [r["flops_evaluate"] for r in records if r["event"] == "learn"]
    assert all(pruned < dense for dense, pruned in zip(*cost.values(), strict=True))


def test_a_budget_in_seconds_ends_the_run(harness: Harness, suite: Path, tmp_path: Path) -> None:
    harness("run", suite, "--out", "out", "--budget", "0.3s")
    for record in learns(tmp_path / "out"):
        assert record["status"] == "seconds"
        assert record["seconds"] >= 0.3


def test_final_scores_the_test_split_of_every_task(harness: Harness, suite: Path, tmp_path: Path) -> None:
    harness("run", suite, "--out", "out")
    harness("run", suite, "--out", "out", "--final")
    runs = sorted((tmp_path / "out").rglob("events.jsonl"))
    splits = [{r["split"] for r in read_log(path).records if r["event"] == "eval"} for path in runs]
    assert sorted(map(sorted, splits)) == [["dev_test"], ["test"]]
    counts = [sum(r["event"] == "learn" for r in read_log(path).records) for path in runs]
    assert sorted(counts) == [3, 4]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raises", "RuntimeError: a <bug> in 'my' plugin"),
        ("exits", "left with exit code 3"),
        ("peeks", "split dev_test is hidden while learning"),
        ("shape", "logits of shape"),
    ],
)
def test_a_broken_strategy_takes_no_other_run_with_it(
    harness: Harness, suite: Path, tmp_path: Path, how: str, said: str
) -> None:
    broken = f"tiny:Broken(how={how})"
    done = harness("run", suite, "--out", "out", "--strategy", broken, "--strategy", "tiny:OwnLoop", code=1)
    assert said in done.stderr
    assert "noise" not in done.stdout + done.stderr
    manifests = [json.loads(path.read_text()) for path in (tmp_path / "out").rglob("run.json")]
    assert {m["spec"]["strategy"]: m["status"] for m in manifests} == {
        broken if how != "raises" else "tiny:Broken": "failed",
        "tiny:OwnLoop": "done",
    }
    assert all(m["error"] for m in manifests if m["status"] == "failed")


def test_logits_that_are_not_numbers_count_as_errors(harness: Harness, suite: Path, tmp_path: Path) -> None:
    harness("run", suite, "--out", "out", "--strategy", "tiny:Broken(how=nan)")
    records = read_log(next((tmp_path / "out").rglob("events.jsonl"))).records
    assert {r["value"] for r in records if r.get("metric") == "error"} == {1}
    assert {r["value"] for r in records if r.get("metric") == "cross_entropy"} == {None}


def test_a_damaged_state_restarts_the_run_and_says_so(harness: Harness, suite: Path, tmp_path: Path) -> None:
    harness("run", suite, "--out", "whole")
    flag = tmp_path / "died"
    text = f"tiny:Finetune(dies_at=bars2, flag='{flag}')"
    harness("run", suite, "--out", "out", "--strategy", text, code=1)
    state = next((tmp_path / "out").rglob("state-1.pt"))
    content = bytearray(state.read_bytes())
    content[1000:-1000] = bytes(byte ^ 0xFF for byte in content[1000:-1000])
    state.write_bytes(content)
    said = harness("run", suite, "--out", "out", "--strategy", text, "--retry-failed").stderr
    assert "state-1.pt is damaged: starting this run again" in said
    assert logs(tmp_path / "whole") == logs(tmp_path / "out")


def test_a_strategy_that_has_no_state_starts_again_and_says_so(harness: Harness, suite: Path, tmp_path: Path) -> None:
    flag = tmp_path / "died"
    harness("run", suite, "--out", "whole", "--strategy", "tiny:Restarts")
    text = f"tiny:Restarts(dies_at=bars2, flag='{flag}')"
    harness("run", suite, "--out", "out", "--strategy", text, code=1)
    said = harness("run", suite, "--out", "out", "--strategy", text, "--retry-failed").stderr
    assert "cannot go on in the middle: starting this run again" in said
    assert logs(tmp_path / "whole") == logs(tmp_path / "out")


def specs(**changes: Any) -> list[RunSpec]:
    parts: dict[str, Any] = {
        "name": "t",
        "about": "",
        "streams": ["tiny:bars"],
        "strategies": ["tiny:Finetune"],
        "budgets": ["1ep"],
        "seeds": [0],
        "setting": load_suite("smoke").setting.__class__(backbone="tiny:net", size=16),
    }
    suite: Suite = build_suite(**{**parts, **changes})
    return suite.specs()


def test_the_key_changes_with_what_changes_the_answer_and_with_nothing_else() -> None:
    (base,) = specs()
    assert specs(strategies=["tiny:Finetune(lr=0.05)"])[0].key == base.key, "a default written out is the same run"
    assert specs(name="other", about="other words")[0].key == base.key
    others = [
        specs(strategies=["tiny:Finetune(lr=0.06)"]),
        specs(strategies=["tiny:OwnLoop"]),
        specs(budgets=["2ep"]),
        specs(budgets=["stream:1ep"]),
        specs(seeds=[1]),
        specs(streams=["tiny:bars(tasks=4)"]),
    ]
    assert len({base.key, *(other[0].key for other in others)}) == 7


def test_the_protocol_version_stands_for_what_the_key_does_not_spell_out() -> None:
    """Whoever changes these raises PROTOCOL_VERSION, so that old results are not taken for new ones."""
    assert (PROTOCOL_VERSION, RATES, STARTED, Augment()) == (
        5,
        {"frozen": (0.0003, 0.005), "batch": (0.03, 0.05)},
        0.1,
        Augment(area=(0.5, 1.0), aspect=(3 / 4, 4 / 3), flip=False),
    )
