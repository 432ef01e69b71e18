"""Nothing finished is ever lost: killed, filled and damaged at every place, a run ends as if nothing had happened."""

import errno
import fcntl
import json
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
from hypothesis import given, settings
from hypothesis import strategies as st

import harness.worker  # noqa: F401  (loads what a run needs, once, before children are forked)
from harness import disk, runner
from harness.disk import CannotWrite, Effect
from harness.errors import UserError
from harness.records import RunStatus, canonical, line_of, read_log
from harness.spec import RunSpec, Setting
from harness.store import Busy, RunStore
from harness.suite import made

Hook = Callable[[Effect, Path], None]


def spec() -> RunSpec:
    setting = Setting(backbone="tiny:net", size=16)
    (one,) = made(
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


def at_the(number: int, act: Callable[[Effect, Path], object]) -> Hook:
    """``act`` at the effect of that number, from 0."""
    count = iter(range(10**6))

    def hook(effect: Effect, path: Path) -> None:
        if next(count) == number:
            act(effect, path)

    return hook


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
    assert RunStore(folder(tmp_path)).status() in (RunStatus.INTERRUPTED, RunStatus.RUNNING, None)
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
    content[len(content) // 2] ^= 1
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
    store = RunStore(folder(tmp_path))
    assert store.status() is RunStatus.DONE
    said = harm(store.folder)
    assert store.status() is not RunStatus.DONE
    notes: list[str] = []
    runner.run(spec(), tmp_path, tell=lambda told: notes.append(told.note or ""))
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
    runner.run(spec(), tmp_path, tell=lambda told: notes.append(told.note or ""))
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


# The store alone: any history of commits, crashes and torn lines.


class Crash(BaseException):
    """The process is gone."""


def state_after(task: int) -> dict[str, Any]:
    each = [{"of": number, "weights": torch.full((2,), float(number))} for number in range(task)]
    return {"seen": list(range(task + 1)), "weights": torch.full((3,), float(task)), "none": None, "tasks": each}


def lines_of(task: int) -> list[dict[str, Any]]:
    return [
        {"event": "eval", "task": f"t{task}", "metric": "error", "value": task / 8},
        {"event": "learn", "task": f"t{task}", "index": task, "flops": 2 * task},
    ]


@settings(max_examples=50, deadline=None)
@given(crashes=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 300)), max_size=6), tasks=st.integers(1, 4))
def test_after_any_crashes_the_store_goes_on_from_the_last_whole_commit(
    tmp_path_factory: pytest.TempPathFactory, crashes: list[tuple[int, int]], tasks: int
) -> None:
    store = RunStore(tmp_path_factory.mktemp("store") / "run")

    def attempt(hook: Hook | None) -> None:
        disk.at = hook
        with store.claim():
            store.begin({"key": "k"})
            done, state, note = store.resume(tasks=tasks)
            assert store.records() == [line for task in range(done) for line in lines_of(task)]
            assert note is None or "torn" in note
            if 0 < done < tasks:
                assert state["seen"] == state_after(done - 1)["seen"]
                assert torch.equal(state["weights"], state_after(done - 1)["weights"])
                assert [entry["of"] for entry in state["tasks"]] == list(range(done - 1))
            for task in range(done, tasks):
                store.commit(task, state_after(task), lines_of(task))
            store.finish(RunStatus.DONE, finished="now")

    def crash(torn: int) -> Callable[[Effect, Path], None]:
        def act(effect: Effect, path: Path) -> None:
            if effect == "sync" and path == store.events:
                # Everything of this commit but its last byte, at most: what was synced before stays.
                before = read_log(path).length if torn else 0
                size = path.stat().st_size
                os.truncate(path, max(size - torn, min(before, size)) if torn else size)
            raise Crash

        return act

    try:
        kept = 0
        for number, torn in crashes:
            try:
                attempt(at_the(number, crash(torn)))
            except Crash:
                now = sum(record["event"] == "learn" for record in store.records())
                assert now >= kept
                kept = now
            else:
                assert store.status() is RunStatus.DONE
        attempt(None)
    finally:
        disk.at = None
    assert store.status() is RunStatus.DONE
    assert store.records() == [line for task in range(tasks) for line in lines_of(task)]
    assert not list(store.folder.glob(".*.tmp"))
    assert not list(store.folder.glob("task-*.pt")), "no task is left that could need them"


def test_what_is_kept_of_each_task_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed: list[str] = []
    monkeypatch.setattr(disk, "at", lambda effect, path: renamed.append(path.name) if effect == "rename" else None)
    store = RunStore(tmp_path)
    store.resume(tasks=5)
    for task in range(4):
        store.commit(task, state_after(task), lines_of(task))
    assert [name for name in renamed if name.startswith("task-")] == ["task-0.pt", "task-1.pt", "task-2.pt"]
    (tmp_path / "task-1.pt").write_bytes(b"")
    assert "task-1.pt is damaged: starting this run again" in str(RunStore(tmp_path).resume(tasks=5).note)


@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=80) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_run_json_is_read_as_done_running_or_never_begun(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    store = RunStore(tmp_path_factory.mktemp("store"))
    store.manifest.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert store.status() is None
    store.begin({"key": "k"})
    assert store.describe()["attempts"] == 1


@pytest.mark.parametrize("value", [{1, 2}, object(), torch.nn.Linear(1, 1), print, range(3), Path("x")])
def test_a_state_that_could_not_be_read_back_is_refused_when_it_is_given(tmp_path: Path, value: Any) -> None:
    store = RunStore(tmp_path / "run")
    with store.claim():
        store.resume(tasks=2)
        with pytest.raises(TypeError, match="a state holds a "):
            store.commit(0, {"inner": [value]}, lines_of(0))
        assert store.records() == []


def test_a_writer_that_locks_did_not_keep_out_is_noticed(tmp_path: Path) -> None:
    one, two = RunStore(tmp_path / "run"), RunStore(tmp_path / "run")
    one.folder.mkdir()
    one.resume(tasks=2)
    two.resume(tasks=2)
    two.commit(0, state_after(0), lines_of(0))
    with pytest.raises(Busy, match="locks do not keep out"):
        one.commit(0, state_after(0), lines_of(0))
    assert one.records() == lines_of(0)


def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> NoReturn:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(UserError, match="its file system has no locks"), RunStore(tmp_path / "run").claim():
        pass


@pytest.mark.parametrize("name", ["../../etc/x", "/abs", "..", "a/../b", "c:\\x", "nul\0", "x" * 300, "é☃", "", " . "])
def test_no_name_leads_out_of_the_results(tmp_path: Path, name: str) -> None:
    place = (tmp_path / replace(spec(), stream=name, strategy=name).folder).resolve()
    assert len(place.relative_to(tmp_path).parts) == 4
    place.mkdir(parents=True)
