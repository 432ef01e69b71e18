"""A folder of images becomes a task, whatever odd images lie in it."""

import hashlib
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image

from harness.config.notation import Written
from harness.config.registry import make
from harness.config.suite import build_suite
from harness.core.errors import UserError
from harness.core.spec import Setting
from harness.core.task import Kind, Phase, Provenance, Split
from harness.storage.cache import cache_folder
from streams.data import hashes
from streams.data.contents import contents
from streams.data.folders import folder_arrays
from streams.data.images import color
from streams.folder import folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path / "cache"))


def _save(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def _classes(place: Path, *names: str, n: int = 10) -> Path:
    for k, name in enumerate(names):
        for i in range(n):
            _save(place / name / f"{i}.png", Image.new("RGB", (20 + i, 30), (80 * k, 10 * i, 200)))
    return place


def _declare(place: Path, text: str) -> str:
    (place / "stream.toml").write_text(text)
    return str(place / "stream.toml")


TWO = """
[[task]]
name = "later"
folder = "b"
year = 2021
domain = "object"
held_out = true

[[task]]
name = "sooner"
folder = "a"
year = 2010
domain = "texture"
"""


def test_folders_declared_in_toml_are_tasks_in_order_of_year(tmp_path) -> None:
    _classes(tmp_path / "a", "cat", "dog")
    _classes(tmp_path / "b", "x", "y", "z")
    name = _declare(tmp_path, TWO)
    stream = folder(name=name)
    assert [(t.name, t.year, t.kind, t.num_classes, t.phase) for t in stream] == [
        ("sooner", 2010, Kind.BINARY, 2, Phase.DEVELOPMENT),
        ("later", 2021, Kind.MULTICLASS, 3, Phase.HELD_OUT),
    ]
    assert {t.provenance for t in stream} == {Provenance.REAL}
    assert make("streams", stream.name).fingerprint() == stream.fingerprint()
    data = stream.tasks[0].load(Split.TRAIN)
    assert data.images.shape[1:] == (64, 64, 3)
    assert (data.images[:, 32, 32, 0] == 80 * data.labels).all(), "class 0 is cat, class 1 dog, by name"


def test_another_image_is_another_fingerprint(tmp_path) -> None:
    _classes(tmp_path / "a", "cat", "dog")
    _classes(tmp_path / "b", "x", "y")
    name = _declare(tmp_path, TWO)
    before = folder(name=name).fingerprint()
    _save(tmp_path / "a" / "cat" / "new.png", Image.new("RGB", (9, 9)))
    assert folder(name=name).fingerprint() != before


def test_train_and_test_folders_keep_the_test_and_cut_the_rest_70_15_15(tmp_path) -> None:
    _classes(tmp_path / "train", "cat", "dog", n=20)
    _classes(tmp_path / "test", "cat", "dog", n=7)
    arrays = folder_arrays(tmp_path)
    assert [len(arrays[str(split)]) for split in Split] == [28, 6, 6, 14]
    assert arrays["test"].tolist() == list(range(40, 54))


def test_a_class_of_one_image_is_for_training(tmp_path) -> None:
    _classes(tmp_path, "cat", "dog")
    _save(tmp_path / "owl" / "0.png", Image.new("RGB", (9, 9), (1, 2, 3)))
    arrays = folder_arrays(tmp_path)
    assert np.flatnonzero(arrays["labels"] == 2).item() in arrays["train"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (5, 9), 7), (7, 7, 7)),
        (Image.new("RGBA", (5, 9), (255, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (5, 9), (200, 0, 0, 255)), (200, 0, 0)),
        (Image.new("RGB", (1, 1), (1, 2, 3)), (1, 2, 3)),
        (Image.new("1", (3, 3), 1), (255, 255, 255)),
        (Image.new("I;16", (4, 4), 32768), (128, 128, 128)),
        (Image.new("LA", (4, 4), (50, 255)), (50, 50, 50)),
        (Image.new("CMYK", (4, 4), (0, 0, 0, 0)), (255, 255, 255)),
    ],
    ids=["grey", "transparent", "opaque RGBA", "1 x 1", "black and white", "16 bits", "grey with alpha", "CMYK"],
)
def test_an_image_of_any_mode_and_size_is_64_px_rgb(image, expected) -> None:
    found = color(image)
    assert found.shape == (64, 64, 3)
    assert found.dtype == np.uint8
    assert (found.reshape(-1, 3) == expected).all()


