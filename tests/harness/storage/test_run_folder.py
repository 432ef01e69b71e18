"""The store alone: after any history of commits, crashes and torn lines it holds what was committed, and no more."""

import errno
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from moments import Hook, at_the

from harness.core.errors import UserError
from harness.core.schema import RunStatus
from harness.storage import disk
from harness.storage.disk import Effect
from harness.storage.records import read_log
from harness.storage.run_folder import Busy, RunFolder


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
    store = RunFolder(tmp_path_factory.mktemp("store") / "run")

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
    store = RunFolder(tmp_path)
    store.resume(tasks=5)
    for task in range(4):
        store.commit(task, state_after(task), lines_of(task))
    assert [name for name in renamed if name.startswith("task-")] == ["task-0.pt", "task-1.pt", "task-2.pt"]
    (tmp_path / "task-1.pt").write_bytes(b"")
    assert "task-1.pt is damaged: starting this run again" in str(RunFolder(tmp_path).resume(tasks=5).note)


@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=80) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_run_json_is_read_as_done_running_or_never_begun(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    store = RunFolder(tmp_path_factory.mktemp("store"))
    store.manifest.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert store.status() is None
    store.begin({"key": "k"})
    assert store.describe()["attempts"] == 1


@pytest.mark.parametrize("value", [{1, 2}, object(), torch.nn.Linear(1, 1), print, range(3), Path("x")])
def test_a_state_that_could_not_be_read_back_is_refused_when_it_is_given(tmp_path: Path, value: Any) -> None:
    store = RunFolder(tmp_path / "run")
    with store.claim():
        store.resume(tasks=2)
        with pytest.raises(TypeError, match="a state holds a "):
            store.commit(0, {"inner": [value]}, lines_of(0))
        assert store.records() == []


def test_a_writer_that_locks_did_not_keep_out_is_noticed(tmp_path: Path) -> None:
    one, two = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
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
    with pytest.raises(UserError, match="its file system has no locks"), RunFolder(tmp_path / "run").claim():
        pass


def test_to_ask_whether_a_run_is_free_begins_nothing(tmp_path: Path) -> None:
    store = RunFolder(tmp_path / "stream" / "run")
    assert store.free()
    assert not list(tmp_path.iterdir())
    with store.claim():
        assert not RunFolder(store.folder).free()
    assert store.free()


def test_a_commit_needs_to_know_what_is_there(tmp_path: Path) -> None:
    store = RunFolder(tmp_path)
    with pytest.raises(AssertionError, match="resume says where to go on"):
        store.commit(0, {}, lines_of(0))
    store.resume(tasks=1)
    store.commit(0, {}, lines_of(0))
