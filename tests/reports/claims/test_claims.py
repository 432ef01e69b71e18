"""Verdicts follow what is planted: an effect is found, its absence refutes, and too little data says inconclusive."""

import json
import math
import re
import shlex
import zlib
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import numpy as np
import pytest

from harness.config.notation import parse
from harness.storage.records import line_of, read_log
from reports.boards.board import boards
from reports.boards.evidence import cross_fitted, pick, side_by_side
from reports.claims.needed import needed
from reports.claims.verdict import Finding, alone
from reports.claims.verdicts import claims, claims_table, code_digest, evaluate_claim, rules
from reports.reading.frame import read
from reports.statistics.student import HERE, LIKE, Estimate


def noise(*names, size=0.004):
    return size * float(np.random.default_rng(zlib.crc32(repr(names).encode())).standard_normal())


def board_of(made, folder, strategies, error, *, budgets=("0.1ep", "0.3ep", "1ep"), seeds=3, **more):
    def planted(strategy, task, budget, seed):
        written = parse(strategy)
        return error(written, task, budgets.index(budget)) + noise(strategy, task, budget, seed)

    made(folder, strategies=strategies, budgets=budgets, seeds=seeds, error_of=planted, **more)
    return boards(read([folder]))[0]


class Answer(NamedTuple):
    """A finding with its verdict on tasks like these and on these tasks, as if it were the only one asked."""

    verdict: str
    here: str
    said: str
    estimate: Estimate | None
    cells: Sequence[tuple[str, str]]
    finding: Finding


def finding(board, name):
    one = evaluate_claim(next(claim for claim in claims() if claim.id == name), board)
    quantity = one.quantity
    return Answer(alone(one, LIKE), alone(one, HERE), one.text, quantity.here if quantity else None, one.cells, one)


def test_every_claim_has_a_test_a_threshold_and_a_source():
    ids = ["C1", "C1b", "C1c", *(f"C{i}" for i in range(2, 13)), "IF1", "IF2", "IF3"]
    assert [claim.id for claim in claims()] == ids
    for claim in claims():
        module, _, function = claim.test.partition(":")
        assert callable(getattr(import_module(f"reports.claims.{module}"), function))
        assert claim.refuted_if
        assert claim.address.startswith("https://")


def test_a_change_of_the_test_code_is_a_new_version():
    assert rules().code == code_digest(), (
        "rules or test code of claims changed: raise `version` in claims.toml, of the rules or of the claim, say in "
        "`changed` what and when, and write the new digest behind `code`"
    )


def lead(size):
    """Filter pruning ahead of dense by ``size`` at the two budgets of under 1,000 images, and behind at the third."""

    def error(written, task, budget):
        base = 0.6 - 0.03 * task - 0.1 * (budget == 2)
        return base - (size if budget < 2 else -0.05) * (written.name == "filter_pruned")

    return error


@pytest.mark.parametrize(
    ("size", "verdict", "said"),
    [(0.2, "supported", "+40%"), (0.05, "refuted", "+10%"), (0.1, "inconclusive", "+20%"), (-0.1, "refuted", "points")],
)  # fmt: skip
def test_the_low_compute_gain_is_judged_by_direction_and_by_size(made, tmp_path, size, verdict, said):
    found = finding(board_of(made, tmp_path, ["finetune", "filter_pruned(keep=0.5)"], lead(size)), "C1")
    assert found.verdict == verdict
    assert said in found.said
    assert found.estimate.value == pytest.approx(size, abs=0.01)
    assert {budget for _, budget in found.cells} == {"0.1ep", "0.3ep"}


def test_each_band_of_training_images_is_asked_for_itself(made, tmp_path):
    board = board_of(made, tmp_path, ["finetune", "filter_pruned(keep=0.5)"], lead(0.2))
    assert [board.band(budget) for budget in board.budgets] == ["under_1k", "under_1k", "to_10k"]
    assert [finding(board, name).verdict for name in ("C1", "C1b")] == ["supported", "refuted"]
    assert {budget for _, budget in finding(board, "C1b").cells} == {"1ep"}
    assert "10,000 or more training images" in evaluate_claim(next(c for c in claims() if c.id == "C1c"), board).text