def test_other_files_are_passed_over(tmp_path) -> None:
    _classes(tmp_path, "cat", "dog")
    (tmp_path / "cat" / "notes.txt").write_text("about cats")
    (tmp_path / "cat" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / ".git").mkdir()
    (tmp_path / "readme.md").write_text("two classes")
    assert len(folder_arrays(tmp_path)["labels"]) == 20


@pytest.mark.parametrize("content", [b"no image at all", b"", None], ids=["text", "empty", "truncated"])
def test_an_image_that_cannot_be_read_is_named_in_one_line(tmp_path, content) -> None:
    _classes(tmp_path, "cat", "dog")
    bad = tmp_path / "dog" / "bad.png"
    _save(bad, Image.effect_noise((90, 90), 50))
    bad.write_bytes(bad.read_bytes()[:2000] if content is None else content)
    with pytest.raises(UserError, match=r"bad\.png") as caught:
        folder_arrays(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("cat", "Cat"), "two classes of one name"),
        (("caf\u00e9", "cafe\u0301"), "two classes of one name"),
        (("cat",), "two or more"),
        ((), "two or more"),
    ],
)
def test_names_that_do_not_tell_classes_apart_are_refused(tmp_path, names, told) -> None:
    _classes(tmp_path, *names)
    with pytest.raises(UserError, match=told):
        folder_arrays(tmp_path)


def test_a_class_without_images_is_refused(tmp_path) -> None:
    _classes(tmp_path, "cat", "dog")
    (tmp_path / "owl").mkdir()
    with pytest.raises(UserError, match="owl holds no image"):
        folder_arrays(tmp_path)


