"""Run folders become frames: every row in comes out, and nothing on disk makes it fail."""

import json
import math

import pytest

from harness.core.errors import UserError
from harness.storage.records import read_log
from reports.boards.board import boards
from reports.reading.frame import budget_order, read


def test_every_planned_task_of_every_run_has_one_row(results):
    frames = read([results])
    assert len(frames.runs) == 7 * 3 * 2
    assert len(frames.tasks) == 7 * 3 * 2 * 8
    lines = sum(len(read_log(log).records) for log in results.rglob("events.jsonl"))
    assert len(frames.evals) + (frames.tasks["status"] != "missing").sum() == lines
    assert frames.notes == ()


def test_values_come_through_unchanged(one, tmp_path):
    folder = one(tmp_path, "finetune", "0.1ep", 0)
    row = read([tmp_path]).tasks.iloc[2]
    records = read_log(folder / "events.jsonl").records
    error = next(r for r in records if r["event"] == "eval" and r["task"] == "mnist_5k" and r["metric"] == "error")
    learn = next(r for r in records if r["event"] == "learn" and r["task"] == "mnist_5k")
    assert row["error"] == error["value"]
    assert row["n"] == error["n"]
    assert {key: row[key] for key in learn if key not in ("event", "task", "index")} == {
        key: value for key, value in learn.items() if key not in ("event", "task", "index")
    }


def test_a_multilabel_error_is_one_minus_mean_average_precision(one, tmp_path):
    folder = one(tmp_path, "finetune", "0.1ep", 0)
    value = next(
        r["value"] for r in read_log(folder / "events.jsonl").records if r.get("metric") == "mean_average_precision"
    )
    assert read([tmp_path]).tasks.iloc[7]["error"] == 1 - value


def test_tasks_that_were_not_reached_or_not_feasible_stay_in(one, tmp_path):
    one(
        tmp_path, "finetune", "0.1ep", 0, stop_after=3, status="failed", error="ValueError: no", infeasible=["mnist_5k"]
    )
    tasks = read([tmp_path]).tasks
    assert list(tasks["status"]) == ["flops", "flops", "infeasible"] + ["missing"] * 5
    assert tasks["error"].isna().sum() == 6


def test_a_torn_log_keeps_what_came_before_and_says_so(one, tmp_path):
    folder = one(tmp_path, "finetune", "0.1ep", 0)
    log = folder / "events.jsonl"
    log.write_bytes(log.read_bytes()[:-20])
    frames = read([tmp_path])
    assert (frames.tasks["status"] == "missing").sum() == 1
    assert "torn" in frames.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"schema_version": 99}',
        '{"schema_version": 1, "spec": {"seed": "x"}}',
        '{"a": NaN}',
    ],
)
def test_an_unreadable_run_is_counted_and_named(one, tmp_path, text):
    one(tmp_path, "finetune", "0.1ep", 0)
    bad = one(tmp_path, "finetune", "0.1ep", 1)
    (bad / "run.json").write_text(text)
    frames = read([tmp_path])
    assert sorted(frames.runs["status"]) == ["done", "unreadable"]
    assert len(frames.tasks) == 8
    assert str(bad) in frames.notes[0]


def test_binary_rubbish_in_both_files_is_no_traceback(one, tmp_path):
    bad = one(tmp_path, "finetune", "0.1ep", 1)
    (bad / "events.jsonl").write_bytes(bytes(range(256)))
    assert (read([tmp_path]).tasks["status"] == "missing").all()
    (bad / "run.json").write_bytes(bytes(range(256)))
    assert list(read([tmp_path]).runs["status"]) == ["unreadable"]


def test_an_empty_folder_gives_empty_frames_with_all_columns(tmp_path):
    frames = read([tmp_path])
    assert len(frames.runs) == len(frames.tasks) == len(frames.evals) == 0
    assert {"board", "label", "used"} <= set(frames.tasks.columns)
    assert "no run" in frames.notes[0]


def test_a_folder_that_does_not_exist_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"no folder .*nowhere"):
        read([tmp_path / "nowhere"])


def test_one_run_in_two_folders_is_used_once(one, tmp_path):
    for part in "ab":
        one(tmp_path / part, "finetune", "0.1ep", 0)
    frames = read([tmp_path / "a", tmp_path / "b"])
    assert list(frames.runs["used"]) == [True, False]
    assert len(frames.tasks) == 16
    assert "same run" in frames.notes[0]


