"""Forgetting is what the last re-test takes from the first test; nets that are kept apart cannot forget."""

import numpy as np
import pytest

from harness.storage.records import line_of, read_log
from reports.boards.board import boards
from reports.reading.frame import read
from reports.tables.forgetting import backward_transfer, forgetting, forgetting_table


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
    # The re-tests change no task's own error.
    assert frames.tasks["error"].iloc[0] == own["uci_digits"]["value"]


def test_strategies_that_keep_their_nets_are_not_in_the_table(results):
    frames = read([results])
    assert forgetting_table(boards(frames)[0], frames).frame.empty
