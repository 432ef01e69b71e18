"""Advice, crossings, laws and recovery follow what is planted, and say when the data do not tell."""

import math
import zlib

import numpy as np
import pytest

from harness.config.notation import parse
from harness.core.errors import UserError
from harness.storage.records import line_of, read_log
from reports.boards.board import boards
from reports.reading.frame import read
from reports.statistics.law import fit
from reports.statistics.student import HERE, of_units
from reports.tables.advise import advise
from reports.tables.curves import curves
from reports.tables.optimal import behind_table, crossings, optimal_table
from reports.tables.recovery import payback, recovery_table
from reports.tables.scaling import scaling, scaling_table


def planted(made, folder, strategies, error, **more):
    budgets = ("0.1ep", "0.3ep", "1ep")

    def error_of(strategy, task, budget, seed):
        luck = zlib.crc32(repr((strategy, task, budget, seed)).encode()) % 1000 / 1000
        return error(parse(strategy), task, budgets.index(budget)) + 0.004 * luck

    return made(folder, strategies=strategies, budgets=budgets, seeds=3, error_of=error_of, **more)


def cross(written, task, budget):
    """The probe is better at the lowest budget, the pruned net at the largest, dense never."""
    return 0.3 + {"linear_probe": 0.05, "filter_pruned": 0.1 - 0.07 * budget, "finetune": 0.3}[written.name]


STRATEGIES = ["finetune", "linear_probe", "filter_pruned(keep=0.5)"]


def test_advice_names_the_best_at_the_budget_and_how_far_the_next_is_behind(made, tmp_path):
    planted(made, tmp_path, STRATEGIES, cross)
    [cheap], [dear] = advise([tmp_path], 3e10), advise([tmp_path], 2.8e11)
    assert cheap.sure
    assert "Use linear_probe" in str(cheap)
    assert dear.sure
    assert "Use filter_pruned(keep=0.5)" in str(dear)
    assert dear.sure_like
    assert dear.candidates[1].behind.here.low > 0
    assert dear.candidates[0].strategy == "filter_pruned(keep=0.5)"
    assert dear.n == 24


def test_advice_between_budgets_is_linear_in_ln_c(made, tmp_path):
    planted(made, tmp_path, STRATEGIES, cross)
    table = curves(boards(read([tmp_path]))[0]).set_index(["strategy", "budget"])
    a, b = table.loc[("filter_pruned(keep=0.5)", "0.3ep")], table.loc[("filter_pruned(keep=0.5)", "1ep")]
    middle = math.sqrt(float(a["flops"]) * float(b["flops"]))
    [found] = advise([tmp_path], middle)
    candidate = next(c for c in found.candidates if c.strategy.startswith("filter"))
    assert candidate.error == pytest.approx((a["error"] + b["error"]) / 2)


def test_advice_below_all_budgets_or_between_equals_does_not_tell(made, tmp_path):
    planted(made, tmp_path, STRATEGIES, lambda written, *_: 0.4)
    assert "nothing was run this cheaply" in str(advise([tmp_path], 1e5)[0])
    [level] = advise([tmp_path], 1e11)
    assert not level.sure
    assert "the data do not tell" in str(level)
    [beyond] = advise([tmp_path], 1e15)
    assert not beyond.sure


def test_advice_at_a_budget_rests_on_that_budget_alone(made, tmp_path):
    """Runs stop just below their budget: the next one, of one seed, does not take the seeds away."""
    planted(made, tmp_path, ["finetune", "linear_probe"], lambda w, *_: {"finetune": 0.3, "linear_probe": 0.4}[w.name])
    made(tmp_path, strategies=["finetune"], budgets=["10ep"], seeds=1)
    said = [str(one) for one in advise([tmp_path], None)]
    assert "one seed only" not in said[2]
    assert "Use finetune" in said[2]


def test_what_a_budget_could_not_pay_for_is_no_part_of_its_price(made, tmp_path):
    planted(made, tmp_path, ["finetune"], lambda w, task, budget: 0.5 - 0.1 * budget, infeasible=["mnist_5k"])
    for log in tmp_path.rglob("events.jsonl"):
        records = read_log(log).records
        log.write_text("".join(line_of(r | {"flops": 0} if r.get("status") == "infeasible" else r) for r in records))
    at = curves(boards(read([tmp_path]))[0]).set_index("budget")
    [found] = advise([tmp_path], at["flops"]["0.3ep"])
    assert found.candidates[0].error == pytest.approx(at["error"]["0.3ep"])


