"""The rule is what its records say, and the less may be spent the smaller the net."""

import itertools
import tomllib
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from harness.compute.flops import flops_forward
from harness.config.registry import make
from harness.core.errors import UserError
from strategies import compute_optimal
from strategies.compute_optimal import Rule

Start = Callable[..., Any]
SMALL: dict[str, Any] = {"backbone": "timm:test_resnet(weights=none)", "size": 32}
FAMILIES = ("filter", "channel", "ot")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rule_is_the_best_that_never_falls_on_the_records_it_rests_on(family: str) -> None:
    text = (files("strategies") / "compute_optimal.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)[family]
    tried, errors = found["tried"], found["errors"]
    assert tried[-1] == 1.0 == max(tried)
    assert found["shares"] == sorted(found["shares"])
    chosen = sum(row[tried.index(share)] for share, row in zip(found["shares"], errors, strict=True))
    for other in itertools.product(range(len(tried)), repeat=len(errors)):
        if list(other) == sorted(other):
            assert chosen <= sum(row[column] for column, row in zip(other, errors, strict=True)) + 1e-9


def test_the_rule_rests_on_a_seed_of_its_own() -> None:
    stream = tomllib.loads((files("strategies") / "compute_optimal.toml").read_text(encoding="utf-8"))["stream"]
    assert "seed=6" in stream


def test_between_fitted_budgets_the_nearest_by_logarithm_counts() -> None:
    rule = Rule((0.1, 1.0), (0.25, 1.0), (0.25, 1.0))
    assert [rule.share(epochs) for epochs in (0.001, 0.3, 0.33, 50)] == [0.25, 0.25, 1.0, 1.0]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_budget_decides_how_much_of_the_net_is_left(
    family: str, run: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute_optimal, "fitted", lambda _: Rule((0.1, 1.0), (0.5, 1.0), (0.5, 1.0)))
    dense = flops_forward(make("backbones", SMALL["backbone"]).build(), 2, 3, 32, 32)
    for epochs, share in ((0.1, 0.5), (0.6, 1.0)):
        learnt = run(f"compute_optimal(family={family})", epochs=epochs, **SMALL).learn()
        assert flops_forward(learnt.strategy.net.body, 2, 3, 32, 32) / dense == pytest.approx(share, abs=0.06)
        assert learnt.meter.spent_flops <= learnt.meter.flops_budget * (1 + 1e-9)


def test_a_share_is_paid_for_once_also_when_a_run_goes_on(run: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute_optimal, "fitted", lambda _: Rule((1.0,), (0.5,), (0.5, 1.0)))
    first = run("compute_optimal(family=ot)", epochs=0.5, **SMALL).learn()
    again = run("compute_optimal(family=ot)", epochs=0.5, **SMALL)
    again.strategy.load_state(first.strategy.state())
    again.learn()
    assert first.meter.flops["fuse"] > 0
    assert again.meter.flops["fuse"] == 0


def test_what_cannot_be_taken_away_stays(run: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousandth is less than one unit a width, so the next larger share is kept."""
    monkeypatch.setattr(compute_optimal, "fitted", lambda _: Rule((1.0,), (0.001,), (0.001, 0.8, 1.0)))
    learnt = run("compute_optimal", epochs=0.5, **SMALL).learn()
    dense = flops_forward(learnt.ctx.body(), 2, 3, 32, 32)
    assert flops_forward(learnt.strategy.net.body, 2, 3, 32, 32) / dense == pytest.approx(0.8, abs=0.05)


def test_a_budget_in_seconds_alone_has_no_rule(run: Start) -> None:
    with pytest.raises(UserError, match="no budget of FLOPs"):
        run("compute_optimal", epochs=float("inf"), **SMALL).learn()


def test_a_start_whose_shape_may_differ_is_refused() -> None:
    with pytest.raises(UserError, match="pretrained or scratch"):
        make("strategies", "compute_optimal(init=previous)")