def test_tasks_that_the_dense_net_cannot_pay_for_do_not_keep_the_others_from_a_verdict(made, tmp_path):
    budgets = ("0.1ep", "0.3ep", "1ep")
    lost = ["font_glyphs"]
    made(tmp_path, strategies=["finetune"], budgets=budgets[:2], seeds=3, infeasible=lost,
         error_of=lambda strategy, task, budget, seed: 0.6 + noise(task, seed))  # fmt: skip

    def error(written, task, budget):
        return 0.6 - (0.2 if written.name == "filter_pruned" and budget < 2 else 0)

    made(tmp_path, strategies=["finetune"], budgets=budgets[2:], seeds=3,
         error_of=lambda strategy, task, budget, seed: 0.6 + noise(task, seed))  # fmt: skip
    found = finding(board_of(made, tmp_path, ["filter_pruned(keep=0.5)"], error, budgets=budgets), "C1")
    assert found.verdict == "supported"
    assert found.estimate.tasks == 8 - len(lost)
    assert found.estimate.value == pytest.approx(0.2, abs=0.01)


def test_a_task_counts_at_the_budgets_where_both_learnt_it(made, tmp_path):
    def flat(error):
        return lambda strategy, task, budget, seed: error[strategy.partition("(")[0], budget]

    error = flat({("finetune", "0.1ep"): 0.6, ("finetune", "1ep"): 0.6,
                  ("filter_pruned", "0.1ep"): 0.5, ("filter_pruned", "1ep"): 0.4})  # fmt: skip
    made(tmp_path, strategies=["finetune"], budgets=["0.1ep"], seeds=2, infeasible=["faces"], error_of=error)
    made(tmp_path, strategies=["finetune"], budgets=["1ep"], seeds=2, error_of=error)
    made(tmp_path, strategies=["filter_pruned"], budgets=["0.1ep", "1ep"], seeds=2, error_of=error)
    board = boards(read([tmp_path]))[0]
    budgets, (dense, pruned) = side_by_side(board, "finetune", "filter_pruned")
    gains = dict(zip(board.tasks["task"], (dense - pruned).mean(axis=1), strict=True))
    assert budgets == ["0.1ep", "1ep"]
    assert gains.pop("faces") == pytest.approx(0.2)
    assert list(gains.values()) == pytest.approx([0.15] * len(gains))


def test_budgets_of_two_units_stand_in_the_order_of_what_they_pay_for(made, tmp_path):
    """Between 0.3 and 3 epochs lies 2e11 FLOPs: each budget counts, and none with less than nothing."""
    budgets = ("0.3ep", "2e11flops", "3ep")
    ahead = dict(zip(budgets, (0.02, -0.03, 0.02), strict=True))

    def error(strategy, task, budget, seed):
        return 0.4 - (ahead[budget] if strategy.startswith("filter") else 0)

    made(tmp_path, strategies=["finetune", "filter_pruned"], budgets=sorted(budgets), seeds=2, error_of=error)
    board = boards(read([tmp_path]))[0]
    assert board.budgets == budgets
    used, (dense, pruned) = side_by_side(board, "finetune", "filter_pruned")
    assert used == list(budgets)
    assert (dense - pruned).mean() == pytest.approx((0.02 - 0.03) / 2)


def test_a_keep_ratio_is_chosen_on_other_tasks_than_it_is_scored_on(made, tmp_path):
    def error(written, task, budget):
        # On each task another keep-ratio is lucky; none is better on the whole.
        lucky = {0.5: 0, 0.25: 1}.get(written.options.get("keep"), -1) == task % 2
        return 0.5 - (0.1 if lucky else 0)

    strategies = ["filter_pruned(keep=0.5)", "filter_pruned(keep=0.25)"]
    board = board_of(made, tmp_path, strategies, error, budgets=("1ep",))
    chosen = cross_fitted(board, pick(board, "filter_pruned"), "1ep")
    greedy = np.minimum(*(board.values(label, "1ep") for label in strategies))
    assert greedy.mean() == pytest.approx(0.4, abs=0.01)
    assert chosen.mean() >= 0.45


@pytest.mark.parametrize(("cost", "verdict"), [(0.005, "supported"), (0.05, "refuted"), (0.02, "inconclusive")])
def test_the_asymptotic_cost_counts_only_where_the_dense_net_is_flat(made, tmp_path, cost, verdict):
    def error(written, task, budget):
        return 0.3 + 0.02 * task + (cost if written.name == "filter_pruned" else 0)

    found = finding(board_of(made, tmp_path, ["finetune", "filter_pruned(keep=0.75)"], error), "C2")
    assert found.verdict == verdict


