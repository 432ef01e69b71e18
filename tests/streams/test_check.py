"""What would make results wrong is counted before anything is spent, and can be left out."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import Harness
from PIL import Image

from harness.config.registry import make
from harness.core.errors import UserError
from harness.core.task import Split
from streams.check import check, folders
from streams.data.duplicates import NEAR, distances, sketches


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NEVIS_HARNESS_DATA", str(tmp_path / "data"))


def _picture(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    return Image.fromarray(grid).resize((64, 64), Image.Resampling.BICUBIC)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Train and test of two classes, all images different."""
    for part, n in (("train", 20), ("test", 4)):
        for k, name in enumerate(("cat", "dog")):
            (tmp_path / "a" / part / name).mkdir(parents=True)
            for i in range(n):
                _picture(1000 * n + 100 * k + i).save(tmp_path / "a" / part / name / f"{i}.png")
    (tmp_path / "s.toml").write_text('[[task]]\nname = "t"\nfolder = "a"\ndomain = "object"\n')
    return tmp_path


def _spec(place: Path) -> str:
    return f"folder:{place}/s.toml"


def test_a_sound_set_has_nothing_wrong(place: Path) -> None:
    (found,) = check(_spec(place))
    assert not found.wrong
    assert found.sizes == {"train": 28, "dev": 6, "dev_test": 6, "test": 8}
    assert list(found.lines()) == ["images of 64 x 64 pixels"]


def test_images_stored_with_another_side_are_checked_alike(place: Path) -> None:
    _picture(90).save(place / "a" / "train" / "cat" / "x.png")
    _picture(90).save(place / "a" / "test" / "cat" / "x.bmp")
    usual, large = check(_spec(place)), check(f"folder(name='{place}/s.toml', side=100)")
    assert large == usual
    assert list(large[0].equal.values()) == [1]


def test_equal_near_and_contradicting_images_are_counted(place: Path) -> None:
    train, test = place / "a" / "train", place / "a" / "test"
    for i in range(3):
        _picture(90 + i).save(train / "cat" / f"x{i}.png")
        _picture(90 + i).save(test / "cat" / f"x{i}.bmp")
    for i in range(2):
        _picture(80 + i).save(train / "dog" / f"y{i}.png")
        _picture(80 + i).save(test / "dog" / f"y{i}.jpg", quality=90)
    _picture(90).save(test / "dog" / "x.png")
    (found,) = check(_spec(place))
    counts = [sum(n for pair, n in pairs.items() if pair.endswith("/test")) for pairs in (found.equal, found.near)]
    assert counts == [4, 1], "the other one is in dev_test, from which nothing is learnt"
    assert (found.repeated, found.contradicting, found.wrong) == (1, 1, True)


def test_every_file_that_cannot_be_read_is_listed(place: Path, harness: Harness) -> None:
    for name, content in (("cat/bad.png", b"no"), ("dog/empty.jpg", b"")):
        (place / "a" / "train" / name).write_bytes(content)
    said = harness("data", "check", _spec(place), code=1)
    assert "bad.png is not an image" in said.stdout and "empty.jpg is empty" in said.stdout
    assert "1 of 1 tasks would give wrong results" in said.stderr
    (found,) = json.loads(harness("data", "check", _spec(place), "--json", code=1).stdout)
    assert found["wrong"] and len(found["unreadable"]) == 2


def test_a_class_that_a_split_lacks_is_named(place: Path) -> None:
    for file in (place / "a" / "test" / "dog").iterdir():
        file.rename(place / "a" / "test" / "cat" / f"was {file.name}")
    (place / "a" / "test" / "dog").rmdir()
    for k in range(8):
        (place / "a" / "test" / "owl").mkdir(exist_ok=True)
        (place / "a" / "train" / "owl").mkdir(exist_ok=True)
        _picture(500 + k).save(place / "a" / "train" / "owl" / f"{k}.png")
        _picture(600 + k).save(place / "a" / "test" / "owl" / f"{k}.png")
    (found,) = check(_spec(place))
    assert found.missing == {"test": [1]}
    assert "test has no image of 1 of 3 classes: 1" in list(found.lines())


def test_distinct_leaves_out_what_was_counted_and_nothing_else(place: Path) -> None:
    train, test = place / "a" / "train", place / "a" / "test"
    for i in range(3):
        _picture(90 + i).save(train / "cat" / f"x{i}.png")
        _picture(90 + i).save(test / "cat" / f"x{i}.png")
    _picture(80).save(train / "dog" / "y.png")
    _picture(80).save(test / "dog" / "y.jpg", quality=90)
    whole = make("streams", _spec(place)).tasks[0]
    for near, kinds in ((False, ("equal",)), (True, ("equal", "near"))):
        spec = f"distinct(stream='{_spec(place)}', near={near})"
        (task,) = make("streams", spec)
        (before,), (after,) = check(_spec(place)), check(spec)
        counted = sum(n for kind in kinds for pair, n in getattr(before, kind).items() if pair.startswith("train/"))
        assert whole.sizes[Split.TRAIN] - task.sizes[Split.TRAIN] == counted
        assert not any(pair.startswith("train/") for kind in kinds for pair in getattr(after, kind))
        assert [task.sizes[split] for split in list(Split)[1:]] == [whole.sizes[split] for split in list(Split)[1:]]
        assert len(task.load(Split.TRAIN)) == task.sizes[Split.TRAIN]
        assert task.digest != whole.digest


def test_distinct_of_a_sound_stream_is_that_stream(place: Path) -> None:
    stream = make("streams", f"distinct(stream='{_spec(place)}')")
    assert [task.digest for task in stream] == [task.digest for task in make("streams", _spec(place))]
    assert make("streams", stream.name).fingerprint() == stream.fingerprint()


def test_where_all_of_train_is_in_test_nothing_is_left(place: Path) -> None:
    for name in ("cat", "dog"):
        for i in range(20):
            (place / "a" / "test" / name / f"again {i}.png").write_bytes(
                (place / "a" / "train" / name / f"{i}.png").read_bytes()
            )
    with pytest.raises(UserError, match="every training image of task 't'"):
        make("streams", f"distinct(stream='{_spec(place)}')")


def test_a_copy_saved_again_is_near_and_another_image_is_not() -> None:
    images = np.stack([np.asarray(_picture(seed)) for seed in range(20)])
    moved = np.clip(images.astype(int) + np.random.default_rng(0).integers(-9, 9, images.shape), 0, 255)
    assert (distances(sketches(moved.astype(np.uint8)), sketches(images)) < NEAR).all()
    assert (distances(sketches(images[:10]), sketches(images[10:])) > 2 * NEAR).all()
    blank = np.full((2, 64, 64, 3), 255, np.uint8)
    assert np.isinf(distances(sketches(blank), sketches(blank))).all(), "blank images are near to nothing"
    assert np.isinf(distances(sketches(images), sketches(images[:0]))).all()


def test_the_folders_of_a_stream_are_found_inside_another_spec_too(place: Path) -> None:
    for spec in (_spec(place), f"capped(stream='{_spec(place)}', train=4)", f"folder(name='{place}/s.toml')"):
        assert folders(spec) == {"t": place / "a"}
    assert folders("nevis-mini") == {}
    assert folders("nevis22") == {}


def test_a_stream_of_arrays_is_checked_as_well() -> None:
    found = {one.task: one for one in check("tiny:bars")}
    assert all(one.num_classes and one.sizes for one in found.values())
