"""A prepared set is whole or not there, and what is damaged is found and made again."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import UserError
from harness.storage.cache import cache_folder
from streams.data import prepared as module
from streams.data.prepared import is_prepared, prepared


def _arrays() -> dict[str, np.ndarray]:
    return {"images": np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1), "labels": np.array([0, 1, 1])}


def _never() -> dict[str, np.ndarray]:
    raise AssertionError("the set was made though it lies in the cache")


def _fresh_process() -> None:
    module._verified.clear()


def test_a_set_is_made_once_and_read_only_afterwards(tmp_path: Path) -> None:
    assert not is_prepared("toy/one", cache=tmp_path)
    made = prepared("toy/one", _arrays, cache=tmp_path)
    again = prepared("toy/one", _never, cache=tmp_path)
    assert is_prepared("toy/one", cache=tmp_path)
    assert made == again
    assert np.array_equal(again.array("images"), _arrays()["images"])
    with pytest.raises(ValueError, match="read-only"):
        again.array("images")[0] = 1


def test_a_digest_names_content_and_not_place(tmp_path: Path) -> None:
    here, there = (prepared(name, _arrays, cache=tmp_path) for name in ("a", "b"))
    other = prepared("c", lambda: _arrays() | {"labels": np.array([0, 1, 0])}, cache=tmp_path)
    assert here.digest("images", "labels") == there.digest("images", "labels")
    assert here.digest("images", "labels") != other.digest("images", "labels")
    assert here.digest("images") == other.digest("images")


def _flip(folder: Path) -> None:
    path = folder / "images.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def _truncate(folder: Path) -> None:
    path = folder / "images.npy"
    path.write_bytes(path.read_bytes()[:-7])


def _remove(folder: Path) -> None:
    (folder / "labels.npy").unlink()


def _garble(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"files": {"images.npy"')


def _unlist(folder: Path) -> None:
    (folder / "manifest.json").write_text(json.dumps([1, 2]))


@pytest.mark.parametrize("damage", [_flip, _truncate, _remove, _garble, _unlist])
def test_damage_is_found_said_in_one_line_and_mended(tmp_path: Path, damage, caplog) -> None:
    made = prepared("toy", _arrays, cache=tmp_path)
    damage(made.folder)
    _fresh_process()
    mended = prepared("toy", _arrays, cache=tmp_path)
    assert np.array_equal(mended.array("images"), _arrays()["images"])
    assert mended == made
    [line] = caplog.messages
    assert "making it again" in line
    assert "\n" not in line
    assert [entry.name for entry in tmp_path.iterdir()] == ["toy"], "nothing else is left behind"


def test_a_maker_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        prepared("toy", _never, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_a_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="NEVIS_HARNESS_CACHE"):
        prepared("toy", _arrays, cache=tmp_path / "file")


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEVIS_HARNESS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "nevis-harness"
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


PREPARE_MANY = """
import sys
from pathlib import Path
import numpy as np
from streams.data.prepared import prepared
arrays = {"images": np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1), "labels": np.array([0, 1, 1])}
for i in range(20):
    print(prepared(f"set{i}", lambda: arrays, cache=Path(sys.argv[1])).digest("images", "labels"))
"""


def test_processes_that_prepare_at_once_all_get_the_whole_set(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PREPARE_MANY, str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    digests = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(set(digests)) == 1
    assert len(digests[0].splitlines()) == 20
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(f"set{i}" for i in range(20))
