"""A gain is paired: it compares what both learnt with the same seed, so that hard tasks do not hide it."""

import pytest

from reports.boards.board import boards
from reports.reading.frame import read
from reports.tables.by_budget import budgets_table, gains_table
from reports.tables.curves import curves


def row_of(table, strategy):
    return next(row for row in table.rows if row["strategy"] == strategy)


def test_a_gain_counts_what_both_learnt_with_the_same_seed(made, tmp_path):
    made(tmp_path, strategies=["finetune"], budgets=["1ep"], seeds=3, infeasible=["faces"],
         error_of=lambda strategy, task, budget, seed: 0.5 - 0.1 * seed)  # fmt: skip
    made(tmp_path, strategies=["filter_pruned"], budgets=["1ep"], seeds=1, error_of=lambda *_: 0.45)
    board = boards(read([tmp_path]))[0]
    row = row_of(gains_table(board), "filter_pruned")
    learnt = len(board.tasks) - 1
    assert row["1ep"] == pytest.approx(0.05)
    assert (row["1ep n"], row["1ep tasks"]) == (learnt, f"({learnt} tasks)")


def test_a_gain_stands_out_where_tasks_differ_more_than_strategies(made, tmp_path):
    def error(strategy, task, budget, seed):
        return 0.1 + 0.1 * task + 0.002 * seed - (0.02 if strategy == "filter_pruned" else 0)

    made(tmp_path, strategies=["finetune", "filter_pruned"], budgets=["0.1ep", "1ep"], seeds=2, error_of=error)
    board = boards(read([tmp_path]))[0]
    gains, errors = gains_table(board), budgets_table(board, curves(board))
    row = row_of(gains, "filter_pruned")
    assert row["1ep low"] > 0
    assert row_of(errors, "filter_pruned")["1ep high"] > row_of(errors, "finetune")["1ep low"]
    assert [column.show(row) for column in gains.columns] == ["filter_pruned", *["+2.0 [+2.0, +2.0]"] * 2]
    assert "finetune" not in {row["strategy"] for row in gains.rows}


def test_without_a_dense_net_there_is_no_gain(made, tmp_path):
    board = boards(read([made(tmp_path, strategies=["filter_pruned"], budgets=["1ep"], seeds=1)]))[0]
    assert gains_table(board).rows == []
