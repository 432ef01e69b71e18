"""A strategy may be written as people write them: what works does, what does not is one line with its place."""

import re
from dataclasses import replace

import pytest
from command import Harness

from harness.config.registry import make
from harness.core.errors import UserError
from strategies.learners import recipes


@pytest.mark.parametrize(("name", "what"), [("Plain", "no dataclass; put @dataclass"), ("Below", "'decay' would not")])
def test_a_class_without_dataclass_is_refused_with_its_place(name: str, what: str) -> None:
    with pytest.raises(UserError, match=rf"strategy written:{name} \(written\.py:\d+\) is .*{what}"):
        make("strategies", f"written:{name}")


def test_a_class_that_adds_no_option_needs_no_decorator() -> None:
    make("strategies", "written:NoOptions")


def test_loaders_may_have_workers_and_a_failed_run_names_the_line_of_the_plugin(harness: Harness) -> None:
    suite = ["--stream", "tiny:bars(tasks=1)", "--backbone", "tiny:net", "--size", 16, "--budget", "0.5ep"]
    asked = ["written:Loads", "written:Elsewhere(how=fork)", "written:Elsewhere", "careless:Misshapen(how=numpy)"]
    strategies = [part for spec in asked for part in ("--strategy", spec)]
    said = harness("run", "smoke", *suite, "--seeds", 1, *strategies, "--out", "out", code=1).stderr
    failed = re.findall(r"^failed: (\S+) 0.5ep seed 0: (.*)$", said, flags=re.M)
    assert [spec for spec, _ in failed] == [
        "written:Elsewhere(how=fork)",
        "written:Elsewhere",
        "careless:Misshapen(how=numpy)",
    ]
    for _, reason in failed[:2]:
        assert re.search(r"aten::mm in a process that was started inside a run.* \(written\.py:\d+\)$", reason)
    assert re.search(r"predict gave a numpy\.ndarray for .* \(careless\.py:\d+\)$", failed[2][1])


def test_the_content_of_a_named_recipe_is_part_of_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [
        "finetune(recipe=v2)",
        "filter_pruned(flops=0.5, recipe=v2)",
        "avalanche(recipe=v2)",
        "tune(strategy='finetune(recipe=v2)')",
    ]
    before = [make("strategies", spec).version for spec in specs]
    assert make("strategies", "finetune(recipe=v1)").version == 1
    named = recipes.shipped()
    (entry,) = named["v2"].entries
    other = replace(named["v2"], entries=(replace(entry, values={**entry.values, "lr": 0.5}),))
    monkeypatch.setattr(recipes, "shipped", lambda: {**named, "v2": other})
    after = [make("strategies", spec).version for spec in specs]
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert make("strategies", "finetune").version != make("strategies", "finetune").on_net("any").version
