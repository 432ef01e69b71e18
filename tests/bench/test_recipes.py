"""The recipe that ships is the one that the trials in the file choose, on development data alone."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bench.recipes import against, choice, file, middle, unasked
from bench.recipes.file import Row
from bench.recipes.rungs import BODIES, RUNGS, in_order
from bench.recipes.space import RATES, strategy, trials
from bench.recipes.written import LATER, TARGET, put, texts
from harness.config.registry import make
from harness.core.band import BANDS
from harness.learning.recipe import read_recipes
from streams.nevis22.table import entries

COUNT = len(trials())


def one(body: str, trial: int, error: float, *, rung: int = 0, tasks: tuple[str, ...] = ("a", "b", "c")) -> Row:
    """A planted run of the first band, whose tasks err about ``error``."""
    errors = tuple(round(error + 0.01 * place, 4) for place in range(len(tasks)))
    step = RUNGS["under_1k"][rung]
    return Row(
        net="resnet50_half", band="under_1k", rung=rung, seed=step.seed, budget=step.budget, body=body, trial=trial,
        strategy=strategy(body, trials()[trial]), stream="real", fingerprint="0" * 12, flops=1e9, tasks=tasks,
        errors=errors, weights="e" * len(tasks), diverged=0,
    )  # fmt: skip


def climbed(*, best: dict[str, int], apart: float = 0.05) -> list[Row]:
    """Planted runs of all rungs of the first band: trial 5 is good for all, ``best`` better for a body by ``apart``."""
    errors = {body: {trial: 0.5 + 0.001 * trial for trial in range(COUNT)} for body in BODIES}
    for body in BODIES:
        errors[body][5] = 0.3
        if body in best:
            errors[body][best[body]] = 0.3 - apart
    rows: list[Row] = []
    for rung in range(len(RUNGS["under_1k"])):
        for body in BODIES:
            going = choice.goes_on(rows, rung, "under_1k", body)
            rows += [one(body, trial, errors[body][trial], rung=rung) for trial in going]
    return rows


def test_trials_are_the_same_ones_whatever_their_number_and_every_body_can_have_them() -> None:
    assert trials(COUNT + 5)[:COUNT] == trials()
    for options in trials():
        for body in BODIES:
            make("strategies", strategy(body, options))
        if options:
            low, high = RATES[options["optimiser"]][0]
            assert low <= options["lr"] <= high


def test_recipes_are_chosen_on_development_tasks_alone() -> None:
    spread = {entry.name for entry in entries("spread")}
    for rungs in RUNGS.values():
        for rung in rungs:
            assert rung.emulated_seed >= 5
            assert not spread & set(rung.emulated)


def test_a_check_uses_seeds_that_nothing_was_chosen_on_and_comes_last() -> None:
    for rungs in RUNGS.values():
        chosen_on = {rung.seed for rung in rungs if not rung.check}
        assert not chosen_on & {rung.seed for rung in rungs if rung.check}
    order = [RUNGS[band][rung].check for band, rung in in_order(BANDS)]
    assert order == sorted(order)


def test_the_best_of_all_bodies_goes_on_and_is_chosen_beside_the_best_of_a_body_and_the_competent_one() -> None:
    rows = climbed(best={"dense": 7})
    assert choice.goes_on(rows, 0, "under_1k", "dense") == list(range(COUNT))
    assert set(choice.goes_on(rows, 2, "under_1k", "dense")) == {5, 7, choice.COMPETENT}
    (found,) = choice.chosen(rows, "resnet50_half")
    assert (found.trial, found.own["dense"], found.own["ot_fused(flops=0.5)"]) == (5, 7, 5)


@pytest.mark.parametrize(("apart", "own"), [(0.05, {"dense": 7}), (0.005, {})])
def test_a_body_gets_a_recipe_of_its_own_where_that_of_all_costs_it_more_than_a_point(apart, own) -> None:
    (found,) = choice.chosen(climbed(best={"dense": 7}, apart=apart), "resnet50_half")
    assert found.apart == own


def test_regret_is_what_the_best_of_each_body_would_have_saved() -> None:
    rows = climbed(best={"dense": 7})
    # Of five bodies, one would have erred five points less.
    assert choice.regret(rows, "under_1k", 5).mean == pytest.approx(0.01)
    assert choice.difference(choice.checks(rows, "under_1k"), 5, choice.COMPETENT).mean == pytest.approx(0.3 - 0.501)


def test_the_file_gives_back_its_rows(tmp_path: Path) -> None:
    rows = [one("dense", 3, 0.25), replace(one("ot_fused(flops=0.5)", 1, 0.125), weights="esa", diverged=2)]
    file.write(rows, tmp_path / "trials.csv")
    assert sorted(file.read(tmp_path / "trials.csv"), key=lambda row: row.case) == sorted(
        rows, key=lambda row: row.case
    )


def test_what_is_chosen_is_written_beside_the_other_recipes_and_again_in_its_place(tmp_path: Path) -> None:
    target = tmp_path / "recipes.toml"
    target.write_text(TARGET.read_text(encoding="utf-8"), encoding="utf-8")
    before = {name: table for name, table in tomllib.loads(target.read_text(encoding="utf-8")).items() if name == "v2"}
    lite0 = [replace(row, net="efficientnet_lite0") for row in climbed(best={})]
    recipes = texts([*climbed(best={"dense": 7}), *lite0], unasked.read(), middle.read())
    put(recipes, target)
    once = target.read_text(encoding="utf-8")
    put(recipes, target)
    assert target.read_text(encoding="utf-8") == once
    assert {name: table for name, table in tomllib.loads(once).items() if name not in recipes} == before
    recipe = read_recipes(once, place="here")["v3"]
    assert recipe.entry(net="any", body="dense", band="to_10k")["lr"] == trials()[7]["lr"]
    assert recipe.entry(net="any", body="ot_fused", band="under_1k")["lr"] == trials()[5]["lr"]


@pytest.mark.parametrize("name", ["v3", "v4"])
def test_the_recipes_that_ship_are_what_the_trials_that_ship_choose(name: str) -> None:
    shipped = tomllib.loads(TARGET.read_text(encoding="utf-8"))
    recipes = texts(file.read(), unasked.read(), middle.read())
    assert shipped[name] == tomllib.loads(recipes[name])[name]
    assert sum(path.stat().st_size for path in (file.TRIALS, unasked.FILE, middle.FILE)) < 350_000


def test_the_way_of_the_middle_band_is_best_on_average_over_tasks_that_every_way_could_pay_for() -> None:
    errors = {"trial 1, end": (0.2, 0.4), "trial 8, dev": (0.3, 0.2), "trial 8, end": (0.1, None), "start": (0.5, 0.5)}
    rows = [
        {"body": body, "way": way, "seed": 0, "task": task, "error": error, "chosen": "end", "diverged": False}
        for body in middle.BODIES
        for way, by_task in {**errors, "trial 1, dev": (0.3, 0.4)}.items()
        for task, error in zip("ab", by_task, strict=True)
    ]
    dense = next(line for line in middle.report(pd.DataFrame(rows)) if line.startswith("| `dense`"))
    assert middle.choose(pd.DataFrame(rows)) == middle.Way(8, "end"), "b was paid for by three of five alone"
    assert dense.startswith("| `dense` | 0.200 | 0.300 | 0.100 | 0.300 | 0.500 | -10.0 (")


def test_finalists_of_the_middle_band_were_compared_on_development_tasks_and_seeds_that_the_check_leaves_alone() -> (
    None
):
    spread = {entry.name for entry in entries("spread")}
    assert set(middle.EMULATED) < set(middle.read().task)
    assert not spread & {*middle.EMULATED}
    assert {*middle.SEEDS}.isdisjoint(against.SEEDS)
    assert {way.trial for way in middle.WAYS} < {row.trial for row in file.read() if row.net == middle.NET}
    assert {net for net, _ in LATER} == {middle.NET}


def test_the_chosen_recipe_is_paired_with_the_others_on_the_tasks_that_all_could_pay_for() -> None:
    errors = {
        "finetune": (0.2, 0.3, 0.1),
        "finetune(recipe=v2)": (0.3, 0.4, None),
        "finetune(choose=start)": (0.2, 0.2, 0.9),
    }
    rows = [
        {"strategy": label, "budget": "1ep", "task": task, "seed": seed, "error": error, "chosen": "end"}
        for label, by_task in errors.items()
        for task, error in zip("abc", by_task, strict=True)
        for seed in against.SEEDS
    ]
    line = next(
        line for line in against.table(pd.DataFrame(rows), "resnet50_half") if line.startswith("| `dense` | 1ep")
    )
    assert line.startswith("| `dense` | 1ep | 0.250 | 0.350 | 0.200 | -10.0 (-10.0 to -10.0, n = 2) | +5.0 (")
    assert line.endswith("0 of 9 |")


@pytest.mark.parametrize(("rose", "best", "steady"), [((9, 0, 0), "steady", "0.100"), ((0, 0, 9), "average", "0.250")])
def test_what_is_kept_unasked_is_best_on_average_over_tasks_that_every_way_could_pay_for(rose, best, steady) -> None:
    labels = {"end": "finetune(choose=end)", "average": "finetune(choose=average)", "start": "finetune(choose=start)"}
    errors = {"end": (0.4, 0.2, 0.3, 0.0), "average": (0.3, 0.1, 0.1, None), "start": (0.1, 0.1, 0.35, 0.9)}
    tasks = pd.DataFrame([
        {"strategy": labels[kept], "budget": "1ep", "task": task, "seed": 0, "error": error, "loss_first": 1.0,
         "loss_max": loss, "status": "done"}
        for kept, by_task in errors.items()
        for task, error, loss in zip("abcd", by_task, (*rose, 0), strict=True)
    ])  # fmt: skip
    rows = unasked.rows(tasks, "resnet50_half")
    assert unasked.choose(rows, "resnet50_half") == best
    assert any(f"| 0.183 | 0.300 | 0.167 | {steady} |" in line for line in unasked.report(rows))


def test_the_less_a_loss_may_rise_the_more_trainings_keep_their_start() -> None:
    rows = pd.DataFrame([
        {"net": "resnet50_half", "body": "dense", "kept": kept, "budget": "1ep", "seed": 0, "task": "a", "error": error,
         "loss_first": 1.0, "loss_max": 1.3, "diverged": False}
        for kept, error in {"start": 0.1, "average": 0.3, "end": 0.4}.items()
    ])  # fmt: skip
    swept = [line.split("|")[1:4] for line in unasked.sweep(rows)[2:]]
    for rise, error, kept in swept:
        keeps = float(rise.split()[0]) < 1.3
        assert (float(error), kept.strip()) == ((0.1, "100 %") if keeps else (0.3, "0 %"))


def test_what_is_kept_unasked_was_chosen_on_development_tasks_and_checked_on_other_seeds() -> None:
    spread = {entry.name for entry in entries("spread")}
    assert set(unasked.EMULATED) < set(unasked.read().task)
    assert not spread & {*unasked.EMULATED, *against.EMULATED}
    assert {*unasked.SEEDS}.isdisjoint(against.SEEDS)
