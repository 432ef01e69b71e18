"""The Python API is the command line as values: the same runs, the same numbers, the same refusals."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from command import Harness

import harness as package
from harness.core.errors import UserError
from reports.publishing.summary import summary
from reports.reading.frame import read
from reports.statistics.student import HERE

SUITE = """
streams = ["tiny:bars(tasks=2)"]
strategies = ["ridge"]
budgets = ["1ep", "2ep"]
[setting]
backbone = "tiny:net"
size = 16
"""


def test_a_script_runs_a_suite_once_and_holds_what_the_command_line_would_read(
    harness: Harness, tmp_path: Path
) -> None:
    (tmp_path / "tiny.toml").write_text(SUITE)
    plugins = str(Path(__file__).parents[1] / "plugins")
    # No guard around it: what a run starts must not carry the script out again.
    (tmp_path / "script.py").write_text(
        f"import sys; sys.path.append({plugins!r})\n"
        "import harness\n"
        "results = harness.run('tiny.toml', out='out', strategies='tiny:Broken', budgets=['1ep'], jobs=1)\n"
        "print(results.runs['status'].to_list(), len(results.tasks))\n"
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "['failed'] 2\n"
    assert "0 of 1 runs done, 1 failed" in done.stderr
    assert "RuntimeError: a <bug> in 'my' plugin" in done.stderr


def test_loaded_results_are_those_of_the_report(results: Path, tmp_path: Path) -> None:
    loaded, frames = package.load(results), read([results])
    pd.testing.assert_frame_equal(loaded.tasks, frames.tasks)
    pd.testing.assert_frame_equal(loaded.runs, frames.runs)
    assert repr(loaded) == summary([results])
    (curves,) = loaded.tables()["curves"].query("strategy == 'finetune' and budget == '1ep'").to_dict("records")
    assert f"{curves['error']:.3f} [{curves['low']:.3f}, {curves['high']:.3f}]" in repr(loaded)
    shown = loaded._repr_html_()
    assert shown.count("<tr>") == 1 + 7
    assert "filter_pruned(keep=0.5, score=random)" in shown


def test_gains_are_those_over_dense_finetuning_a_row_a_cell(results: Path) -> None:
    gains = package.load(results).gains()
    assert list(gains.columns) == ["board", "scope", "strategy", "budget", "gain", "low", "high", "n"]
    assert [len(part) for _, part in gains.groupby("scope")] == [6 * 3, 6 * 3]
    gains = gains[gains["scope"] == HERE]
    tasks = package.load(results).tasks
    cell = tasks[tasks["budget"] == "1ep"].pivot(index=["task", "seed"], columns="label", values="error")
    expected = (cell["finetune"] - cell["linear_probe"]).mean()
    row = gains[(gains["strategy"] == "linear_probe") & (gains["budget"] == "1ep")].iloc[0]
    assert row["gain"] == pytest.approx(expected)
    assert row["low"] < row["gain"] < row["high"]


def test_a_name_that_is_nothing_says_what_there_is() -> None:
    with pytest.raises(UserError, match=r"did you mean 'reference'.*nevis-mini-half.*path of a folder"):
        package.load("referense")
    with pytest.raises(UserError, match="no folder or bundle"):
        package.load("./reference")


def test_public_names_and_their_types_are_the_same_names() -> None:
    import ast

    stub = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text())
    typed = {
        alias.asname: f"{node.module}" for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert typed == {name: f"harness.{home}" for name, home in vars(package)["_HOME"].items()}
    assert set(vars(package)["__all__"]) <= set(dir(package))
    for name in vars(package)["__all__"]:
        assert getattr(package, name) is not None
