"""A run that goes wrong ends by itself, says why in its folder, and takes neither other runs nor results with it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from command import Harness

from harness.running import executor
from harness.storage.records import canonical, line_of, read_log

PLUGINS = Path(__file__).parents[2] / "plugins"
SUITE = """
streams = ["tiny:bars(tasks=2)"]
strategies = ["tiny:Finetune"]
budgets = ["0.5ep"]
[setting]
backbone = "tiny:net"
size = 16
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def start(tmp_path: Path, suite: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Begin ``harness run`` as a process of its own; what is left of it is ended with the test."""
    begun: list[subprocess.Popen[str]] = []

    def call(*arguments: object) -> subprocess.Popen[str]:
        code = "import sys; from harness.cli import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", code, "run", suite, *arguments]
        paths = os.pathsep.join([str(PLUGINS), os.environ.get("PYTHONPATH", "")])
        begun.append(
            subprocess.Popen(
                [str(part) for part in command],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": paths},
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return begun[-1]

    yield call
    for process in begun:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stderr and not process.stderr.closed:
            process.communicate()


def manifests(out: Path) -> dict[str, dict[str, Any]]:
    """``run.json`` of every run, by what its strategy does wrong and by its seed."""
    found = [json.loads(path.read_text()) for path in sorted(out.rglob("run.json"))]
    return {m["spec"]["options"].get("how", "tiny") + str(m["spec"]["seed"]): m for m in found}


def logs(out: Path) -> list[str]:
    return ["".join(map(line_of, canonical(read_log(path).records))) for path in sorted(out.rglob("events.jsonl"))]


def until(true: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def learnt(out: Path) -> int:
    return sum(r["event"] == "learn" for path in out.rglob("events.jsonl") for r in read_log(path).records)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("leaves", "SystemExit: 0"),
        ("aborts", "was killed by SIGABRT"),
        ("hoards", "can't allocate memory"),
        ("overspends", "Overspent: task 'bars1' was learnt with"),
        ("gives_a_set", "a state holds a builtins.set"),
    ],
)
def test_what_a_plugin_does_wrong_is_said_in_its_folder_and_other_runs_go_on(
    harness: Harness, suite: Path, tmp_path: Path, how: str, said: str
) -> None:
    rogue = f"rogue:Rogue(how={how})"
    shown = harness("run", suite, "--out", "out", "--strategy", rogue, "--strategy", "tiny:Finetune", code=1).stderr
    assert said in shown
    assert "Traceback" not in shown
    found = manifests(tmp_path / "out")
    assert {name: m["status"] for name, m in found.items()} == {f"{how}0": "failed", "tiny0": "done"}
    assert said in found[f"{how}0"]["error"]
    # The task before it stays done.
    assert learnt(tmp_path / "out") == 3


def test_training_that_diverges_is_a_result(harness: Harness, suite: Path, tmp_path: Path) -> None:
    harness("run", suite, "--out", "out", "--strategy", "rogue:Diverges", "--budget", "3ep")
    (log,) = (tmp_path / "out").rglob("events.jsonl")
    records = read_log(log).records
    assert [r["status"] for r in records if r["event"] == "learn"] == ["diverged", "diverged"]
    assert {r["value"] for r in records if r.get("metric") == "error"} == {1}
    assert {r["value"] for r in records if r.get("metric") == "cross_entropy"} == {None}


def test_training_that_ends_above_its_start_is_marked_and_its_losses_are_told(
    harness: Harness, suite: Path, tmp_path: Path
) -> None:
    strategies = ("--strategy", "finetune(recipe=v1, head_lr=3000.0, schedule=constant)",
                  "--strategy", "finetune(recipe=v1)")  # fmt: skip
    harness("run", suite, "--out", "out", *strategies, "--budget", "3ep")
    for log in (tmp_path / "out").rglob("events.jsonl"):
        for record in (r for r in read_log(log).records if r["event"] == "learn"):
            ruined = "3000" in str(log)
            assert (record["status"] == "diverged") is ruined
            if ruined:
                assert record["loss_last"] > 3
            else:
                assert record["loss_last"] < record["loss_first"] <= record["loss_max"]
                assert 0 < record["grad_norm_first"] <= record["grad_norm_max"]


def test_a_run_that_hangs_is_stopped_and_shows_where(
    harness: Harness, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "GRACE", 1.0)
    hangs, blocks = (f"rogue:Rogue(how={how})" for how in ("hangs", "blocks"))
    texts = [part for text in (hangs, blocks, "tiny:Finetune") for part in ("--strategy", text)]
    harness("run", suite, "--out", "out", "--patience", 5, *texts, code=1)
    found = manifests(tmp_path / "out")
    assert {m["status"] for m in found.values()} == {"failed", "done"}
    assert "Hung: no word for too long (--patience)" in found["hangs0"]["error"]
    assert "in hangs\n    time.sleep(0.1)" in found["hangs0"]["error"]
    assert "did not leave when told to, and was killed" in found["blocks0"]["error"]
    assert learnt(tmp_path / "out") == 4


def test_a_log_keeps_its_beginning_and_its_end(harness: Harness, suite: Path, tmp_path: Path) -> None:
    harness("run", suite, "--out", "out", "--strategy", "rogue:Rogue(how=prints)")
    (log,) = (tmp_path / "out").rglob("output.log")
    text = log.read_text()
    assert len(text) <= 2 * executor.LOG_BYTES
    assert "the first words" in text
    assert "the middle was cut out" in text
    assert "the last words" in text


def test_what_a_plugin_started_ends_with_its_run(
    harness: Harness, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "GRACE", 1.0)
    flag = tmp_path / "child"
    text = f"rogue:Rogue(how=starts, flag='{flag}')"
    harness("run", suite, "--out", "out", "--strategy", text)
    until(lambda: not alive(int(flag.read_text())), 10)
    assert learnt(tmp_path / "out") == 2


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_runner_that_is_stopped_leaves_a_folder_to_go_on_from(
    harness: Harness,
    start: Callable[..., subprocess.Popen[str]],
    suite: Path,
    tmp_path: Path,
    sent: signal.Signals,
    code: int,
) -> None:
    harness("run", suite, "--out", "whole")
    flag, out = tmp_path / "flag", tmp_path / "out"
    text = f"rogue:Rogue(how=waits, flag='{flag}')"
    runner = start("--out", "out", "--strategy", text)
    until(lambda: learnt(out) == 1)
    os.kill(runner.pid, sent)
    assert runner.wait(60) == code
    said = runner.communicate()[1]
    assert "Traceback" not in said
    assert ("the same command goes on from here" in said) == (code == 130)
    # Its workers go when it goes, even where it had no time to tell them.
    until(lambda: manifests(out)["waits0"]["status"] == "interrupted", 20)
    flag.touch()
    harness("run", suite, "--out", "out", "--strategy", text)
    assert manifests(out)["waits0"]["attempts"] == 2
    assert logs(out) == logs(tmp_path / "whole")


def test_a_killed_runner_leaves_no_temporary_folder_behind(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    runner = start("--out", "out", "--strategy", f"rogue:Rogue(how=waits, flag='{tmp_path / 'flag'}')", "--seeds", 2)
    until(lambda: learnt(tmp_path / "out") >= 1)
    assert list(temporary.glob("nevis-harness-*"))
    os.kill(runner.pid, signal.SIGKILL)
    until(lambda: not list(temporary.glob("nevis-harness-*")), 20)


def test_a_temporary_folder_with_a_long_path_hinders_no_run(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / ("t" * 90)
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    runner = start("--out", "out")
    assert runner.wait(240) == 0, runner.communicate()[1]


def test_two_runners_on_one_folder_share_the_runs(
    harness: Harness, start: Callable[..., subprocess.Popen[str]], suite: Path, tmp_path: Path
) -> None:
    options = ("--seeds", 6, "--jobs", 1)
    runners = [start("--out", "out", *options) for _ in range(2)]
    assert [runner.wait(240) for runner in runners] == [0, 0]
    assert all("6 of 6 runs done" in runner.communicate()[1] for runner in runners)
    found = manifests(tmp_path / "out")
    assert {m["attempts"] for m in found.values()} == {1}, "no run was done twice"
    assert len(found) == 6
    harness("run", suite, "--out", "alone", *options)
    assert logs(tmp_path / "out") == logs(tmp_path / "alone")


def test_a_dead_runners_run_is_taken_over_by_one_that_waits(
    harness: Harness, start: Callable[..., subprocess.Popen[str]], suite: Path, tmp_path: Path
) -> None:
    flag, out = tmp_path / "flag", tmp_path / "out"
    text = f"rogue:Rogue(how=waits, flag='{flag}')"
    first = start("--out", "out", "--strategy", text)
    until(lambda: learnt(out) == 1)
    second = start("--out", "out", "--strategy", text, "--strategy", "tiny:Finetune")
    until(lambda: "tiny0" in manifests(out) and manifests(out)["tiny0"]["status"] == "done")
    assert second.poll() is None, "it waits for what the other is on"
    holder = int(next(path for path in out.rglob("lock") if "Rogue" in str(path)).read_text().split()[1])
    os.kill(first.pid, signal.SIGKILL)
    os.kill(holder, signal.SIGKILL)
    flag.touch()
    assert second.wait(120) == 0
    said = second.communicate()[1]
    assert "is on it; coming back to it later" in said
    found = manifests(out)["waits0"]
    assert (found["status"], found["attempts"]) == ("done", 2)
    assert learnt(out) == 4


def test_a_full_disk_is_said_and_is_no_runs_fault(harness: Harness, suite: Path, tmp_path: Path) -> None:
    flag, out = tmp_path / "flag", tmp_path / "out"
    text = f"rogue:Rogue(how=fills, flag='{flag}')"
    said = harness("run", suite, "--out", "out", "--strategy", text, code=1).stderr
    assert "CannotWrite: cannot write " in said
    assert "File too large" in said
    assert "traceback" not in said
    assert manifests(out)["fills0"]["status"] in ("interrupted", "running")
    flag.touch()
    harness("run", suite, "--out", "out", "--strategy", text)
    assert manifests(out)["fills0"]["status"] == "done"


def test_results_that_are_all_there_can_be_asked_for_where_nothing_can_be_written(
    harness: Harness, suite: Path, tmp_path: Path
) -> None:
    harness("run", suite, "--out", "out")
    with_no_writing = [path for path in sorted((tmp_path / "out").rglob("*")) if path.is_dir()]
    for path in with_no_writing:
        path.chmod(0o555)
    try:
        assert "1 of 1 runs done" in harness("run", suite, "--out", "out").stderr
    finally:
        for path in with_no_writing:
            path.chmod(0o755)


def test_a_read_only_place_is_said_before_any_run(harness: Harness, suite: Path) -> None:
    # Not even root can write there.
    said = harness("run", suite, "--out", "/proc/results", code=2).stderr
    assert "cannot write results to /proc/results" in said
    assert len(said.splitlines()) == 1