def test_advice_at_a_budget_takes_in_those_that_stopped_a_step_before_or_after_it(made, tmp_path):
    planted(made, tmp_path, ["finetune", "filter_pruned(keep=0.5)"], cross)
    table = curves(boards(read([tmp_path]))[0]).set_index(["strategy", "budget"])["flops"]
    for share in (0.99, 1.01):
        [low] = advise([tmp_path], table["finetune", "0.1ep"] * share)
        [high] = advise([tmp_path], table["finetune", "1ep"] * share)
        assert len(low.candidates) == len(high.candidates) == 2
        assert low.sure
        assert high.sure


def test_advice_is_given_for_a_domain(made, tmp_path):
    def by_domain(written, task, budget):
        # Tasks 0, 2 and 4 are text.
        return 0.3 + (0.1 if (written.name == "linear_probe") == (task in (0, 2, 4)) else 0)

    planted(made, tmp_path, STRATEGIES[1:], by_domain)
    [text], [solar] = advise([tmp_path], 1e11, "OCR"), advise([tmp_path], 1e11, "industrial")
    assert "On these tasks: Use filter_pruned" in str(text)
    assert "On these tasks: Use linear_probe" in str(solar)
    assert "On tasks like these the data do not tell: 2 clusters of tasks, fewer than 5" in str(text)
    assert text.sure
    assert not text.sure_like
    with pytest.raises(UserError, match="did you mean 'industrial'"):
        advise([tmp_path], 1e11, "industry")


@pytest.mark.parametrize("flops", [0, -1, math.nan, math.inf])
def test_advice_at_no_budget_is_one_line(results, flops):
    with pytest.raises(UserError, match="above zero"):
        advise([results], flops)


def test_advice_without_results_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no result"):
        advise([tmp_path], 1e9)


def without(made, folder, error, *, lost, budgets=("0.1ep", "0.3ep", "1ep"), strategies=("ridge", "filter_pruned")):
    """``ridge`` could not pay for the tasks ``lost`` at the first budget; all else was learnt."""
    for strategy in strategies:
        for budget in budgets:
            gone = lost if strategy == "ridge" and budget == budgets[0] else ()
            made(folder, strategies=[strategy], budgets=[budget], seeds=3, infeasible=gone,
                 error_of=lambda s, t, b, seed: error(s, t) + 0.001 * ((t * 7 + seed * 3 + len(s)) % 5))  # fmt: skip


def ridge_leads(strategy, task):
    return 0.2 + 0.05 * task + (0.2 if strategy == "filter_pruned" else 0)


def test_one_task_that_cannot_be_paid_for_takes_no_strategy_out_of_the_advice(made, tmp_path):
    without(made, tmp_path, ridge_leads, lost=["font_glyphs"])
    board = boards(read([tmp_path]))[0]
    cost = curves(board).set_index(["strategy", "budget"])["flops"][("filter_pruned", "0.1ep")]
    [found] = advise([tmp_path], cost)
    assert found.candidates[0].strategy == "ridge"
    assert found.sure
    assert found.candidates[1].behind.here.tasks == 7
    assert found.candidates[1].behind.here.value == pytest.approx(0.2, abs=0.002)
    assert optimal_table(board).frame["strategy"].iloc[0] == "ridge"
    front = curves(board).set_index(["strategy", "budget"])["on_front"]
    assert not front["filter_pruned", "0.1ep"]
    assert front["ridge", "0.1ep"]


def test_who_can_pay_for_too_few_tasks_is_listed_apart_and_makes_nobodys_set_smaller(made, tmp_path):
    without(
        made, tmp_path, ridge_leads, lost=["font_glyphs", "faces"], strategies=("ridge", "filter_pruned", "finetune")
    )
    board = boards(read([tmp_path]))[0]
    table = curves(board).set_index(["strategy", "budget"])
    [found] = advise([tmp_path], table["flops"][("finetune", "0.1ep")])
    assert found.apart == (("ridge", 6),)
    assert {one.tasks for one in found.candidates} == {8}
    row = optimal_table(board).frame.iloc[0]
    assert (row["apart"], row["strategies"], row["n"]) == ("ridge", 2, 24)
    assert table.loc[("ridge", "0.1ep"), "apart"]
    assert not table.loc[("ridge", "0.1ep"), "on_front"]


