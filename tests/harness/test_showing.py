"""What a suite runs and what a recipe says are shown as runs will have them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Harness = Callable[..., Any]
SUITE = """
about = "two nets"
streams = ["tiny:bars"]
strategies = ["ridge", "finetune"]
budgets = ["1ep"]
backbones = ["tiny:net", "timm:test_efficientnet(weights=none)"]
seeds = 3
"""


def test_a_suite_of_two_nets_is_shown_with_both_and_all_its_runs(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(SUITE)
    shown = json.loads(harness("show", "suite", tmp_path / "two.toml", "--json").stdout)
    assert shown["backbones"] == ["tiny:net", "timm:test_efficientnet(weights=none)"]
    assert shown["runs"] == 2 * 2 * 3


@pytest.mark.parametrize(("body", "norm"), [("dense", "frozen"), ("ot_fused", "batch"), ("filter_pruned", "batch")])
def test_the_first_recipe_is_shown_by_whether_the_body_keeps_its_statistics(
    harness: Harness, body: str, norm: str
) -> None:
    bands = json.loads(harness("show", "recipe", "v1", "--body", body, "--json").stdout)["bands"]
    assert {band["norm"] for band in bands.values()} == {norm}


@pytest.mark.parametrize(
    ("net", "name"),
    [("resnet50_half", "v3"), ("efficientnet_lite0", "v4"), ("efficientnet_lite0(weights=imagenet)", "v4")],
)
def test_without_a_name_the_recipe_is_that_of_a_learner_that_names_none(harness: Harness, net: str, name: str) -> None:
    shown = json.loads(harness("show", "recipe", "--backbone", net, "--json").stdout)
    assert shown == json.loads(harness("show", "recipe", name, "--backbone", net, "--json").stdout)


def test_a_recipe_is_shown_as_it_is_for_the_net(harness: Harness) -> None:
    bands = [
        json.loads(harness("show", "recipe", "v3", "--backbone", net, "--json").stdout)["bands"]
        for net in ("resnet50_half", "efficientnet_lite0")
    ]
    assert [one["to_10k"]["optimiser"] for one in bands] == ["adamw", "sgd"]


def test_a_recipe_that_is_not_there_is_refused_with_those_that_are(harness: Harness) -> None:
    assert "v2" in harness("show", "recipe", "v22", code=2).stderr
