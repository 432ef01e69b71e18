"""Whoever edits a strategy gets new runs: what the old code gave is left alone, and never averaged with the new."""

import importlib
import json
import sys
from pathlib import Path

import pytest
from command import Harness

from harness.config.source import plugin_files, source_hash
from harness.config.suite import build_suite
from harness.core.spec import RunSpec, Setting
from reports.reading.frame import read

CODE = """
from dataclasses import dataclass
from tiny import OwnLoop
from mine_helper import factor

@dataclass
class Mine(OwnLoop):
    scale: float = 0.1

    def predict(self, task, images):
        return factor() * super().predict(task, images)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("mine_code", "mine_helper"):
        sys.modules.pop(name, None)  # Of another test's folder.
    write(tmp_path)
    return tmp_path


def write(folder: Path, code: str = CODE, helper: str = "def factor(): return 1.0\n") -> None:
    (folder / "mine_code.py").write_text(code)
    (folder / "mine_helper.py").write_text(helper)


def spec_of(strategy: str, **parts: str) -> RunSpec:
    setting = Setting(backbone=parts.get("backbone", "tiny:net"), size=16)
    streams = [parts.get("stream", "tiny:bars(tasks=2)")]
    suite = build_suite(name="t", about="", streams=streams, strategies=[strategy], budgets=["0.5ep"], seeds=[0],
                 setting=setting)  # fmt: skip
    return suite.specs()[0]


BUILT_IN = {"stream": "nevis22(tasks=[umist])", "backbone": "timm:test_efficientnet(weights=none)"}


@pytest.mark.parametrize("strategy", ["mine_code:Mine", "tune(strategy='mine_code:Mine2')"])
def test_the_source_of_a_strategy_and_of_what_it_imports_from_beside_it_is_in_the_key(here, strategy):
    code = CODE + "\nfrom harness import Recipe\n\n@dataclass\nclass Mine2(Mine):\n    recipe: Recipe = Recipe()\n"
    write(here, code)
    first = spec_of(strategy, **BUILT_IN)
    assert spec_of(strategy, **BUILT_IN).key == first.key
    write(here, code, helper="def factor(): return -2.0\n")
    second = spec_of(strategy, **BUILT_IN)
    write(here, code.replace("super", "1 * super"))
    third = spec_of(strategy, **BUILT_IN)
    assert len({first.key, second.key, third.key}) == 3
    assert [name for name, _ in first.sources] == ["strategy"]


def test_a_plugin_stream_and_a_plugin_backbone_count_and_what_is_built_in_does_not(here):
    assert spec_of("ncm", **BUILT_IN).sources == ()
    assert [name for name, _ in spec_of("ncm").sources] == ["stream", "backbone"]
    assert dict(spec_of("ncm", stream="capped(stream='tiny:bars', train=20)").sources).keys() == {"stream", "backbone"}


def test_imports_of_every_form_are_followed_inside_a_package_and_no_further(here):
    package = here / "mine_package" / "deep"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("from . import one\n")
    (package / "one.py").write_text("def later():\n    from ..other import thing\nimport torch, json, harness\n")
    (package.parent / "other.py").write_text("import mine_package.deep.two as two\nthing = 1\n")
    (package / "two.py").write_text("import mine_helper\n")
    (package / "unused.py").write_text("")
    importlib.invalidate_caches()
    names = {"mine_package", "mine_package.deep"}
    names |= {f"mine_package.{name}" for name in ("deep.one", "deep.two", "other")}
    assert set(plugin_files(["mine_package.deep"])) == names | {"mine_helper"}
    assert source_hash(["harness.core.spec", "json", "strategies.tune"]) == ""


def test_under_protocol_4_a_key_knows_no_source(here):
    from dataclasses import replace

    spec = spec_of("mine_code:Mine")
    old = replace(spec, setting=replace(spec.setting, protocol_version=4))
    assert old.key == replace(old, sources=()).key
    assert spec.key != replace(spec, sources=()).key


def test_after_an_edit_runs_run_again_and_the_report_keeps_them_apart(here, harness: Harness):
    options = ["--stream", "tiny:bars(tasks=2)", "--backbone", "tiny:net", "--size", 16, "--budget", "0.5ep",
               "--seeds", 1, "--jobs", 1, "--strategy", "mine_code:Mine", "--out", "out"]  # fmt: skip
    harness("run", "smoke", *options)
    assert "0 to do" in harness("run", "smoke", *options).stderr
    write(here, CODE.replace("0.1", "0.25"))
    said = harness("run", "smoke", *options).stderr
    assert "1 to do" in said
    assert "1 earlier runs of another version of the code are left alone" in said
    frames = read([here / "out"])
    runs = [json.loads(path.read_text()) for path in here.rglob("run.json")]
    codes = {run["spec"]["sources"]["strategy"][:4] for run in runs}
    assert set(frames.runs["label"]) == {f"mine_code:Mine [code {code}]" for code in codes}
    assert len(codes) == 2
    assert {run["spec"]["options"]["scale"] for run in runs} == {0.1, 0.25}
    assert sum("kept apart" in note for note in frames.notes) == 1