def test_an_unpaid_task_may_count_as_the_constant_prediction(made, tmp_path):
    without(made, tmp_path, ridge_leads, lost=["font_glyphs", "faces"])
    board = boards(read([tmp_path]), unpaid="constant")[0]
    place = {name: place for place, name in enumerate(board.tasks["task"])}
    errors = board.values("ridge", "0.1ep")
    assert errors[place["font_glyphs"]].tolist() == pytest.approx([1 - 1 / 62] * 3)
    assert errors[place["faces"]].tolist() == pytest.approx([0.5] * 3)
    assert board.complete("ridge", "0.1ep")
    assert board.leads["0.1ep"].gaps


def test_equal_strategies_are_not_advised(made, tmp_path):
    random = np.random.default_rng(5)
    noise = {}

    def error(strategy, task, budget, seed):
        return 0.3 + noise.setdefault((strategy, task, seed), 0.05 * random.standard_normal())

    names = ["finetune", "ridge", "knn", "ncm", "linear_probe"]
    made(tmp_path, strategies=names, budgets=["1ep"], seeds=4, error_of=error)
    [found] = advise([tmp_path], 1e13)
    assert not found.sure
    assert not found.sure_like


def test_the_best_at_each_budget_and_the_crossing_between_are_found(made, tmp_path):
    planted(made, tmp_path, STRATEGIES, cross)
    board = boards(read([tmp_path]))[0]
    best = optimal_table(board).frame.set_index("budget")["strategy"]
    assert list(best) == ["linear_probe", "filter_pruned(keep=0.5)", "filter_pruned(keep=0.5)"]
    [crossing] = crossings(board, curves(board))
    assert (crossing.overtakes, crossing.overtaken) == ("filter_pruned(keep=0.5)", "linear_probe")
    table = curves(board).set_index(["strategy", "budget"])["flops"]
    assert table["filter_pruned(keep=0.5)", "0.1ep"] < crossing.flops < table["filter_pruned(keep=0.5)", "0.3ep"]
    behind = behind_table(board).frame.set_index(["budget", "strategy"])
    assert behind.loc[("1ep", "finetune"), "behind"] == pytest.approx(0.34, abs=0.01)
    assert behind["low"][("1ep", "finetune")] > 0


def test_a_power_law_is_found_again():
    x = np.geomspace(1, 1000, 8)
    law = fit([x], 0.1 + 0.5 * x**-0.4)
    assert law.floor == pytest.approx(0.1, abs=0.01)
    assert law.scales[0] == pytest.approx(0.5, abs=0.02)
    assert law.exponents[0] == pytest.approx(0.4, abs=0.02)
    assert law.at(x) == pytest.approx(0.1 + 0.5 * x**-0.4, abs=2e-3)


def test_the_fit_is_as_good_as_scipys():
    from scipy.optimize import curve_fit

    random = np.random.default_rng(0)
    x = np.geomspace(1, 100, 10)
    y = 0.2 + 0.4 * x**-0.7 + 0.01 * random.standard_normal(10)
    theirs, _ = curve_fit(lambda x, a, b, c: a + b * x**-c, x, y, p0=[0.1, 0.5, 0.5], bounds=(0, np.inf))
    best = math.sqrt(np.mean((theirs[0] + theirs[1] * x ** -theirs[2] - y) ** 2))
    assert fit([x], y).residual == pytest.approx(best, rel=0.01)


def test_a_law_of_size_and_examples_predicts_what_it_did_not_see():
    size, share = (a.ravel() for a in np.meshgrid([0.25, 0.5, 1.0], [0.1, 0.3, 1.0, 3.0]))
    error = 0.05 + 0.03 * size**-0.8 + 0.2 * share**-0.5
    law = fit([size, share], error)
    assert law.residual < 2e-3
    expected = 0.05 + 0.03 * 0.7**-0.8 + 0.2 * 2**-0.5
    assert law.at(np.array([0.7]), np.array([2.0]))[0] == pytest.approx(expected, abs=0.01)


