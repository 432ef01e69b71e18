"""What lies in a folder is told by its names, in whatever way people and their systems leave it there."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import UserError
from harness.core.task import Split
from streams.data.contents import contents, split_named
from streams.data.folders import folder_arrays


def _files(place: Path, n: int = 4, *, ending: str = "png", level: int = 0) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.new("RGB", (8, 8), (level, i, len(place.parts))).save(place / f"{i}.{ending}")
    return place


def _classes(place: Path, *names: str, n: int = 4, level: int = 0) -> Path:
    for k, name in enumerate(names):
        _files(place / name, n, level=level + 20 * k)
    return place


@pytest.mark.parametrize(
    ("folders", "parts"),
    [
        (("train", "test"), ("train", "test")),
        (("Training", "TESTING"), ("train", "test")),
        (("train", "valid", "test"), ("train", "val", "test")),
        (("train", "validation"), ("train", "val")),
        (("train2017", "val2017"), ("train", "val")),
        (("train_images", "dev-set", "evaluation"), ("train", "val", "test")),
        (("testset", "trainset"), ("train", "test")),
        (("train", "dev", "dev_test", "test"), ("train", "val", "dev_test", "test")),
        (("01 train", "02 holdout"), ("train", "test")),
    ],
)
def test_split_folders_go_by_any_of_their_usual_names(tmp_path, folders, parts) -> None:
    for name in folders:
        _classes(tmp_path / name, "cat", "dog")
    found = contents(tmp_path)
    assert (found.names, found.classes) == (parts, ("cat", "dog"))
    assert [len(part) for part in found.parts] == [8] * len(parts)


def test_splits_inside_the_classes_are_splits_as_well(tmp_path) -> None:
    for name in ("cat", "dog"):
        _files(tmp_path / name / "Train", 6)
        _files(tmp_path / name / "test", 2)
    found = contents(tmp_path)
    assert (found.names, found.classes) == (("train", "test"), ("cat", "dog"))
    assert [len(part) for part in found.parts] == [12, 4]


def test_a_vehicle_called_train_is_a_class(tmp_path) -> None:
    assert contents(_classes(tmp_path, "bus", "train", "car")).classes == ("bus", "car", "train")
    assert split_named("test tube") is None
    assert split_named("trainers") is None


def test_one_train_folder_alone_is_cut_as_a_whole(tmp_path) -> None:
    _classes(tmp_path / "train", "cat", "dog")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "all.json").write_text("{}")
    found = contents(tmp_path)
    assert (found.names, found.classes, found.passed_over) == (("all",), ("cat", "dog"), {".json": 1})


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (("train", "Train"), "both mean train"),
        (("train", "val", "validation"), "both mean val"),
        (("train", "test", "extra"), "others \\(extra\\); expected only splits or only classes"),
        (("val", "test"), "no train folder"),
        (("train", "dev_test"), "beside dev_test"),
    ],
)
def test_folders_of_two_meanings_are_refused(tmp_path, folders, said) -> None:
    for name in folders:
        _classes(tmp_path / name, "cat", "dog")
    with pytest.raises(UserError, match=said):
        contents(tmp_path)


def test_classes_of_which_some_hold_splits_are_refused(tmp_path) -> None:
    _files(tmp_path / "cat" / "train")
    _files(tmp_path / "cat" / "test")
    _files(tmp_path / "dog")
    with pytest.raises(UserError, match="cat hold split folders and dog do not"):
        contents(tmp_path)


@pytest.mark.parametrize(
    "left",
    [
        "._0.png",
        ".hidden/1.png",
        "cat/._0.png",
        "cat/.ipynb_checkpoints/0-checkpoint.png",
        "__MACOSX/cat/._0.png",
        "__macosx/cat/0.png",
        "cat/@eaDir/0.png/SYNOPHOTO_THUMB.jpg",
        "cat/deeper/__MACOSX/1.png",
        "$RECYCLE.BIN/x.png",
        "cat/Thumbs.db",
    ],
)
@pytest.mark.parametrize("where", ["", "train"])
def test_what_systems_and_editors_leave_behind_is_not_looked_at(tmp_path, left, where) -> None:
    for part in ("train", "test") if where else ("",):
        _classes(tmp_path / part, "cat", "dog")
    before = contents(tmp_path)
    (tmp_path / where / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / where / left).write_bytes(b"\0\5\x16\7")
    assert contents(tmp_path) == before


def test_links_are_followed_and_loops_are_not(tmp_path) -> None:
    _classes(tmp_path / "store", "x", "dog")
    _files(tmp_path / "store" / "x" / "deeper", 2, level=7)
    set_ = tmp_path / "set"
    set_.mkdir()
    (set_ / "cat").symlink_to(tmp_path / "store" / "x")
    (set_ / "dog").mkdir()
    for file in (tmp_path / "store" / "dog").iterdir():
        (set_ / "dog" / file.name).symlink_to(file)
    (tmp_path / "store" / "x" / "deeper" / "back").symlink_to(tmp_path / "store" / "x")
    (set_ / "dog" / "all").symlink_to(set_)
    found = contents(set_)
    assert found.classes == ("cat", "dog")
    assert [label for _, label in found.files()] == [0] * 6 + [1] * 4


def test_a_link_that_leads_nowhere_is_said(tmp_path) -> None:
    _classes(tmp_path, "cat", "dog")
    (tmp_path / "cat" / "9.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(UserError, match=r"9\.png leads nowhere"):
        contents(tmp_path)


@pytest.mark.parametrize("ending", ["jfif", "jpe", "JPG", "webp", "bmp", "tga", "jp2", "avif", "ico", "pbm"])
def test_what_pillow_reads_is_an_image(tmp_path, ending) -> None:
    _classes(tmp_path, "cat", "dog")
    Image.new("RGB", (16, 16), (200, 0, 0)).convert("1" if ending == "pbm" else "RGB").save(
        tmp_path / "cat" / f"x.{ending}", format="JPEG" if ending in ("jfif", "jpe", "JPG") else None
    )
    assert len(list(contents(tmp_path).files())) == 9
    assert len(folder_arrays(tmp_path)["labels"]) == 9


def test_what_is_passed_over_is_one_line(tmp_path, caplog) -> None:
    _classes(tmp_path, "cat", "dog")
    for name in ("cat/a.txt", "cat/b.txt", "dog/c.heic", "dog/d", "e.csv"):
        (tmp_path / name).write_text("?")
    _files(tmp_path, 1)
    folder_arrays(tmp_path)
    (line,) = (line for line in caplog.messages if "passed over" in line)
    assert line.endswith("passed over 2 .txt, 1 .csv, 1 .heic, 1 images outside the classes, 1 no ending")


def test_train_and_validation_without_test_score_on_the_validation(tmp_path) -> None:
    _classes(tmp_path / "train", "cat", "dog", n=20)
    _classes(tmp_path / "val", "cat", "dog", n=5, level=100)
    arrays = folder_arrays(tmp_path)
    assert [len(arrays[str(split)]) for split in Split] == [28, 6, 6, 10]


def test_the_four_splits_by_name_are_taken_as_they_are(tmp_path) -> None:
    for k, (name, n) in enumerate((("train", 5), ("dev", 2), ("dev_test", 3), ("test", 4))):
        _classes(tmp_path / name, "cat", "dog", n=n, level=50 * k)
    arrays = folder_arrays(tmp_path)
    assert [len(arrays[str(split)]) for split in Split] == [10, 4, 6, 8]


def test_equal_images_stay_in_one_split_and_are_said(tmp_path, caplog) -> None:
    for k, name in enumerate(("cat", "dog")):
        for i in range(20):
            image = Image.new("RGB", (8, 8), (100 * k, 5 * i, 7))
            (tmp_path / name).mkdir(exist_ok=True)
            image.save(tmp_path / name / f"{i}.png")
            image.save(tmp_path / name / f"again {i}.bmp")
    arrays = folder_arrays(tmp_path)
    pixels = [image.tobytes() for image in arrays["images"]]
    held = [{pixels[i] for i in arrays[str(split)]} for split in Split]
    assert sum(map(len, held)) == 40, "no image in two splits"
    assert [len(arrays[str(split)]) for split in Split] == [44, 10, 10, 16]
    assert any("40 images equal another one" in line and "stay in one split" in line for line in caplog.messages)


def test_equal_images_in_two_official_splits_or_classes_are_said_and_left(tmp_path, caplog) -> None:
    _classes(tmp_path / "train", "cat", "dog", n=8)
    _classes(tmp_path / "test", "cat", "dog", n=4, level=100)
    for place in ("test/cat/again.png", "train/dog/again.png"):
        (tmp_path / place).write_bytes((tmp_path / "train" / "cat" / "0.png").read_bytes())
    arrays = folder_arrays(tmp_path)
    assert len(arrays["test"]) == 9
    (line,) = (line for line in caplog.messages if "equal another" in line)
    assert "1 lie in two official splits" in line
    assert "1 stand under two classes" in line


def test_a_split_that_would_be_empty_is_said(tmp_path) -> None:
    with pytest.raises(UserError, match="4 images, at most 2 a class, leave the split dev and dev_test empty"):
        folder_arrays(_classes(tmp_path, "cat", "dog", n=2))


def test_a_name_too_long_for_the_system_is_one_line(tmp_path) -> None:
    with pytest.raises(UserError, match="cannot read folder"):
        contents(tmp_path / ("x" * 400))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_that_may_not_be_read_is_said(tmp_path) -> None:
    _classes(tmp_path, "cat", "dog")
    (tmp_path / "cat").chmod(0)
    try:
        with pytest.raises(UserError, match="cannot read folder"):
            contents(tmp_path)
    finally:
        (tmp_path / "cat").chmod(0o700)


def test_files_are_in_one_order_whatever_the_system_lists_first(tmp_path) -> None:
    _classes(tmp_path, "b", "a", n=12)
    names = [file.name for file, label in contents(tmp_path).files() if label == 0]
    assert names == sorted(names)
    assert np.all(np.diff([label for _, label in contents(tmp_path).files()]) >= 0)
