"""``harness decide`` runs pairs until it is known, goes on from what is there, and says what it would take."""

import json
from pathlib import Path

import pytest

import harness
from harness.cli.deciding import decide
from harness.core.errors import UserError
from harness.core.spec import RunSpec

FAR = {"ridge": 0.3, "finetune": 0.5}


class Planted:
    """Carries runs out by writing what they would have left: folders, keys and records as the engine has them."""

    def __init__(self, one, facts, error, lost=()):
        self.one, self.facts, self.error, self.lost, self.runs = one, facts, error, lost, []

    def __call__(self, specs: list[RunSpec], out: Path) -> None:
        for spec in specs:
            if (out / spec.folder).exists():
                continue
            self.runs.append((spec.strategy, spec.seed))
            made = self.one(
                out / "made", spec.strategy, str(spec.budget), spec.seed, stream=spec.stream, tasks=self.facts,
                fingerprint=spec.fingerprint, error_of=self.error,
                infeasible=self.lost,
            )  # fmt: skip
            content = json.loads((made / "run.json").read_text())
            content["key"], content["spec"]["options"] = spec.key, dict(spec.options)
            (made / "run.json").write_text(json.dumps(content, default=str))
            (out / spec.folder).parent.mkdir(parents=True, exist_ok=True)
            made.rename(out / spec.folder)


@pytest.fixture
def planted(one, facts):
    return lambda error, **more: Planted(one, facts, error, **more)


def noise(strategy, task, budget, seed, size=0.01):
    import zlib

    return size * (zlib.crc32(repr((strategy, task, seed)).encode()) % 1000 / 500 - 1)


def test_a_large_effect_is_known_after_a_few_pairs_and_what_it_cost_is_said(planted, tmp_path):
    carry_out = planted(lambda s, t, b, seed: FAR[s] + 0.02 * t + noise(s, t, b, seed))
    found = decide("ridge", "finetune", out=tmp_path, jobs=2, carry_out=carry_out)
    assert found.look.answer == "first"
    assert found.look.value == pytest.approx(0.2, abs=0.01)
    assert found.look.pairs <= 6
    assert found.flops > 0
    assert len(carry_out.runs) == 2 * found.look.pairs
    text = str(found)
    assert text.startswith("ridge is better than finetune at 1ep.")
    assert "on tasks like these: +20" in text
    assert f"it took {found.look.pairs} pairs" in text


def test_a_second_call_goes_on_from_what_is_there(planted, tmp_path):
    carry_out = planted(lambda s, t, b, seed: 0.3 + noise(s, t, b, seed, 0.2))
    first = decide("ridge", "finetune", out=tmp_path, jobs=2, most_pairs=4, carry_out=carry_out)
    assert not first.known
    assert "would take about" in str(first)
    assert len(carry_out.runs) == 8
    again = decide("ridge", "finetune", out=tmp_path, jobs=2, most_pairs=5, carry_out=carry_out)
    assert len(carry_out.runs) == 10
    assert again.look.pairs == 5


def test_one_strategy_is_compared_with_itself_under_other_seeds(planted, tmp_path):
    carry_out = planted(lambda s, t, b, seed: 0.3 + noise(s, t, b, seed, 0.01))
    found = decide("finetune", "finetune", out=tmp_path, jobs=2, carry_out=carry_out)
    assert found.look.answer == "no difference"
    seeds = [seed for _, seed in carry_out.runs]
    assert sorted(seeds) == list(range(2 * found.look.pairs))
    assert "finetune and finetune with other seeds do not differ by 1 point or more" in str(found)


def test_time_that_is_up_is_said_with_what_it_would_take(planted, tmp_path):
    carry_out = planted(lambda s, t, b, seed: 0.3 + noise(s, t, b, seed, 0.2))
    found = decide("ridge", "finetune", out=tmp_path, jobs=2, at_most=0, carry_out=carry_out)
    assert "would not end within 0 hours" in found.stopped
    assert found.look.wanted > found.look.pairs


def test_a_budget_that_pays_for_too_few_tasks_is_one_line(planted, tmp_path):
    carry_out = planted(lambda *_: 0.3, lost=["faces", "font_glyphs"])
    with pytest.raises(UserError, match="could pay for 75% of the tasks at 1ep"):
        decide("ridge", "finetune", out=tmp_path, jobs=2, carry_out=carry_out)


def test_a_recipe_that_both_share_is_found_and_stands_in_the_answer(planted, tmp_path):
    carry_out = planted(lambda s, t, b, seed: 0.3 + 0.2 * s.startswith("finetune") + noise(s, t, b, seed))
    found = decide("finetune(recipe=v1)", "filter_pruned(flops=0.5, recipe=v1)", out=tmp_path, jobs=2,
                   carry_out=carry_out)  # fmt: skip
    assert found.look.answer == "second"
    assert str(found).startswith("filter_pruned(flops=0.5, recipe=v1) is better than finetune(recipe=v1) at 1ep.")


def test_a_task_at_two_budgets_is_one_task(planted, facts, tmp_path):
    carry_out = planted(lambda s, t, b, seed: FAR[s] + noise(s, t, b, seed))
    found = decide("ridge", "finetune", budgets=["0.3ep", "1ep"], out=tmp_path, jobs=2, carry_out=carry_out)
    assert (found.tasks, found.of_tasks) == (len(facts), len(facts))
    assert "on these tasks (8): " in str(found)


def test_a_margin_below_zero_is_one_line(tmp_path):
    with pytest.raises(UserError, match="above 0"):
        decide("ridge", "finetune", margin=-1, out=tmp_path)


def test_it_is_had_from_the_package():
    assert harness.decide is decide