def test_the_intervals_of_a_law_hold_the_truth_also_where_noise_is_low():
    """By a grid of exponents they did not: its step was wider than the interval."""
    size, share = (a.ravel() for a in np.meshgrid([0.25, 0.5, 0.75, 1.0], [0.1, 0.3, 1.0, 3.0]))
    truth = np.array([0.05, 0.03, 0.2, 0.8, 0.5])
    error = truth[0] + truth[1] * size ** -truth[3] + truth[2] * share ** -truth[4]
    random, held = np.random.default_rng(0), []
    for _ in range(16):
        units = error[:, None] + 0.0005 * random.standard_normal((len(error), 5))
        law = fit([size, share], units.mean(axis=1))
        ends = [of_units(HERE, row) for row in law.moved([size, share], units)]
        held.append([one.low <= true <= one.high for one, true in zip(ends, truth, strict=True)])
    assert np.mean(held) > 0.85


def test_scaling_needs_three_nets_and_three_budgets(made, tmp_path, results):
    assert scaling(boards(read([results]))[0]) is None
    assert scaling_table(None).frame.empty
    nets = ["finetune", *(f"filter_pruned(keep={keep})" for keep in (0.75, 0.5, 0.25))]
    planted(made, tmp_path, nets, lambda written, task, budget: 0.5 - 0.1 * budget + 0.01 * task)
    found = scaling(boards(read([tmp_path]))[0])
    assert len(found.points) == found.n == 12
    assert found.points["size"].to_numpy()[3] == pytest.approx((8 * 0.75 + 9 * 0.75**2) / 17)
    frame = scaling_table(found).frame
    sure = frame.dropna(subset=["low"])
    assert ((sure["low"] <= sure["value"]) & (sure["value"] <= sure["high"])).all()


def test_predictions_until_a_fusion_has_paid_for_itself():
    assert payback(100, dense=10, mine=5) == 20
    assert payback(100, dense=5, mine=5) == math.inf


def test_recovery_tells_examples_share_and_flops(made, tmp_path):
    def error(written, task, budget):
        return 0.1 if written.name == "finetune" else 0.5 - 0.2 * budget

    planted(made, tmp_path, ["finetune", "filter_pruned(keep=0.5)"], error)
    board = boards(read([tmp_path]))[0]
    row = recovery_table(board, curves(board)).frame.iloc[0]
    assert row["share"] == pytest.approx((8 * 0.5 + 9 * 0.25) / 17)
    table = curves(board).set_index(["strategy", "budget"])["flops"]
    assert table["filter_pruned(keep=0.5)", "0.3ep"] < row["to_flops"] < table["filter_pruned(keep=0.5)", "1ep"]
    assert 0.3 < row["to_share"] < 1 / row["share"]
    assert row["payback"] == pytest.approx(2e7 / (2.0e8 / 3 * (1 - row["share"])), rel=0.01)


def test_an_error_before_and_after_names_the_budget_it_was_taken_at(made, tmp_path):
    made(tmp_path, strategies=["finetune"], budgets=["0.1ep", "0.3ep", "1ep"], seeds=1)
    lost = ["faces", "font_glyphs"]
    made(tmp_path, strategies=["filter_pruned(keep=0.5)"], budgets=["0.1ep"], seeds=1, infeasible=lost)
    made(tmp_path, strategies=["filter_pruned(keep=0.5)"], budgets=["0.3ep"], seeds=1, error_of=lambda *_: 0.4)
    board = boards(read([tmp_path]))[0]
    table = recovery_table(board, curves(board))
    shown = {column.key: column.show(table.rows[0]) for column in table.columns}
    assert (shown["first"], shown["last"]) == ("0.400 at 0.3ep", "0.400 at 0.3ep")


def test_measures_that_runs_recorded_appear_and_the_rest_is_named(made, tmp_path):
    from harness.storage.records import line_of, read_log

    planted(made, tmp_path, ["finetune", "filter_pruned(keep=0.5)"], lambda *_: 0.3)
    for log in tmp_path.rglob("events.jsonl"):
        worst = 0.9 if "filter_pruned" in str(log) else 0.6
        extra = {"metric": "worst_class_error", "value": worst}
        records = read_log(log).records
        more = [[r] + ([r | extra] if r.get("metric") == "cross_entropy" else []) for r in records]
        log.write_text("".join(line_of(r) for pair in more for r in pair))
    board = boards(read([tmp_path]))[0]
    table = recovery_table(board, curves(board))
    assert table.frame["worst_class_error"].iloc[0] == pytest.approx(0.3)
    assert "Not recorded by these runs: error right after, agreement with dense, calibration error" in table.caption