def test_of_two_copies_of_a_run_the_one_that_got_furthest_is_used(one, tmp_path):
    one(tmp_path / "a", "finetune", "0.1ep", 0, stop_after=3, status="interrupted")
    one(tmp_path / "b", "finetune", "0.1ep", 0)
    one(tmp_path / "c", "finetune", "0.1ep", 0, error_of=lambda *_: 0.5)
    frames = read([tmp_path / "a", tmp_path / "b", tmp_path / "c"])
    assert list(frames.runs["used"]) == [False, True, False]
    assert len(boards(frames)[0].rows) == 8
    assert not boards(frames)[0].rows["error"].isna().any()
    first, second = frames.notes
    assert "the same run as" in first
    assert "it has 3 tasks of the other's 8" in first
    assert second.endswith("its results differ")


def test_one_folder_given_twice_is_read_once(one, tmp_path):
    one(tmp_path, "finetune", "0.1ep", 0)
    assert len(read([tmp_path, tmp_path]).runs) == 1


def test_other_content_of_a_stream_is_another_board_and_another_version_another_line(one, tmp_path):
    one(tmp_path, "finetune", "0.1ep", 0)
    one(tmp_path, "finetune", "0.1ep", 1, strategy_version=2)
    one(tmp_path, "finetune", "0.1ep", 2, fingerprint="e" * 64)
    runs = read([tmp_path]).runs.sort_values("seed")
    assert runs["board"].nunique() == 2
    assert list(runs["label"])[:2] == ["finetune v1", "finetune v2"]


def test_a_record_that_the_plan_does_not_know_is_told(one, tmp_path):
    folder = one(tmp_path, "finetune", "0.1ep", 0)
    run = json.loads((folder / "run.json").read_text())
    run["tasks"] = run["tasks"][:5]
    (folder / "run.json").write_text(json.dumps(run))
    frames = read([tmp_path])
    assert len(frames.tasks) == 5
    assert len(frames.notes) == 3


def test_budgets_sort_by_size_not_by_text():
    assert sorted(["10ep", "2ep", "0.1ep", "1e12flops", "60s"], key=budget_order) == [
        "0.1ep",
        "2ep",
        "10ep",
        "1e12flops",
        "60s",
    ]
    assert budget_order("rubbish")[2] == math.inf


def test_what_trained_by_an_earlier_recipe_says_so_beside_what_trained_by_a_later_one(made, tmp_path):
    def ran(*strategies: str, recipe: str) -> None:
        made(tmp_path, strategies=strategies, budgets=["1ep"], seeds=1, options={"recipe": recipe})

    ran("finetune", "filter_pruned(flops=0.5)", recipe="v9")
    (board,) = boards(read([tmp_path]))
    assert set(board.labels) == {"finetune", "filter_pruned(flops=0.5)"}
    ran("finetune", "channel_pruned(flops=0.5)", recipe="v10")
    (board,) = boards(read([tmp_path]))
    assert set(board.labels) == {
        "finetune", "channel_pruned(flops=0.5)", "finetune(recipe=v9)", "filter_pruned(flops=0.5, recipe=v9)",
    }  # fmt: skip
    assert board.reference == "finetune"
    assert "recipe" not in board.title


@pytest.mark.parametrize(
    ("strategies", "labels", "titled"),
    [
        (["finetune(recipe=v3)", "filter_pruned(flops=0.5, recipe=v3)", "ridge"],
         {"finetune", "filter_pruned(flops=0.5)", "ridge"}, True),
        (["finetune(recipe=v3)", "finetune"], {"finetune(recipe=v3)", "finetune"}, False),
        (["finetune(recipe=v3)", "filter_pruned(flops=0.5, recipe=v2)"],
         {"finetune(recipe=v3)", "filter_pruned(flops=0.5, recipe=v2)"}, False),
    ],
)  # fmt: skip
def test_the_recipe_that_all_share_is_the_boards_and_not_each_labels(strategies, labels, titled, made, tmp_path):
    (board,) = boards(read([made(tmp_path, strategies=strategies, budgets=["1ep"], seeds=1)]))
    assert set(board.labels) == labels
    assert board.title.endswith(", recipe v3") is titled
    assert board.reference == ("finetune" if "finetune" in labels else None)
