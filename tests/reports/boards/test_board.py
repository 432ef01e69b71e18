"""What is compared with what: clusters of tasks, seeds that are one, kin of the pretraining, marks of a score."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from harness.core.task import Kind, Phase, Provenance, Task
from reports.boards.anchors import anchors, base_stream
from reports.boards.answer import answers
from reports.boards.board import boards
from reports.boards.kin import pretraining_kin
from reports.reading.frame import read


def task(**changes):
    fixed: dict[str, Any] = {"name": "a", "year": 2000, "domain": "x", "kind": Kind.BINARY, "num_classes": 2,
             "provenance": Provenance.REAL, "phase": Phase.DEVELOPMENT, "load": lambda split: None}  # fmt: skip
    return Task(**(fixed | changes))


def test_a_task_names_its_family_and_is_its_own_by_itself():
    assert task().facts()["family"] == "a"
    assert task(family="digits").facts()["family"] == "digits"


def test_the_family_of_a_task_changes_no_fingerprint():
    from harness.core.stream import Stream

    assert Stream("s", "1", (task(),)).fingerprint() == Stream("s", "1", (task(family="f"),)).fingerprint()


def test_old_records_of_the_tasks_that_ship_are_read_as_if_they_named_their_families():
    from harness.config.suite import opened
    from reports.reading.unrecorded import family_of

    for stream in ("nevis-mini", "nevis22"):
        tasks = list(opened(stream))
        for one, other in itertools.combinations(tasks, 2):
            now = bool(one.family) and one.family == other.family
            assert (family_of(one.name) == family_of(other.name)) == now, (one.name, other.name)


def test_clusters_are_families_on_record_or_of_the_table(made, facts, tmp_path):
    tasks = [{**facts[0]}, {**facts[2]}, {**facts[3], "family": "portraits"}, {**facts[4], "family": "portraits"}]
    board = boards(read([made(tmp_path, strategies=["finetune"], budgets=["1ep"], seeds=1, tasks=tasks)]))[0]
    assert board.clusters == ["digits", "digits", "portraits", "portraits"]


def test_seeds_that_change_nothing_count_once(made, tmp_path):
    made(tmp_path, strategies=["ridge"], budgets=["1ep"], seeds=5, error_of=lambda s, task, b, seed: 0.1 * task)
    made(tmp_path, strategies=["finetune"], budgets=["1ep"], seeds=5)
    board = boards(read([tmp_path]))[0]
    assert board.unchanging == {("ridge", "1ep")}
    assert (board.estimate("ridge", "1ep").n, board.estimate("finetune", "1ep").n) == (8, 40)


def test_a_pretraining_task_whose_kin_is_evaluated_is_said(made, tmp_path):
    pretraining = {"stream": "nevis22(tasks=[semeion, brodatz], seed=2)", "tasks": 2}
    made(tmp_path, strategies=["finetune"], budgets=["1ep"], seeds=1, pretraining=pretraining)
    board = boards(read([tmp_path]))[0]
    assert pretraining_kin(board) == ["uci_digits", "mnist_5k"]


def test_the_net_of_the_reference_results_has_seen_digits(made, tmp_path):
    weights = "17837f4b35043ce56d2de8051dacea142e1406e7b8011a9b6a1775a9aa2ec69e"
    made(tmp_path, strategies=["finetune"], budgets=["1ep"], seeds=1, setting={"weights_hash": weights})
    assert pretraining_kin(boards(read([tmp_path]))[0]) == ["uci_digits", "mnist_5k"]


def test_chance_of_an_imbalanced_task_is_the_constant_prediction(made, facts, tmp_path):
    from harness.storage.records import line_of, read_log

    made(tmp_path, strategies=["finetune"], budgets=["1ep"], seeds=1, tasks=facts[5:7])
    tasks = boards(read([tmp_path]))[0].tasks.set_index("task")["chance"]
    assert tasks["solar_cell_defect"] == 0.3143
    for log in tmp_path.rglob("events.jsonl"):
        records = read_log(log).records
        constant = [
            {**r, "metric": "constant_error", "value": 0.2} for r in records if r.get("metric") == "cross_entropy"
        ]
        log.write_text("".join(map(line_of, [constant[0], *records[:3], constant[1], *records[3:]])))
    assert boards(read([tmp_path]))[0].tasks["chance"].tolist() == [0.2, 0.2]


def test_the_best_known_error_is_found_whatever_the_cap_on_training_images():
    assert base_stream("capped(stream='nevis-mini(tasks=[uci_digits])', train=600)") == "nevis-mini"


def test_a_score_does_not_move_with_who_takes_part(made, tmp_path):
    from reports.tables.curves import curves

    made(tmp_path, strategies=["ridge", "finetune"], budgets=["1ep"], seeds=2)
    before = curves(boards(read([tmp_path]))[0]).set_index("strategy").loc["finetune", "between"]
    made(tmp_path, strategies=["knn"], budgets=["1ep"], seeds=2, error_of=lambda *_: 0.999)
    made(tmp_path, strategies=["ncm"], budgets=["1ep"], seeds=2, error_of=lambda *_: 0.0)
    board = boards(read([tmp_path]))[0]
    assert curves(board).set_index("strategy").loc["finetune", "between"] == pytest.approx(before, nan_ok=True)
    ends = anchors(board)
    assert ends.best[0] == 0.0213
    assert math.isnan(ends.best[1])
    assert np.isfinite(ends.frozen).all()


def board_at(made, folder, *parts):
    for strategies, budgets, seeds, more in parts:
        made(folder, strategies=strategies, budgets=budgets, seeds=seeds, **more)
    return boards(read([folder]))[0]


def apart(strategy, task, budget, seed):
    return 0.3 + 0.1 * (strategy == "finetune") + 0.01 * seed * (-1) ** task + 0.001 * seed * (strategy == "ridge")


def test_a_leader_that_is_sure_at_one_budget_and_of_one_seed_at_the_next_is_said(made, tmp_path):
    more = {"error_of": apart}
    both = ["ridge", "finetune"]
    board = board_at(made, tmp_path, (both, ["0.3ep"], 3, more), (both, ["1ep"], 1, more))
    (found,) = answers(board)
    assert found.sure == ("best", "unknown")
    assert "surely ahead of every other that has two seeds or more at 0.3 epochs, else from one seed" in str(found)


def test_every_budget_means_those_too_at_which_nobody_could_pay_for_enough(made, facts, tmp_path):
    lost = {"infeasible": [task["name"] for task in facts[:4]], "error_of": apart}
    board = board_at(made, tmp_path, (["ridge"], ["0.1ep"], 2, lost), (["ridge"], ["0.3ep", "1ep"], 2, {}))
    (found,) = answers(board)
    assert found.where == "At 0.3 and 1 epochs"


def test_two_seeds_that_differ_by_the_same_are_not_called_one_seed(made, tmp_path):
    def level(strategy, task, budget, seed):
        return 0.3 + 0.1 * (strategy == "finetune") + 0.01 * seed

    board = board_at(made, tmp_path, (["ridge", "finetune"], ["1ep"], 2, {"error_of": level}))
    (found,) = answers(board)
    assert found.how.endswith("without an interval, so how sure that is cannot be said")