def test_the_asymptotic_cost_is_not_tested_while_compute_still_helps(made, tmp_path):
    found = finding(board_of(made, tmp_path, ["finetune", "filter_pruned(keep=0.75)"], lead(0)), "C2")
    assert found.verdict == "not tested"
    assert "still gains" in found.said


@pytest.mark.parametrize(("gap", "verdict"), [(0.03, "supported"), (0.0, "refuted"), (-0.03, "refuted")])
def test_layouts_are_compared_at_equal_flops(made, tmp_path, gap, verdict):
    def error(written, task, budget):
        return 0.4 - 0.05 * budget + (gap if written.name == "channel_pruned" else 0)

    board = board_of(made, tmp_path, ["filter_pruned(flops=0.45)", "channel_pruned(flops=0.45)"], error)
    found = finding(board, "C3")
    assert found.verdict == verdict
    assert found.estimate.value == pytest.approx(gap, abs=0.005)


def test_selection_is_measured_against_random_of_the_same_ratio_only(made, tmp_path):
    def error(written, task, budget):
        return 0.4 + (0.05 if written.options.get("score") == "random" else 0)

    strategies = [
        "filter_pruned(keep=0.5)",
        "filter_pruned(keep=0.5, score=random)",
        "filter_pruned(keep=0.25, score=random)",
    ]
    found = finding(board_of(made, tmp_path, strategies, error), "C6")
    assert found.verdict == "supported"
    assert {label for label, _ in found.cells} == set(strategies[:2])


def test_the_best_keep_ratio_that_falls_with_the_budget_is_seen(made, tmp_path):
    best = {0: 0.25, 1: 0.5, 2: 1.0}

    def error(written, task, budget):
        keep = written.options.get("keep", 1.0)
        return 0.3 + 0.2 * abs(math.log(keep / best[budget]))

    strategies = ["finetune", "filter_pruned(keep=0.5)", "filter_pruned(keep=0.25)"]
    found = finding(board_of(made, tmp_path, strategies, error), "C9")
    assert found.verdict == "supported"
    assert found.estimate.value == pytest.approx(1)
    flat = finding(
        board_of(made, tmp_path / "b", strategies, lambda written, *_: abs(written.options.get("keep", 1.0) - 0.5)),
        "C9",
    )
    assert flat.verdict == "refuted"


@pytest.mark.parametrize(("size", "verdict"), [(0.004, "inconclusive"), (0.0, "supported")])
def test_two_seeds_of_one_rank_are_certain_only_where_no_seed_changes_anything(made, tmp_path, size, verdict):
    best = (0.25, 0.5, 1.0)
    budgets = ("0.1ep", "0.3ep", "1ep")

    def error(strategy, task, budget, seed):
        keep = parse(strategy).options.get("keep", 1.0)
        apart = 0.2 * abs(math.log(keep / best[budgets.index(budget)]))
        return 0.3 + apart + noise(strategy, task, budget, seed, size=size)

    strategies = ["finetune", "filter_pruned(keep=0.5)", "filter_pruned(keep=0.25)"]
    made(tmp_path, strategies=strategies, budgets=budgets, seeds=2, error_of=error)
    found = finding(boards(read([tmp_path]))[0], "C9")
    assert (found.estimate.value, found.here) == (1, verdict)


def test_a_best_keep_ratio_at_the_end_of_what_was_tried_says_nothing(made, tmp_path):
    strategies = ["finetune", "filter_pruned(keep=0.5)", "filter_pruned(keep=0.25)"]
    edge = finding(board_of(made, tmp_path, strategies, lambda written, *_: written.options.get("keep", 1.0)), "C9")
    assert edge.verdict == edge.here == "inconclusive"
    assert "the least that was tried, 0.25" in edge.said


