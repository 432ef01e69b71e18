"""Nothing finished is ever lost: killed, filled and damaged at every place, a run ends as if nothing had happened."""

import errno
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from moments import Hook, at_the

import harness.running.worker  # noqa: F401  (loads what a run needs, once, before children are forked)
from harness.config.suite import build_suite
from harness.core.schema import RunStatus
from harness.core.spec import RunSpec, Setting
from harness.running import runner
from harness.storage import disk
from harness.storage.disk import CannotWrite, Effect
from harness.storage.records import canonical, line_of, read_log
from harness.storage.run_folder import RunFolder


def spec() -> RunSpec:
    setting = Setting(backbone="tiny:net", size=16)
    (one,) = build_suite(
        name="t",
        about="",
        streams=["tiny:bars(tasks=2)"],
        strategies=["tiny:Finetune"],
        budgets=["0.5ep"],
        seeds=[0],
        setting=setting,
    ).specs()
    return one


def in_a_child(out: Path, hook: Hook | None = None) -> int:
    """Carry out a run in a process of its own, ``hook`` at every effect on the disk; its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            disk.at = hook
            code = 0 if runner.run(spec(), out) is RunStatus.DONE else 3
        except CannotWrite:
            code = 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def folder(out: Path) -> Path:
    return out / spec().folder


def log(out: Path) -> str:
    """The canonical records, as bytes would be compared."""
    return "".join(map(line_of, canonical(read_log(folder(out) / "events.jsonl").records)))


def committed(out: Path) -> bytes:
    events = folder(out) / "events.jsonl"
    return events.read_bytes()[: read_log(events).length] if events.exists() else b""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole")
    assert in_a_child(out) == 0
    assert sum('"event":"learn"' in line for line in log(out).splitlines()) == 2
    return out


@pytest.fixture(scope="module")
def effects(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Everything a run of two tasks does to the disk, in order."""
    out = tmp_path_factory.mktemp("effects")
    seen = out / "seen"

    def note(effect: Effect, path: Path) -> None:
        with seen.open("a") as file:
            file.write(f"{effect} {path.name}\n")

    in_a_child(out, note)
    return seen.read_text().splitlines()


def die(effect: Effect, path: Path) -> None:
    """The worst moment for a file that grows: half of its last line is there."""
    if effect == "sync" and path.name == "events.jsonl":
        os.truncate(path, path.stat().st_size - 20)
    os.kill(os.getpid(), signal.SIGKILL)


def is_full(effect: Effect, path: Path) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_run_meets_the_disk_at_the_points_that_we_know(effects: list[str]) -> None:
    manifest = ["write run.json", "sync run.json", "rename run.json", f"sync {folder(Path()).name}"]
    first = [line.replace("run.json", "state-0.pt") for line in manifest]
    assert effects == [
        *manifest,
        *first,
        "append events.jsonl",
        "sync events.jsonl",
        f"sync {folder(Path()).name}",
        *[line.replace("-0", "-1") for line in first],
        "append events.jsonl",
        "sync events.jsonl",
        "remove state-0.pt",
        *manifest,
    ]


@pytest.mark.parametrize("number", range(22))
def test_killed_at_any_write_sync_or_rename_a_run_resumes_to_the_same(
    whole: Path, tmp_path: Path, number: int, effects: list[str]
) -> None:
    assert len(effects) == 22
    assert in_a_child(tmp_path, at_the(number, die)) == -signal.SIGKILL
    kept = committed(tmp_path)
    assert in_a_child(tmp_path) == 0
    assert log(tmp_path) == log(whole)
    assert committed(tmp_path).startswith(kept), "a task that was committed was learnt again"
    left = {path.name for path in folder(tmp_path).iterdir()}
    assert left == {"run.json", "events.jsonl", "state-1.pt", "lock"}, "nothing half written stays"


@pytest.mark.parametrize("number", range(0, 21, 3))
def test_on_a_full_disk_a_run_stops_and_goes_on_when_there_is_room(whole: Path, tmp_path: Path, number: int) -> None:
    assert in_a_child(tmp_path, at_the(number, is_full)) == 2, "it is the disk that is said to be at fault"
    kept = committed(tmp_path)
    assert RunFolder(folder(tmp_path)).status() in (RunStatus.INTERRUPTED, RunStatus.RUNNING, None)
    assert in_a_child(tmp_path) == 0
    assert log(tmp_path) == log(whole)
    assert committed(tmp_path).startswith(kept)


