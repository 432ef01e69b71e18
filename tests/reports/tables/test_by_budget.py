"""A gain is paired: it compares what both learnt with the same seed, so that hard tasks do not hide it."""

import pytest

from reports.boards.board import boards
from reports.reading.frame import read
from reports.tables.by_budget import budgets_table, gains_tables
from reports.tables.curves import curves


def gains_table(board):
    """The gains on these tasks."""
    return next(iter(gains_tables(board)))


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
        gain = 0.02 + 0.0003 * (seed - 0.5) * (task % 3 - 0.5)
        return 0.1 + 0.1 * task + 0.08 * seed - (gain if strategy == "filter_pruned" else 0)

    made(tmp_path, strategies=["finetune", "filter_pruned"], budgets=["0.1ep", "1ep"], seeds=2, error_of=error)
    board = boards(read([tmp_path]))[0]
    gains, errors = gains_table(board), budgets_table(board, curves(board))
    row = row_of(gains, "filter_pruned")
    assert row["1ep low"] > 0
    like = row_of(list(gains_tables(board))[1], "filter_pruned")
    assert like["1ep low"] > 0
    assert row_of(errors, "filter_pruned")["1ep high"] > row_of(errors, "finetune")["1ep low"]
    assert [column.show(row) for column in gains.columns] == ["filter_pruned", *["+2.0 [+1.9, +2.1]"] * 2]
    assert row["1ep note"] == "n = 16, 8 tasks, 2 seeds"
    assert like["1ep note"] == "n = 16, 8 tasks in 7 clusters, 2 seeds"
    assert "finetune" not in {row["strategy"] for row in gains.rows}


def test_without_a_dense_net_there_is_no_gain(made, tmp_path):
    board = boards(read([made(tmp_path, strategies=["filter_pruned"], budgets=["1ep"], seeds=1)]))[0]
    assert gains_table(board).rows == []


def test_a_mean_over_too_few_tasks_is_not_given_so_that_no_error_rises_with_the_budget(made, tmp_path):
    easy = ["uci_digits", "mnist_5k"]

    def error(strategy, task, budget, seed):
        return {0: 0.2, 2: 0.3}.get(task, 0.8) - (0.1 if budget == "1ep" else 0) + 0.001 * seed

    lost = [name for name in ("photo_textures", "faces", "font_glyphs", "solar_cell_grade", "solar_cell_defect",
                              "attributes") if name not in easy]  # fmt: skip
    made(tmp_path, strategies=["finetune"], budgets=["0.1ep"], seeds=2, infeasible=lost, error_of=error)
    made(tmp_path, strategies=["finetune"], budgets=["1ep"], seeds=2, error_of=error)
    board = boards(read([tmp_path]))[0]
    curve = curves(board)
    over_what_could_be_paid_for = dict(zip(curve["budget"], curve["error"], strict=True))
    assert over_what_could_be_paid_for["0.1ep"] < over_what_could_be_paid_for["1ep"]
    row = row_of(budgets_table(board, curve), "finetune")
    assert (row["0.1ep"], row["0.1ep tasks"]) == (None, "(2 tasks)")
    assert not curve["on_front"].iloc[0]


def test_one_number_has_one_interval_in_figure_table_page_and_terminal(made, tmp_path):
    from reports.figures.style import looks
    from reports.page.chart import chart_data
    from reports.publishing.summary import summary
    from reports.tables.optimal import optimal_table

    made(tmp_path, strategies=["finetune", "ridge"], budgets=["1ep"], seeds=3)
    board = boards(read([tmp_path]))[0]
    curve = curves(board).set_index("strategy")
    table = row_of(budgets_table(board, curves(board)), "ridge")
    data = chart_data(board, curves(board), looks(board.labels), anchor="a")
    cell = next(one for one in data["cells"] if data["labels"][one["label"]]["name"] == "ridge")
    best = optimal_table(board).frame.iloc[0]
    leader = curve.loc[best["strategy"]]
    assert (
        (table["1ep low"], table["1ep high"])
        == (cell["low"], cell["high"])
        == tuple(curve.loc["ridge", ["low", "high"]])
    )
    assert (best["low"], best["high"]) == (leader["low"], leader["high"])
    assert f"[{cell['low']:.3f}, {cell['high']:.3f}]" in summary([tmp_path])