def test_the_rival_of_pruning_at_low_compute_is_the_best_dense_way_not_finetuning_alone(made, tmp_path):
    def error(written, task, budget):
        base = {"finetune": 0.6, "filter_pruned": 0.4, "ridge": 0.2}[written.name]
        return base + 0.01 * (task % 3)

    found = finding(board_of(made, tmp_path, ["finetune", "ridge", "filter_pruned(keep=0.5)"], error), "C1")
    assert found.verdict == "refuted"
    assert found.estimate.value == pytest.approx(-0.2, abs=0.01)


def test_the_best_of_many_budgets_is_paid_for(made, tmp_path):
    """Where pruning is ahead at one budget of five by chance only, it is not said to beat the probe."""
    budgets = ("0.03ep", "0.1ep", "0.3ep", "1ep", "3ep")

    def error(written, task, budget):
        lucky = 0.02 + 0.05 * ((task * 5) % 7 / 7 - 0.45) if budget == 3 else 0.1 * ((task * 3) % 7 / 7 - 0.5)
        return 0.4 - (lucky if written.name == "filter_pruned" else 0)

    board = board_of(made, tmp_path, ["linear_probe", "filter_pruned(keep=0.5)"], error, budgets=budgets)
    answer = finding(board, "C5")
    lone = max(answer.finding.questions, key=lambda question: question.quantity.like.value)
    assert lone.quantity.like.low > 0
    assert answer.verdict == "inconclusive"
    assert len(answer.finding.questions) == 5


def test_ahead_from_a_budget_on_is_ahead_at_all_later_ones(made, tmp_path):
    ahead = (0.05, -0.05, 0.05)
    board = board_of(made, tmp_path, ["linear_probe", "filter_pruned(keep=0.5)"],
                     lambda written, _, budget: 0.4 - ahead[budget] * (written.name == "filter_pruned"))  # fmt: skip
    assert "ahead of the probe from 1ep on" in finding(board, "C5").said


def test_what_stands_beside_the_probe_is_of_the_budget_that_the_sentence_names(made, tmp_path, facts):
    """Pruning is behind everywhere, least so at 1 epoch: the numbers are those of 1 epoch, which has more seeds."""

    def error(strategy, task, budget, seed):
        ahead = {"0.1ep": -0.05, "1ep": -0.01}[budget] + 0.001 * seed
        return 0.4 - (ahead if strategy.startswith("filter") else 0)

    strategies = ["linear_probe", "filter_pruned(keep=0.5)"]
    made(tmp_path, strategies=strategies, budgets=["0.1ep"], seeds=2, error_of=error)
    made(tmp_path, strategies=strategies, budgets=["1ep"], seeds=3, error_of=error)
    board = boards(read([tmp_path]))[0]
    found = finding(board, "C5")
    assert "at 1ep" in found.said
    assert found.estimate.n == 3 * len(facts)
    assert found.estimate.value == max(q.quantity.here.value for q in found.finding.questions)
    assert re.search(r" at (0\.1|1)ep", needed(found.finding, HERE))


def test_that_random_filters_are_better_shows_as_well_that_it_matters_which_are_kept(made, tmp_path):
    def error(written, task, budget):
        return 0.4 - (0.05 if written.options.get("score") == "random" else 0)

    strategies = ["filter_pruned(keep=0.5)", "filter_pruned(keep=0.5, score=random)"]
    assert finding(board_of(made, tmp_path, strategies, error), "C6").verdict == "supported"


@pytest.mark.parametrize(("dense", "verdict"), [(0.5, "supported"), (0.2, "not tested")])
def test_weights_are_credited_only_with_a_gain_that_is_there(made, tmp_path, dense, verdict):
    def error(written, task, budget):
        if written.name == "finetune":
            return dense
        return 0.6 if written.options.get("init") == "scratch" else 0.4

    strategies = ["finetune", "filter_pruned(keep=0.5)", "filter_pruned(keep=0.5, init=scratch)"]
    found = finding(board_of(made, tmp_path, strategies, error), "C7")
    assert found.verdict == verdict
    assert verdict != "not tested" or "no gain that could need them" in found.said


@pytest.mark.parametrize(("other", "verdict"), [("aa", "supported"), ("bb", "refuted")])
def test_zero_shot_pruning_keeps_the_same_with_every_seed_and_budget(made, tmp_path, other, verdict):
    """What is asked is what was kept, not the ledger of the harness."""
    made(tmp_path, strategies=["filter_pruned(keep=0.5)"], seeds=2)
    assert finding(boards(read([tmp_path]))[0], "C10").verdict == "not tested"
    for log in tmp_path.rglob("events.jsonl"):
        name = other if "seed1" in str(log) else "aa"
        records = [r | ({"prepared": name} if r.get("index") == 0 else {}) for r in read_log(log).records]
        log.write_text("".join(map(line_of, records)))
    assert finding(boards(read([tmp_path]))[0], "C10").verdict == verdict


