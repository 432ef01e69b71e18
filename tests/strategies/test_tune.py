"""A search is paid for, finds the rate that learns, and leaves no trace in what is learnt."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.config.registry import make
from harness.conformance.promises import conformance
from harness.core.errors import UserError
from harness.learning.context import Context
from harness.learning.recipe import RATES, LearnerRecipe
from harness.learning.training import Diverged
from strategies import compute_optimal
from strategies.compute_optimal import Rule
from strategies.learners import finetune, recipes

Start = Callable[..., Any]
TINY: dict[str, Any] = {"backbone": "tiny:net", "size": 16}


def test_a_search_is_charged_and_stays_in_its_share(run: Start) -> None:
    learnt = run("tune(strategy='finetune(scope=head)', rates=[0.01, 3.0], search_share=0.4)", epochs=2, **TINY).learn()
    meter = learnt.meter
    assert 0.3 * meter.flops_budget < meter.flops["search"] <= 0.4 * meter.flops_budget
    assert 0.98 * meter.flops_budget < meter.spent_flops <= meter.flops_budget * (1 + 1e-9)


def test_of_two_rates_the_one_that_learns_is_found(run: Start) -> None:
    for rates in ("[0.001, 100.0]", "[100.0, 1000000.0]"):
        one = run(f"tune(strategy=finetune(recipe=v1), rates={rates})", epochs=8, **TINY)
        one.ctx.meter = one.meter
        with one.meter:
            found = one.strategy._found(one.task.for_learning(), one.ctx)
        settled = found.settled(statistics_hold=True)
        assert (settled.lr, settled.head_lr) == tuple(pytest.approx(100 * rate) for rate in RATES["frozen"])


def test_what_is_learnt_after_the_search_is_what_the_winner_learns_alone(run: Start) -> None:
    tuned = run("tune(strategy=finetune(recipe=v1), rates=[1.0, 0.0001])", epochs=1.5, **TINY).learn()
    alone = run("finetune(recipe=v1)", epochs=1.5, **TINY)
    alone.meter.flops_budget = tuned.meter.flops_budget - tuned.meter.flops["search"]
    alone.learn()
    weights = (one.net.state_dict() for one in (alone.strategy, tuned.strategy._tuned))
    for expected, found in zip(*(each.values() for each in weights), strict=True):
        torch.testing.assert_close(found, expected)


def test_without_the_means_to_search_its_own_rates_are_taken(run: Start) -> None:
    learnt = run("tune", epochs=0.1, **TINY).learn()
    assert learnt.meter.flops["search"] == 0
    assert learnt.strategy._tuned.recipe == LearnerRecipe()


@pytest.mark.parametrize("spec", ["finetune(init=previous)", "finetune(init=nearest)", "linear_probe(epochs=2)"])
def test_trials_leave_no_trace_from_task_to_task(spec: str) -> None:
    for answer in conformance(f"tune(strategy={spec!r}, rates=[0.5, 1.0])", stream="tiny:bars", budget="4ep", **TINY):
        assert answer.holds, answer


def test_trials_are_trained_by_the_recipe_of_the_run_they_choose_for(
    run: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, looked_up = set(), recipes.settled

    def settled(recipe: LearnerRecipe, net: Any, ctx: Context, **known: Any) -> Any:
        shown.add(recipes.images_shown(net, ctx))
        return looked_up(recipe, net, ctx, **known)

    monkeypatch.setattr(finetune, "settled", settled)
    run("tune(strategy=finetune, rates=[0.5, 1.0])", epochs=1.5, **TINY).learn()
    assert len(shown) == 1


def test_a_tuned_rate_is_not_taken_to_the_next_task_where_training_diverges(run: Start) -> None:
    ruined = "finetune(recipe=v1, scope=head, lr=1e30, head_lr=1e30)"
    one = run(f"tune(strategy={ruined!r}, rates=[0.5, 0.7])", epochs=2, **TINY)
    with pytest.raises(Diverged):
        one.learn()
    assert one.strategy._tuned.recipe.rate == 1.0


def test_a_trial_of_compute_optimal_is_of_the_net_that_is_trained_and_undone(
    run: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute_optimal, "fitted", lambda _: Rule((0.1, 1.5), (0.5, 1.0), (0.5, 1.0)))
    spec = "tune(strategy='compute_optimal(family=ot)', rates=[0.5, 1.0])"
    small: dict[str, Any] = {"backbone": "timm:test_resnet(weights=none)", "size": 32}
    learnt = run(spec, epochs=1.5, **small).learn()
    assert set(learnt.strategy._tuned._made) == {1.0}
    monkeypatch.setattr(compute_optimal, "fitted", lambda _: Rule((1.0,), (0.5,), (0.5, 1.0)))
    learnt = run(spec, epochs=0.5, **small).learn()
    assert learnt.strategy.state() == {"paid": [0.5]}, "who goes on from here pays for what the first run would pay"


def test_the_key_knows_the_options_of_what_is_tuned() -> None:
    assert make("strategies", "tune(strategy='finetune(scope=all)')").version == make("strategies", "tune").version
    assert make("strategies", "tune(strategy='finetune(scope=norm)')").version != make("strategies", "tune").version


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("tune(strategy=ncm)", "no learning rate"),
        ("tune(strategy=avalanche)", "no trial can be undone"),
        ("tune(rates=[1.0])", "two or more"),
        ("tune(search_share=1.0)", "between 0 and 1"),
        ("tune(strategy=finetun)", "did you mean 'finetune'"),
    ],
)
def test_what_cannot_be_tuned_is_said(spec: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        make("strategies", spec)
