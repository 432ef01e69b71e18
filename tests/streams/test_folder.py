"""A folder of images becomes a task, whatever odd images lie in it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.config.registry import make
from harness.core.errors import UserError
from harness.core.task import Kind, Phase, Provenance, Split
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
    _classes(tmp_path, "owl", n=1)
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