def test_budgets_are_no_seeds_where_time_is_measured(results):
    board = boards(read([results]))[0]
    assert finding(board, "C12").estimate.n == len(board.tasks) * len(board.seeds)


def test_only_seeds_that_both_have_are_pairs(made, tmp_path):
    made(tmp_path, strategies=["filter_pruned(flops=0.5)"], seeds=3)
    made(tmp_path, strategies=["ot_fused(flops=0.5)"], seeds=1)
    for log in tmp_path.rglob("events.jsonl"):
        lines = []
        for record in read_log(log).records:
            if record["event"] == "learn":
                lines.append(line_of({"event": "eval", "after": record["task"], "task": record["task"], "n": 50,
                                      "split": "dev_test", "metric": "error_before", "value": 0.5}))  # fmt: skip
            lines.append(line_of(record))
        log.write_text("".join(lines))
    assert finding(boards(read([tmp_path]))[0], "IF1").estimate.n == 8


def test_time_saved_is_the_measured_latency_not_the_flops(results):
    found = finding(boards(read([results]))[0], "C12")
    assert found.estimate.value == pytest.approx(0.4 + 0.6 * (8 * 0.5 + 9 * 0.25) / 17)
    assert found.verdict == "supported"
    assert "of the FLOPs" in found.said


def test_fusion_after_finetuning_is_paired_with_pruning_of_the_same_shape(made, tmp_path):
    def error(written, task, budget):
        return 0.4 + 0.1 * task % 0.3 - (0.02 if written.name == "ot_fused" else 0)

    strategies = ["filter_pruned(keep=0.5)", "ot_fused(keep=0.5)", "ot_fused(keep=0.25)"]
    found = finding(board_of(made, tmp_path, strategies, error), "IF2")
    assert found.verdict == "supported"
    assert found.estimate.value == pytest.approx(0.02, abs=0.003)
    assert {label for label, _ in found.cells} == set(strategies[:2])


@pytest.mark.parametrize(("gain", "verdict"), [(0.05, "supported"), (-0.05, "refuted")])
def test_fusion_without_training_is_judged_by_the_error_right_after(made, tmp_path, gain, verdict):
    made(tmp_path, strategies=["filter_pruned(flops=0.5)", "ot_fused(flops=0.5)"])
    for log in tmp_path.rglob("events.jsonl"):
        before = 0.6 - gain * ("ot_fused" in str(log))
        lines = []
        for record in read_log(log).records:
            if record["event"] == "learn":
                lines.append(line_of({"event": "eval", "after": record["task"], "task": record["task"], "n": 50,
                                      "split": "dev_test", "metric": "error_before", "value": before}))  # fmt: skip
            lines.append(line_of(record))
        log.write_text("".join(lines))
    found = finding(boards(read([tmp_path]))[0], "IF1")
    assert (found.verdict, found.estimate.n) == (verdict, 16)
    assert found.estimate.value == pytest.approx(gain)
    assert {budget for _, budget in found.cells} == {"0.1ep"}


@pytest.mark.parametrize(("growth", "verdict"), [(0.03, "supported"), (-0.03, "refuted")])
def test_what_fusion_gains_is_compared_between_ratios(made, tmp_path, growth, verdict):
    def error(written, task, budget):
        gain = 0.02 + (growth if written.options["keep"] == 0.25 else 0)
        return 0.4 - (gain if written.name == "ot_fused" else 0)

    strategies = [f"{name}(keep={keep})" for name in ("filter_pruned", "ot_fused") for keep in (0.5, 0.25)]
    found = finding(board_of(made, tmp_path, strategies, error), "IF3")
    assert found.verdict == verdict
    assert found.estimate.value == pytest.approx(growth, abs=0.005)