def test_killed_again_and_again_a_run_gets_further_each_time(whole: Path, tmp_path: Path) -> None:
    attempts = 0
    for number in [2, 9, 3, 17, 12, 8, 7]:
        attempts += in_a_child(tmp_path, at_the(number, die)) == -signal.SIGKILL
    assert attempts >= 4
    assert in_a_child(tmp_path) == 0
    assert log(tmp_path) == log(whole)


@pytest.mark.parametrize("after", [0.02, 0.1, 0.17, 0.24, 0.3, 0.45])
def test_killed_at_any_time_a_run_resumes_to_the_same(whole: Path, tmp_path: Path, after: float) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0 if runner.run(spec(), tmp_path) is RunStatus.DONE else 1)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    kept = committed(tmp_path)
    assert in_a_child(tmp_path) == 0
    assert log(tmp_path) == log(whole)
    assert committed(tmp_path).startswith(kept)


def test_a_clock_that_jumps_changes_nothing(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    years = iter(f"{year}-01-01T00:00:00+00:00" for year in (2038, 1970, 2001))
    monkeypatch.setattr(runner, "_now", lambda: next(years))
    monkeypatch.setattr(time, "time", lambda: -1e9)
    assert in_a_child(tmp_path) == 0
    assert log(tmp_path) == log(whole)


# What was done and is damaged afterwards.


def damage_events(run: Path) -> str:
    path = run / "events.jsonl"
    content = bytearray(path.read_bytes())
    # A digit becomes another, so that the line is still JSON and only its checksum tells.
    at = content.index(b'"index":1') + len('"index":')
    content[at] ^= 1
    path.write_bytes(content)
    return "the checksum does not match"


def cut_events(run: Path) -> str:
    path = run / "events.jsonl"
    os.truncate(path, path.stat().st_size - 5)
    return "the line is torn"


def repeat_events(run: Path) -> str:
    path = run / "events.jsonl"
    path.write_bytes(path.read_bytes() * 2)
    return "the record of task 3 was expected"


def lose_events(run: Path) -> str:
    (run / "events.jsonl").unlink()
    return ""


def lose_manifest(run: Path) -> str:
    (run / "run.json").unlink()
    return ""


def damage_manifest(run: Path) -> str:
    path = run / "run.json"
    path.write_bytes(path.read_bytes()[:100])
    return ""


@pytest.mark.parametrize(
    "harm", [damage_events, cut_events, repeat_events, lose_events, lose_manifest, damage_manifest]
)
def test_a_finished_run_that_was_damaged_is_found_and_mended(
    whole: Path, tmp_path: Path, harm: Callable[[Path], str]
) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    store = RunFolder(folder(tmp_path))
    assert store.status() is RunStatus.DONE
    said = harm(store.folder)
    assert store.status() is not RunStatus.DONE
    notes: list[str] = []
    runner.run(spec(), tmp_path, listener=lambda message: notes.append(message.note or ""))
    assert store.status() is RunStatus.DONE
    assert said in "".join(notes)
    assert log(tmp_path) == log(whole)
    # Only what cannot be trusted any more is learnt again: a manifest is no result.
    same = (folder(whole) / "events.jsonl").read_bytes() == store.events.read_bytes()
    assert same == (harm in (repeat_events, lose_manifest, damage_manifest))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(99), None])
def test_a_state_that_is_lost_or_damaged_starts_the_run_again(
    whole: Path, tmp_path: Path, content: bytes | None
) -> None:
    assert in_a_child(tmp_path, at_the(11, die)) == -signal.SIGKILL
    state = folder(tmp_path) / "state-0.pt"
    if content is None:
        state.unlink()
    else:
        state.write_bytes(content)
    notes: list[str] = []
    runner.run(spec(), tmp_path, listener=lambda message: notes.append(message.note or ""))
    assert f"state-0.pt is {'missing' if content is None else 'damaged'}: starting this run again" in "".join(notes)
    assert log(tmp_path) == log(whole)


def test_a_state_file_cannot_run_code(whole: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "owned",))

    assert in_a_child(tmp_path, at_the(11, die)) == -signal.SIGKILL
    torch.save({"state": Evil(), "sha256": ""}, folder(tmp_path) / "state-0.pt")
    runner.run(spec(), tmp_path)
    assert not (tmp_path / "owned").exists()
    assert log(tmp_path) == log(whole)


@pytest.mark.parametrize("name", ["../../etc/x", "/abs", "..", "a/../b", "c:\\x", "nul\0", "x" * 300, "é☃", "", " . "])
def test_no_name_leads_out_of_the_results(tmp_path: Path, name: str) -> None:
    place = (tmp_path / replace(spec(), stream=name, strategy=name).folder).resolve()
    assert len(place.relative_to(tmp_path).parts) == 4
    place.mkdir(parents=True)
