"""A set that is usually cut in one way is cut in that way: by lists, so many a class, by names, or by order."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import UserError
from harness.core.task import Split
from streams.data.contents import contents
from streams.data.folders import folder_arrays, folder_stamp
from streams.data.protocol import Protocol, cut


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two classes of ten images, called by two places and a number, each a colour of its own."""
    for k, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for i in range(10):
            where = ("city", "farm")[i % 2]
            Image.new("RGB", (8, 8), (100 * k, 20 * i, 0)).save(tmp_path / name / f"{where}_{i // 2:02}_{i:03}.png")
    return tmp_path


def _names(found, part: str) -> list[str]:
    return [file.name for file, _ in found.parts[found.names.index(part)]]


def test_so_many_a_class_are_for_training_and_the_rest_is_the_test(place: Path) -> None:
    found = cut(contents(place), Protocol(train_per_class=6))
    assert [len(part) for part in found.parts] == [12, 8]
    assert [len(folder_arrays(place, Protocol(train_per_class=6))[str(split)]) for split in Split] == [8, 2, 2, 8]


def test_so_many_a_class_are_drawn_by_whole_groups_where_images_belong_together(place: Path) -> None:
    found = cut(contents(place), Protocol(train_per_class=5, together=r"_(\d\d)_"))
    train, test = ({(file.parent.name, file.stem[5:7]) for file, _ in part} for part in found.parts)
    assert [len(part) for part in found.parts] == [12, 8], "three pairs of each class"
    assert not train & test


def test_images_whose_names_say_so_are_the_test_and_halved_where_that_is_usual(place: Path) -> None:
    found = cut(contents(place), Protocol(test_files="/farm"))
    assert all(name.startswith("farm") for name in _names(found, "test"))
    assert all(name.startswith("city") for name in _names(found, "train"))
    arrays = folder_arrays(place, Protocol(test_files="/farm", halve_test=True))
    assert [len(arrays[str(split)]) for split in Split] == [8, 2, 5, 5]
    assert sorted([*arrays["dev_test"], *arrays["test"]]) == list(range(10, 20))


def test_views_are_cut_by_the_number_in_their_name(place: Path) -> None:
    found = cut(contents(place), Protocol(in_order=(2, 3, 1)))
    assert found.names == ("train", "val", "dev_test", "test")
    numbers = [[int(Path(name).stem[-3:]) for name in _names(found, part)] for part in found.names]
    assert [sorted(set(part)) for part in numbers] == [[0, 1], [2, 3, 4], [5], [6, 7, 8, 9]]


@pytest.mark.parametrize("official", [False, True])
def test_what_belongs_together_is_in_one_split(tmp_path: Path, official: bool) -> None:
    for part, n in (("train", 40), ("test", 4)) if official else (("", 40),):
        for k, name in enumerate(("a", "b")):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(n):
                image = Image.new("RGB", (8, 8), (90 * k, 6 * i, len(part)))
                image.save(tmp_path / part / name / f"{i // 4:05}_{i % 4:05}.png")
    protocol = Protocol(together=r"^(\d+)_\d+$")
    arrays = folder_arrays(tmp_path, protocol)
    tracks = np.arange(len(arrays["labels"])) // 4
    cut_off = [Split.TRAIN, Split.DEV, Split.DEV_TEST]
    held = [set(tracks[arrays[str(split)]]) for split in cut_off]
    assert sum(map(len, held)) == len(set.union(*held)), "no track in two splits"
    assert all(held)
    assert folder_stamp(contents(tmp_path), protocol) != folder_stamp(contents(tmp_path))


@pytest.mark.parametrize("form", ["{0}/{1}.png", "{0}/{1}", "./{0}/{1}.png 3"])
@pytest.mark.parametrize("where", ["test.txt", "meta/test1.txt"])
def test_a_list_of_files_is_an_official_test(place: Path, form: str, where: str) -> None:
    listed = [("cat", "city_00_000"), ("dog", "farm_04_009")]
    (place / where).parent.mkdir(exist_ok=True)
    (place / where).write_text("\n".join(form.format(*one) for one in listed) + "\n\n")
    found = cut(contents(place), Protocol(train_per_class=3))
    assert _names(found, "test") == ["city_00_000.png", "farm_04_009.png"]
    assert len(found.parts[0]) == 18


def test_lists_of_all_parts_leave_out_what_none_of_them_names(place: Path) -> None:
    for part, numbers in (("train", range(5)), ("val", range(5, 7)), ("test", range(7, 9))):
        names = [f"{c}/{('city', 'farm')[i % 2]}_{i // 2:02}_{i:03}.png" for c in ("cat", "dog") for i in numbers]
        (place / f"{part}.txt").write_text("\n".join(names))
    found = cut(contents(place), Protocol())
    assert [len(part) for part in found.parts] == [10, 4, 4]


def test_a_list_that_names_what_is_not_there_is_said(place: Path) -> None:
    (place / "test.txt").write_text("cat/nowhere.png\n")
    with pytest.raises(UserError, match=r"test\.txt lists 'cat/nowhere\.png'"):
        folder_arrays(place)


def test_split_folders_stand_whatever_the_protocol(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(4):
                Image.new("RGB", (8, 8), (i, len(part), ord(name))).save(tmp_path / part / name / f"{i}.png")
    assert cut(contents(tmp_path), Protocol(train_per_class=1)) == contents(tmp_path)


def test_a_protocol_that_leaves_nothing_for_a_part_is_refused(place: Path) -> None:
    with pytest.raises(UserError, match="leaves test without images"):
        folder_arrays(place, Protocol(train_per_class=30))


def test_a_folder_called_images_that_holds_all_is_looked_into(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (8, 8), (i, len(name), ord(name[0]))).save(tmp_path / "images" / name / f"{i}.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "test1.txt").write_text("cat/1.png\ndog/2.png\n")
    found = cut(contents(tmp_path), Protocol())
    assert found.classes == ("cat", "dog")
    assert [len(part) for part in found.parts] == [6, 2]