def test_what_fusion_gains_is_compared_within_one_layout_and_ruler(made, tmp_path):
    """Filters at a keep-ratio, channels at a share of FLOPs: a smaller number of the other is not less kept."""
    kept = ["keep=0.5", "keep=0.4"], ["flops=0.3"]
    strategies = [f"{name}({share})" for share in kept[0] for name in ("filter_pruned", "ot_fused")]
    strategies += [f"channel_pruned({kept[1][0]})", f"ot_fused({kept[1][0]}, layout=channel)"]
    board = board_of(made, tmp_path, strategies, lambda written, *_: 0.4 - 0.02 * (written.name == "ot_fused"))
    found = finding(board, "IF3")
    assert {label for label, _ in found.cells} == set(strategies[:4])
    assert "where 0.4 is kept, fusion gains more than where 0.5 is" in found.said


def test_a_claim_without_its_runs_is_not_tested_and_says_what_it_needs(one, tmp_path):
    one(tmp_path, "finetune", "1ep", 0)
    frame = claims_table(boards(read([tmp_path]))[0]).frame
    assert set(frame["verdict"]) == set(frame["verdict_here"]) == {"not tested"}
    assert frame["said"].str.contains("needs|no run").all()


def test_one_seed_of_one_task_never_gives_a_verdict_of_a_gain(one, tmp_path):
    for strategy in ("filter_pruned(keep=0.5)", "filter_pruned(keep=0.5, score=random)"):
        one(tmp_path, strategy, "1ep", 0, tasks=[{"name": "only", "year": 2000, "domain": "x", "kind": "binary",
            "num_classes": 2, "provenance": "real", "phase": "development",
            "sizes": {"train": 9, "dev": 1, "dev_test": 5, "test": 1}}])  # fmt: skip
    assert finding(boards(read([tmp_path]))[0], "C6").verdict == "inconclusive"


def test_a_verdict_names_its_runs_and_whether_tasks_are_real(results):
    rows = claims_table(boards(read([results]))[0]).frame
    row = rows[(rows["id"] == "IF2") & (rows["on"] == "7 real, 1 emulated")].iloc[0]
    assert row["runs"] == 2 * 3 * 2
    assert len(row["folders"].split("; ")) == row["runs"]
    assert row["tasks"] == "7 real, 1 emulated"


def test_real_tasks_have_verdicts_of_their_own_beside_emulated_ones(results):
    board = boards(read([results]))[0]
    rows = claims_table(board).frame
    alone = rows[(rows["id"] == "IF2") & (rows["provenance"] == "real")].iloc[0]
    assert (alone["on"], alone["tasks"], alone["n"]) == ("7 real", "7 real", 14)
    assert alone["here_estimate"] == finding(board.only("real"), "IF2").estimate.value
    assert alone["estimate"] != rows[rows["id"] == "IF2"]["estimate"].iloc[0]
    # One emulated task alone is no ground for a verdict.
    assert set(rows["provenance"]) == {"", "real"}


def test_the_command_of_a_verdict_makes_just_the_runs_it_rests_on(results):
    from click.testing import CliRunner

    from harness.cli.running import plan

    board = boards(read([results]))[0]
    words = shlex.split(claims_table(board).frame.set_index("id").loc["C6"].iloc[0]["command"])
    assert words[:3] == ["harness", "run", "default"]
    asked = [words[i + 1] for i, word in enumerate(words) if word == "--strategy"]
    assert sorted(asked) == sorted({label for label, _ in finding(board, "C6").cells})
    planned = CliRunner().invoke(plan, [*words[2:], "--json"])
    assert json.loads(planned.stdout)["runs"] == 2 * 3 * 2


def test_the_command_names_the_recipe_that_the_board_has_in_common(made, tmp_path):
    strategies = ["filter_pruned(keep=0.5, recipe=v1)", "filter_pruned(keep=0.5, recipe=v1, score=random)"]
    board = boards(read([made(tmp_path, strategies=strategies, budgets=["1ep"])]))[0]
    assert "filter_pruned(keep=0.5)" in board.labels
    words = shlex.split(claims_table(board).frame.set_index("id").loc["C6"].iloc[0]["command"])
    assert sorted(words[i + 1] for i, word in enumerate(words) if word == "--strategy") == strategies


def test_the_table_says_at_what_level_it_decides(results):
    caption = claims_table(boards(read([results]))[0]).caption
    assert "at most 0.025" in caption
    assert "97.5% interval" in caption