def test_a_class_only_the_test_has_is_refused(tmp_path) -> None:
    _classes(tmp_path / "train", "cat", "dog")
    _classes(tmp_path / "test", "cat", "owl")
    with pytest.raises(UserError, match="'owl'"):
        folder_arrays(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[task]]\nname = 'a'\nfoldr = 'a'\nyear = 1\ndomain = 'x'", "did you mean 'folder'"),
        ("[[task]]\nname = 'a'\nfolder = 'a'\nyear = 'x'\ndomain = 'x'", "year"),
        ("[[tsk]]\nname = 'a'", "did you mean 'task'"),
        ("task = [", "is not TOML"),
        ("", "task"),
        (TWO.replace("later", "sooner"), "two tasks are called"),
        (TWO, "no folder"),
    ],
)
def test_a_wrong_declaration_is_one_line(tmp_path, text, told) -> None:
    with pytest.raises(UserError, match=told) as caught:
        folder(name=_declare(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.toml"):
        folder(name=str(tmp_path / "nowhere.toml"))


ONE = '[[task]]\nname = "t"\nfolder = "a"\ndomain = "object"\n'


def test_the_same_content_is_one_stream_however_its_place_is_written(tmp_path, monkeypatch) -> None:
    _classes(tmp_path / "here" / "a", "cat", "dog")
    path = _declare(tmp_path / "here", ONE)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    (tmp_path / "link").symlink_to(tmp_path / "here")
    (tmp_path / "there" / "other.toml").write_text(ONE.replace('"a"', f'"{tmp_path / "link" / "a"}"'))
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    places = [path, "stream.toml", "./stream.toml", "../link/stream.toml", "~/here/stream.toml"]
    places += [str(tmp_path / "there" / name) for name in ("stream.toml", "other.toml")]
    found = [make("streams", f"folder:{place}") for place in places]
    assert len({stream.fingerprint() for stream in found}) == 1
    assert {stream.title for stream in found} == {"folder:stream.toml", "folder:other.toml"}
    parts = [make("streams", str(Written("capped", {"stream": f"folder:{place}", "train": 4}))) for place in places]
    assert len({stream.fingerprint() for stream in parts}) == 1
    monkeypatch.chdir(tmp_path)
    assert all(make("streams", stream.name).fingerprint() == stream.fingerprint() for stream in (*found, *parts))


def test_the_place_is_in_no_key_and_no_folder_of_results(tmp_path, monkeypatch) -> None:
    _classes(tmp_path / "a", "cat", "dog")
    path = _declare(tmp_path, ONE)
    monkeypatch.chdir(tmp_path)
    keys, folders = set(), set()
    for place in ("stream.toml", path):
        suite = build_suite(
            name="s", about="", streams=[f"folder:{place}"], strategies=["tiny:Finetune"], budgets=["1ep"], seeds=[0],
            setting=Setting(backbone="tiny:net", size=16),
        )  # fmt: skip
        (spec,) = suite.specs()
        keys.add(spec.key)
        folders.add(spec.folder)
    assert len(keys) == len(folders) == 1
    assert str(tmp_path.name) not in folders.pop()


@pytest.mark.parametrize("name", ["a b/s (1).toml", "lr=0.1, x/s.toml", "it's/2025.toml", 'a"b/ü.toml', "stream"])
def test_what_follows_folder_is_a_path_whatever_its_signs(tmp_path, name, monkeypatch) -> None:
    _classes((tmp_path / name).parent / "a", "cat", "dog")
    (tmp_path / name).write_text(ONE)
    monkeypatch.chdir(tmp_path)
    stream = make("streams", f"folder:{name}")
    assert make("streams", stream.name).fingerprint() == stream.fingerprint()
    inside = make("streams", str(Written("capped", {"stream": f"folder:{name}", "train": 4})))
    assert inside.tasks[0].sizes[Split.TRAIN] == 4


def test_a_file_written_again_in_its_size_and_time_is_another_image(tmp_path) -> None:
    _classes(tmp_path / "a", "cat", "dog")
    name = _declare(tmp_path, ONE)
    file = tmp_path / "a" / "cat" / "0.bmp"
    _save(file, Image.new("RGB", (8, 8), (1, 2, 3)))
    before, facts = folder(name=name).fingerprint(), file.stat()
    _save(file, Image.new("RGB", (8, 8), (9, 9, 9)))
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (facts.st_size, facts.st_mtime_ns)
    assert folder(name=name).fingerprint() != before


def test_two_sets_of_one_name_size_and_time_are_two(tmp_path) -> None:
    fingerprints = set()
    for where, level in (("x", 10), ("y", 20)):
        for k, name in enumerate(("cat", "dog")):
            for i in range(4):
                file = tmp_path / where / "images" / name / f"{i}.bmp"
                _save(file, Image.new("RGB", (8, 8), (level, 50 * k, i)))
                os.utime(file, ns=(10**18, 10**18))
        (tmp_path / f"{where}.toml").write_text(ONE.replace('"a"', f'"{where}/images"'))
        fingerprints.add(folder(name=str(tmp_path / f"{where}.toml")).fingerprint())
    assert len(fingerprints) == 2


def test_files_are_not_read_again_where_nothing_was_written(tmp_path, monkeypatch) -> None:
    place = _classes(tmp_path / "a", "cat", "dog")
    files = [file for file, _ in contents(place).files()]
    monkeypatch.setattr(time, "time_ns", lambda: 2**62)
    first = hashes.content_hashes(place, files)
    monkeypatch.setattr(hashlib, "file_digest", _never)
    assert hashes.content_hashes(place, files) == first


def _never(*_: object) -> None:
    raise AssertionError("a file was read again")


def test_tasks_without_years_are_met_as_they_stand_and_some_without_are_refused(tmp_path) -> None:
    for name in ("a", "b"):
        _classes(tmp_path / name, "cat", "dog")
    text = TWO.replace("year = 2021\n", "").replace("year = 2010\n", "")
    assert [(task.name, task.year) for task in folder(name=_declare(tmp_path, text))] == [("later", 1), ("sooner", 2)]
    with pytest.raises(UserError, match="task 'later' has no year and others have"):
        folder(name=_declare(tmp_path, TWO.replace("year = 2021\n", "")))


def test_a_task_with_too_few_images_is_named_before_anything_runs(tmp_path) -> None:
    _classes(tmp_path / "a", "cat", "dog", n=2)
    with pytest.raises(UserError, match=r"task 't': .*4 images, at most 2 a class"):
        folder(name=_declare(tmp_path, ONE))


@pytest.mark.parametrize(
    "encoded",
    [
        lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
        lambda text: text.encode("utf-16"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: text.encode("utf-16-le"),
    ],
    ids=["UTF-8 with mark, CRLF", "UTF-16", "UTF-16 big end", "UTF-16 without mark"],
)
def test_a_file_that_any_editor_wrote_is_read(tmp_path, encoded) -> None:
    _classes(tmp_path / "ä", "cat", "dog")
    (tmp_path / "s.toml").write_bytes(encoded(ONE.replace('"a"', '"ä"')))
    assert len(folder(name=str(tmp_path / "s.toml"))) == 1


def test_a_file_in_no_unicode_is_told_how_to_be_saved(tmp_path) -> None:
    (tmp_path / "s.toml").write_bytes(ONE.replace('"a"', '"ä"').encode("latin-1"))
    with pytest.raises(UserError, match="save it as UTF-8"):
        folder(name=str(tmp_path / "s.toml"))


def test_without_a_home_folder_the_place_of_the_cache_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "NEVIS_HARNESS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", _no_entry)
    with pytest.raises(UserError, match="set NEVIS_HARNESS_CACHE"):
        cache_folder()
    with pytest.raises(UserError, match=r"cannot read ~/x\.toml"):
        folder(name="~/x.toml")


def _no_entry(_: int) -> None:
    raise KeyError("uid not found")


def test_a_run_without_standard_streams_beside_files_named_as_our_packages(tmp_path) -> None:
    for name in ("strategies", "streams", "reports"):
        (tmp_path / f"{name}.py").write_text("mine = 1\n")
    code = "import sys; from harness.cli import main; main(sys.argv[1:])"
    arguments = ["run", "smoke", "--stream", "tiny:bars", "--strategy", "ncm", "--budget", "1ep", "--seeds", "1"]
    arguments += ["--backbone", "tiny:net", "--size", "16", "--jobs", "1", "--out", "out"]
    plugins = os.pathsep.join([str(Path(tiny.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = shlex.join([sys.executable, "-c", code, *arguments])
    subprocess.run(
        ["sh", "-c", f"{command} <&- >&-"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": plugins}, check=True
    )
    assert list((tmp_path / "out").rglob("events.jsonl"))


def test_ones_own_file_with_a_name_of_ours_is_asked_to_have_another(tmp_path, monkeypatch) -> None:
    (tmp_path / "strategies.py").write_text("class Mine: ...\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"not the strategies\.py here; give that file another name"):
        make("strategies", "strategies:Mine")


def test_a_task_may_say_how_its_folder_is_cut(tmp_path) -> None:
    _classes(tmp_path / "a", "cat", "dog", n=12)
    sizes = {}
    for extra in ("", "train_per_class = 8", "test_files = '/[01]'"):
        (task,) = folder(name=_declare(tmp_path, ONE + extra + "\n"))
        sizes[extra] = [task.sizes[split] for split in Split]
    assert list(sizes.values()) == [[13, 3, 3, 5], [11, 3, 2, 8], [11, 3, 2, 8]]
    with pytest.raises(UserError, match="no regular expression"):
        folder(name=_declare(tmp_path, ONE + "together = '('\n"))


def _noise(place: Path, side: int, n: int = 8) -> Path:
    draws = np.random.default_rng(side)
    for name in ("cat", "dog"):
        for i in range(n):
            pixels = draws.integers(0, 255, (side, side, 3)).astype(np.uint8)
            _save(place / name / f"{i}.png", Image.fromarray(pixels))
    return place


@pytest.mark.parametrize("side", [8, 33, 64, 96])
def test_images_that_have_the_side_already_are_stored_pixel_by_pixel(tmp_path, side) -> None:
    files = sorted(_noise(tmp_path / "a", side).glob("*/*.png"))
    stored = folder_arrays(tmp_path / "a", side=side)["images"]
    assert np.array_equal(stored, [np.asarray(Image.open(file)) for file in files])


def test_another_side_is_another_stream_and_the_usual_one_is_as_if_it_were_not_written(tmp_path) -> None:
    _noise(tmp_path / "a", 32)
    name = _declare(tmp_path, ONE)
    usual, written, small = (folder(name=name), folder(name=name, side=64), folder(name=name, side=32))
    assert (written.name, written.title, written.fingerprint()) == (usual.name, usual.title, usual.fingerprint())
    assert small.fingerprint() != usual.fingerprint()
    assert small.title == "folder(name='stream.toml', side=32)"
    assert make("streams", small.name).fingerprint() == small.fingerprint()
    some = make("streams", str(Written("capped", {"stream": small.name, "train": 4})))
    assert some.tasks[0].load(Split.TRAIN).images.shape == (4, 32, 32, 3)


@pytest.mark.parametrize("side", [0, 7, 1025])
def test_a_side_that_no_image_is_stored_with_is_refused(tmp_path, side) -> None:
    _noise(tmp_path / "a", 8)
    with pytest.raises(UserError, match="expected the side of stored images in pixels, from 8 to 1024"):
        folder(name=_declare(tmp_path, ONE), side=side)
