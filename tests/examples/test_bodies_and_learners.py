"""The bodies and learners in ``examples/`` are files that anyone can name: they run, and keep the contract."""

import json
from pathlib import Path

import pytest
from command import Harness

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = ("--backbone", "timm:test_efficientnet(weights=none)", "--stream", "tiny:bars(tasks=2)")

SPECS = [
    "quantised:Quantised(bits=4)",
    "quantised:Quantised(bits=4, learner=ridge)",
    "bias_only:BiasOnly",
    "filter_pruned(flops=0.5, learner=bias_only:BiasOnly(lr=0.001))",
    "quantised:Quantised(bits=3, learner=bias_only:BiasOnly)",
]


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES), prepend=":")


@pytest.mark.usefixtures("examples")
def test_examples_run_beside_each_other_and_are_told_apart(harness: Harness, tmp_path: Path) -> None:
    named = [part for spec in SPECS for part in ("--strategy", spec)]
    harness("run", "smoke", *SMALL, *named, "--size", 32, "--budget", "0.5ep", "--out", "out")
    found = {}
    for file in tmp_path.rglob("run.json"):
        content = json.loads(file.read_text())
        assert content["status"] == "done", content["error"]
        found[content["spec"]["strategy"]] = content["spec"]["options"]
    assert len(found) == len(SPECS)
    assert found["quantised:Quantised(bits=4, learner=ridge)"] == {"bits": 4, "learner": "ridge(penalty=0.1)"}


@pytest.mark.usefixtures("examples")
@pytest.mark.parametrize("spec", ["quantised:Quantised(bits=4, learner=ncm)", "bias_only:BiasOnly"])
def test_examples_keep_the_contract(harness: Harness, spec: str) -> None:
    said = harness("check", spec, "--stream", "tiny:bars", "--size", 32)
    assert "BROKEN" not in said.stdout


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda file: file.stem)
def test_an_example_is_short(file: Path) -> None:
    assert len(file.read_text().splitlines()) < 50
