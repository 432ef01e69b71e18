import pytest

from harness.storage.records import line_of, read_log
from reports.boards.board import boards
from reports.reading.frame import read
from reports.tables.trainings import trainings_table


def with_losses(folder, chosen):
    """Each task of the runs in ``folder`` with losses on record, and whose weights it kept, by place of the task."""
    for log in folder.rglob("events.jsonl"):
        lines = []
        for record in read_log(log).records:
            if record["event"] == "learn":
                record |= {"loss_first": 2.0, "loss_last": 0.5, "loss_max": 2.5, "grad_norm_first": 1.0,
                           "grad_norm_max": 3.0, "chosen": chosen(record["index"])}  # fmt: skip
                if record["index"] == 0:
                    record["status"] = "diverged"
            lines.append(line_of(record))
        log.write_text("".join(lines))


def test_how_many_tasks_kept_their_start_and_how_many_diverged_is_counted(made, tmp_path):
    made(tmp_path, strategies=["finetune"], budgets=["0.1ep"], seeds=2)
    with_losses(tmp_path, lambda index: ["start", "end", "average"][index % 3])
    (row,) = trainings_table(boards(read([tmp_path]))[0]).rows
    assert row["kept the start"] == "6 of 16"
    assert row["kept the average"] == "4 of 16"
    assert row["diverged"] == "2 of 16"
    assert row["band"] == "under 1,000 images"
    assert (row["loss_first"], row["loss_last"]) == pytest.approx((2.0, 0.5))


def test_records_that_tell_of_no_losses_have_no_row(made, tmp_path):
    made(tmp_path, strategies=["finetune"], budgets=["0.1ep"], seeds=1)
    assert trainings_table(boards(read([tmp_path]))[0]).rows == []
