"""Forgetting is what the last re-test takes from the first test; nets that are kept apart cannot forget."""

import numpy as np
import pytest

from harness.storage.records import line_of, read_log
from reports.boards.board import boards
from reports.reading.frame import read
from reports.tables.forgetting import accuracy_tables, backward_transfer, forgetting, forgetting_table


def test_backward_transfer_divides_by_all_tasks_but_the_last():
    own, final = np.array([0.2, 0.3, 0.4]), np.array([0.5, 0.2, 0.4])
    assert backward_transfer(own, final) == pytest.approx((-0.3 + 0.1) / 2)
    assert forgetting(own, final) == pytest.approx(0.1)


def test_a_net_that_does_not_change_forgets_nothing():
    assert forgetting(np.array([0.2, 0.3]), np.array([0.2, 0.3])) == 0


def test_the_re_tests_before_the_last_learn_line_are_found(one, tmp_path):
    folder = one(tmp_path, "finetune(init=previous)", "1ep", 0)
    records = read_log(folder / "events.jsonl").records
    own = {r["task"]: r for r in records if r["event"] == "eval" and r["metric"] == "error"}
    last = records[-1]["task"]
    again = [{**r, "after": last, "value": r["value"] + 0.1} for name, r in own.items() if name != last]
    (folder / "events.jsonl").write_text("".join(map(line_of, [*records[:-1], *again, records[-1]])))
    frames = read([tmp_path])
    frame = forgetting_table(boards(frames)[0], frames).frame
    assert frame["forgetting"].iloc[0] == pytest.approx(0.1)
    assert frame["n"].iloc[0] == 7
    (matrix,) = accuracy_tables(boards(frames)[0], frames)
    first, end = matrix.frame["uci_digits"]
    assert first - end == pytest.approx(0.1)
    assert list(matrix.frame["when"]) == ["right after learning it", f"after {last}"]
    # The re-tests change no task's own error.
    assert frames.tasks["error"].iloc[0] == own["uci_digits"]["value"]


def test_strategies_that_keep_their_nets_are_not_in_the_table(results):
    frames = read([results])
    assert forgetting_table(boards(frames)[0], frames).frame.empty


def test_a_net_that_starts_from_the_last_one_is_beside_learning_alone_and_forgets_nothing(one, facts, tmp_path):
    def error(strategy, task, budget, seed):
        # The start at the last task's weights is worth 5 points, but for the first task, which has none.
        return 0.4 + 0.01 * seed - (0.05 if "previous" in strategy and task else 0)

    for strategy in ("finetune", "finetune(init=previous)", "ridge"):
        for seed in range(2):
            one(tmp_path, strategy, "1ep", seed, error_of=error)
    frames = read([tmp_path])
    frame = forgetting_table(boards(frames)[0], frames).frame.set_index("strategy")
    assert set(frame.index) == {"finetune", "finetune(init=previous)"}
    mine = frame.loc["finetune(init=previous)"]
    assert mine["forward"] == pytest.approx(0.05)
    assert mine["forgetting"] == 0
    assert mine["final"] == mine["own"]
    spent = frames.tasks[(frames.tasks["label"] == "finetune") & (frames.tasks["seed"] == 0)]["flops"].sum()
    assert mine["alone_flops"] == pytest.approx(spent) == frame.loc["finetune", "flops"]
