"""Real images stand in for emulated ones where they are at hand, and what is missing is said before anything runs."""

import gzip
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
from command import Harness
from PIL import Image

from harness.config.registry import make
from harness.core.errors import UserError
from harness.core.task import Provenance, Split
from streams.data.idx import read_idx
from streams.data.images import SIDE
from streams.data.official import halved_validation, official_splits
from streams.nevis22 import nevis22, real
from streams.nevis22.real import READERS, fashion_mnist, own_folder
from streams.nevis22.table import rows
from streams.official import official
from streams.status import prepare, status

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NEVIS_HARNESS_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(real, "_DEBIAN", tmp_path / "no Debian")


def _idx(path: Path, values: np.ndarray, *, packed: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = bytes((0, 0, 8, values.ndim)) + b"".join(int(n).to_bytes(4, "big") for n in values.shape)
    data = head + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if packed else data)


def _mnist_files(folder: Path, *, n: int = 100, packed: bool = False) -> None:
    """The four files of MNIST and its kin, with ``n`` training images that show their label as their grey level."""
    for part, count in (("train", n), ("t10k", 30)):
        labels = np.arange(count) % 10
        images = np.broadcast_to((labels * 20)[:, None, None], (count, 28, 28)).copy()
        images[:, :5] = 255
        ending = ".gz" if packed else ""
        _idx(folder / f"{part}-images-idx3-ubyte{ending}", images, packed=packed)
        _idx(folder / f"{part}-labels-idx1-ubyte{ending}", labels, packed=packed)


def test_every_task_of_the_table_with_a_torchvision_class_has_its_reader() -> None:
    named = {row["dataset_id"]: row["torchvision_class"] for row in rows() if row["torchvision_class"]}
    assert {dataset: READERS[dataset].name for dataset in named} == named
    assert set(READERS) - set(named) == {"mnist_rotation"}, "which is made from MNIST"


def test_split_mnist_is_made_of_torchvisions_files_two_digits_a_task(tmp_path) -> None:
    _mnist_files(tmp_path / "data" / "torchvision" / "MNIST" / "raw")
    stream = official(name="mnist", tasks=5)
    assert [task.name for task in stream] == [f"mnist-{k}of5" for k in range(1, 6)]
    for k, task in enumerate(stream):
        assert (task.sizes[Split.TRAIN], task.sizes[Split.TEST], task.num_classes) == (20, 6, 2)
        held = task.load(Split.TEST)
        # Each image shows its digit as its grey level.
        assert set(zip(held.images[:, -1, -1, 0] // 20, held.labels, strict=True)) == {(2 * k, 0), (2 * k + 1, 1)}


def test_files_of_torchvision_are_read_and_cut_70_15_15(tmp_path) -> None:
    _mnist_files(tmp_path / "data" / "torchvision" / "MNIST" / "raw")
    stream = nevis22(variant="tiny", source="best")
    real_ones = [task for task in stream if task.provenance is Provenance.REAL]
    assert [task.name for task in real_ones] == ["mnist", "mnist-2"]
    assert [real_ones[0].sizes[split] for split in Split] == [70, 15, 15, 30]
    data = real_ones[0].load(Split.TEST)
    assert data.images.shape == (30, 64, 64, 3)
    assert (data.images[:, 40, 40, 0] == 20 * data.labels).all()
    assert real_ones[0].digest == real_ones[1].digest
    assert make("streams", stream.name).fingerprint() == stream.fingerprint()
    assert stream.fingerprint() != nevis22(variant="tiny").fingerprint()


def test_real_images_are_stored_with_the_side_that_is_asked_for(tmp_path) -> None:
    _mnist_files(tmp_path / "data" / "torchvision" / "MNIST" / "raw")
    small, usual = (nevis22(source="real", tasks=["mnist"], side=side) for side in (28, SIDE))
    images = small.tasks[0].load(Split.TEST).images
    assert images.shape == (30, 28, 28, 3)
    assert set(np.unique(images)) <= {255, *range(0, 200, 20)}, "nothing was resampled"
    assert small.fingerprint() != usual.fingerprint()
    assert nevis22(source="real", tasks=["mnist"], side=64).name == usual.name
    with pytest.raises(UserError, match="side=28 is for source=real"):
        nevis22(source="best", side=28)


def test_rotated_mnist_is_made_from_mnist_with_an_upright_test(tmp_path) -> None:
    _mnist_files(tmp_path / "data" / "torchvision" / "MNIST" / "raw")
    plain, turned = READERS["mnist"].arrays(), READERS["mnist_rotation"].arrays()
    assert np.array_equal(plain["images"][100:], turned["images"][100:])
    assert not np.array_equal(plain["images"][:100], turned["images"][:100])
    assert np.array_equal(plain["labels"], turned["labels"])


def _coco(folder: Path, part: str, boxes: list[list[tuple[int, list[float]]]]) -> None:
    """One image for each list of boxes, 60 x 80 px, on which each box is painted in the grey of its category."""
    (folder / part).mkdir(parents=True)
    (folder / "annotations").mkdir(exist_ok=True)
    images, annotations = [], []
    for number, things in enumerate(boxes):
        pixels = np.zeros((80, 60, 3), np.uint8)
        for category, (x, y, width, height) in things:
            pixels[int(y) : int(y + height), int(x) : int(x + width)] = 2 * category
            annotations.append({"image_id": number, "category_id": category, "bbox": [x, y, width, height]})
        Image.fromarray(pixels).save(folder / part / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png"})
    text = json.dumps({"images": images, "annotations": annotations})
    (folder / "annotations" / f"instances_{part}.json").write_text(text)


def test_coco_is_cut_into_its_boxes_and_no_image_into_two_splits(tmp_path) -> None:
    folder = tmp_path / "data" / "torchvision" / "coco"
    two = [(1, [0.0, 0.0, 20.0, 40.0]), (90, [30.0, 10.0, 30.0, 16.0])]
    small = (5, [0.0, 50.0, 15.9, 20.0])
    _coco(folder, "train2017", [two, [*two, small], [small], *[two] * 18])
    _coco(folder, "val2017", [two])
    (task,) = nevis22(source="real", tasks=["coco_single_label"])
    assert (task.num_classes, task.provenance) == (90, Provenance.REAL)
    assert sum(task.sizes.values()) == 2 * 21, "the small boxes are left out"
    assert task.sizes[Split.TEST] == 2
    for split in Split:
        data = task.load(split)
        assert (data.labels == 0).sum() == (data.labels == 89).sum(), "both boxes of an image are in one split"
        assert (data.images[:, 32, 32, 0] == 2 * (data.labels + 1)).all()


def test_coco_without_its_files_is_missing_and_with_damaged_ones_is_said(tmp_path) -> None:
    assert not READERS["coco_single_label"].present()
    folder = tmp_path / "data" / "torchvision" / "coco"
    _coco(folder, "train2017", [[(1, [0, 0, 20, 20])]])
    _coco(folder, "val2017", [[(1, [0, 0, 20, 20])]])
    (folder / "annotations" / "instances_val2017.json").write_text('{"images": [')
    with pytest.raises(UserError, match="instances_val2017"):
        READERS["coco_single_label"].arrays()


def test_with_real_a_missing_task_stops_before_anything_runs(tmp_path) -> None:
    _mnist_files(tmp_path / "data" / "torchvision" / "MNIST" / "raw")
    with pytest.raises(UserError, match=r"5 of 6 data sets are missing: caltech101, voc/2012.*skip_missing"):
        nevis22(variant="tiny", source="real")
    stream = nevis22(variant="tiny", source="real", skip_missing=True)
    assert [task.name for task in stream] == ["mnist", "mnist-2"]
    assert "skip_missing=True" in stream.name, "it is part of the name, and so of the fingerprint"


def test_skipping_is_in_the_fingerprint_and_on_the_report(tmp_path, harness: Harness) -> None:
    _mnist_files(tmp_path / "data" / "torchvision" / "MNIST" / "raw")
    whole = nevis22(variant="full", source="real", tasks=["mnist", "mnist-2"])
    skipping = nevis22(variant="full", source="real", tasks=["mnist", "mnist-2"], skip_missing=True)
    assert [task.digest for task in whole] == [task.digest for task in skipping]
    assert whole.fingerprint() != skipping.fingerprint()
    stream = "nevis22(source=real, tasks=[mnist, cifar10])"
    run = ["--stream", stream, "--strategy", "ncm", "--budget", "2ep", "--seeds", 1, "--size", 16, "--jobs", 1]
    run += ["--backbone", "tiny:net", "--out", "out"]
    assert "1 of 2 data sets are missing: cifar10" in harness("run", "smoke", *run, code=2).stderr
    # A process of its own: the workers of this one may have been made before the folder of this test was named.
    code = "import sys; from harness.cli import main; main(sys.argv[1:])"
    plugins = os.pathsep.join([str(Path(tiny.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-c", code, "run", "smoke", *map(str, run), "--skip-missing"]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": plugins}, check=True, capture_output=True)
    assert "skip_missing=True" in harness("report", "out").stdout
    assert "skip_missing=True" in Path("out/report/report.html").read_text()


def test_skipping_everything_is_no_stream() -> None:
    with pytest.raises(UserError, match="1 of 1"):
        nevis22(variant="imagenet_only", source="real", skip_missing=True)


def test_a_truncated_file_of_torchvision_counts_as_missing_or_is_said(tmp_path) -> None:
    folder = tmp_path / "data" / "torchvision" / "MNIST" / "raw"
    _mnist_files(folder)
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match="MNIST"):
        READERS["mnist"].arrays()
    assert not READERS["mnist"].present()


def test_debians_fashion_mnist_is_read_from_its_four_files(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    _mnist_files(tmp_path / "debian", packed=True)
    arrays = fashion_mnist(tmp_path / "debian")
    assert [len(arrays[str(split)]) for split in Split] == [70, 15, 15, 30]
    assert arrays["images"].shape == (130, 64, 64, 1)
    monkeypatch.setattr(real, "_DEBIAN", tmp_path / "debian")
    (found,) = nevis22(source="best", tasks=["fashion_mnist"])
    assert found.provenance is Provenance.REAL
    assert found.num_classes == 10


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_the_real_fashion_mnist_is_the_same_through_debian_and_torchvision(tmp_path) -> None:
    images = read_idx(DEBIAN / "t10k-images-idx3-ubyte.gz", 3)
    labels = read_idx(DEBIAN / "t10k-labels-idx1-ubyte.gz", 1)
    assert images.shape == (10000, 28, 28)
    assert np.bincount(labels).tolist() == [1000] * 10
    raw = tmp_path / "data" / "torchvision" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in DEBIAN.glob("*.gz"):
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    reader = READERS["fashion_mnist"]
    part = reader._part(reader.parts[1], download=False)
    for index in (0, 1, 9999):
        image, label = part[index]
        assert label == labels[index]
        assert np.array_equal(np.asarray(image), images[index])


@pytest.mark.parametrize("damage", [b"", b"\x00\x00\x08\x03", b"no idx"], ids=["empty", "cut off", "another format"])
def test_a_damaged_idx_file_is_one_line(tmp_path, damage) -> None:
    _mnist_files(tmp_path, packed=True)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(damage) if damage else damage)
    with pytest.raises(UserError, match="t10k-images") as caught:
        fashion_mnist(tmp_path)
    assert "\n" not in str(caught.value)


def _fill(folder: Path, classes: int) -> None:
    for k in range(classes):
        place = folder / f"class {k}"
        place.mkdir(parents=True)
        for i in range(5):
            Image.new("RGB", (8, 8), (k * 20, i, 0)).save(place / f"{i}.png")


def test_a_users_own_folder_stands_in_for_any_task() -> None:
    _fill(own_folder("pacs"), 7)
    task = {task.name: task for task in nevis22(source="best")}["pacs"]
    assert (task.provenance, task.num_classes, sum(task.sizes.values())) == (Provenance.REAL, 7, 35)


def test_an_own_folder_with_another_number_of_classes_is_refused() -> None:
    _fill(own_folder("pacs"), 6)
    with pytest.raises(UserError, match="6 classes, but pacs has 7"):
        nevis22(source="best")


def test_the_status_of_a_folder_with_too_many_classes_says_so() -> None:
    _fill(own_folder("pacs"), 8)
    (pacs,) = (one for one in status("nevis22(source=best)") if one.task == "pacs")
    assert "8 classes, but pacs has 7; remove 1 of its folders" in pacs.detail


def test_frames_of_one_track_of_traffic_signs_are_in_one_split(tmp_path) -> None:
    place = tmp_path / "data" / "torchvision" / "gtsrb"
    for sign, track, frame in itertools.product(range(2), range(10), range(4)):
        (folder := place / "GTSRB" / "Training" / f"{sign:05}").mkdir(parents=True, exist_ok=True)
        grey = np.full((8, 8, 3), sign * 100 + track * 5, np.uint8)
        Image.fromarray(grey).save(folder / f"{track:05}_{frame:05}.ppm")
    (tests := place / "GTSRB" / "Final_Test" / "Images").mkdir(parents=True)
    for number in range(4):
        Image.fromarray(np.full((8, 8, 3), 250, np.uint8)).save(tests / f"{number:05}.ppm")
    lines = [f"{number:05}.ppm;{number % 2}" for number in range(4)]
    (place / "GT-final_test.csv").write_text("\n".join(["Filename;ClassId", *lines]))
    arrays = READERS["german_tsr"].arrays()
    tracks = [set(arrays["images"][arrays[split]][:, 0, 0, 0].tolist()) for split in ("train", "dev", "dev_test")]
    assert sum(map(len, tracks)) == len(set().union(*tracks)) == 20
    assert all(tracks)
    assert len(arrays["test"]) == 4


def test_a_partial_copy_is_taken_when_asked_and_named_partial_everywhere(harness: Harness) -> None:
    _fill(own_folder("pacs"), 6)
    (task,) = nevis22(source="best", tasks=["pacs"], partial="allow")
    assert (task.provenance, task.num_classes, task.facts()["provenance"]) == (Provenance.PARTIAL, 6, "partial")
    stream = "nevis22(source=real, tasks=[pacs], partial=allow)"
    assert "partial" in harness("show", "stream", stream).stdout
    for one in (stream, "nevis22(source=best)", "nevis22(source=real, tasks=[pacs, mnist])"):
        assert "6 of 7 classes; partial=allow takes them" in harness("data", "status", one).stdout, one
    with pytest.raises(UserError, match="source"):
        status("nevis22(source=bset)")
    with pytest.raises(UserError, match="partial=allow is for source=real or best"):
        nevis22(partial="allow")


def test_more_classes_than_the_data_set_has_are_refused_even_so() -> None:
    _fill(own_folder("pacs"), 8)
    with pytest.raises(UserError, match="8 classes, but pacs has 7; remove"):
        nevis22(source="best", tasks=["pacs"], partial="allow")


def test_pacs_is_scored_on_a_domain_that_training_does_not_show() -> None:
    for k in range(7):
        place = own_folder("pacs") / f"class {k}"
        place.mkdir(parents=True)
        for domain, level in (("photo", 0), ("cartoon", 50), ("sketch", 200)):
            for i in range(4):
                Image.new("RGB", (8, 8), (level, 10 * i, 9 * k)).save(place / f"{domain}-{i}.png")
    (task,) = nevis22(source="real", tasks=["pacs"])
    for split in Split:
        seen = set(task.load(split).images[:, 0, 0, 0].tolist())
        assert seen == ({200} if split in (Split.DEV_TEST, Split.TEST) else {0, 50})


def test_status_says_of_each_task_what_is_there_and_how_to_get_the_rest(tmp_path) -> None:
    _mnist_files(tmp_path / "data" / "torchvision" / "MNIST" / "raw")
    found = {one.task: one for one in status("nevis22")}
    assert len(found) == 106
    assert found["mnist"].detail == "real images"
    assert found["mnist-2"].state == "ready"
    assert found["cifar10"].state == "downloadable"
    assert "CIFAR10" in found["cifar10"].detail
    assert found["imagenet2012"].state == "manual"
    assert found["brodatz"].state == "emulated only"
    assert "www.ux.uis.no" in found["brodatz"].detail
    assert not (tmp_path / "cache").exists(), "asking makes nothing"


def test_preparing_emulates_what_the_stream_emulates_and_says_so() -> None:
    lines: list[str] = []
    prepare("nevis22(variant=debug)", say=lines.append)
    assert lines == ["voc-2007: emulated", "coil20: emulated"]


def test_a_download_that_fails_is_said_and_leaves_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real.Reader, "arrays", _fails)
    lines: list[str] = []
    prepare("nevis22(source=best, tasks=[stl10])", say=lines.append)
    assert lines == ["stl10: downloading", "stl10: no way there", "stl10: emulated"]
    lines.clear()
    prepare("nevis22(source=real, tasks=[stl10])", say=lines.append)
    assert lines == ["stl10: downloading", "stl10: no way there"], "real images alone are wanted"
    assert not list((tmp_path / "cache").glob("real/*"))


def _fails(self, *, download: bool = False):
    raise UserError("no way there")


def test_official_parts_are_cut_by_nevis22s_rules() -> None:
    labels, generator = np.zeros(400, np.int64), np.random.default_rng(0)

    def counts(splits):
        return [len(splits[split]) for split in Split]

    assert counts(official_splits(labels, [400], generator)) == [224, 48, 48, 80]
    assert counts(official_splits(labels, [200, 200], generator)) == [140, 30, 30, 200]
    with_validation = official_splits(labels, [200, 50, 150], generator)
    assert counts(with_validation) == [160, 40, 50, 150]
    assert with_validation[Split.DEV_TEST].tolist() == list(range(200, 250))
    assert counts(halved_validation(labels, [200, 200], generator)) == [160, 40, 100, 100]


def test_an_avalanche_benchmark_is_a_stream_of_its_experiences(tmp_path) -> None:
    _mnist_files(tmp_path / "data" / "avalanche" / "FashionMNIST" / "raw", n=200)
    stream = make("streams", "avalanche:SplitFMNIST(experiences=5)")
    assert [(task.num_classes, task.kind) for task in stream] == [(2, "binary")] * 5
    assert [stream.tasks[0].sizes[split] for split in Split] == [28, 6, 6, 6]
    levels = set()
    for task in stream:
        data = task.load(Split.TRAIN)
        assert set(data.labels) == {0, 1}
        levels |= {int(level) for level in data.images[:, 40, 40, 0]}
    assert levels == {20 * label for label in range(10)}, "every class is in one experience, its pixels untouched"
    assert make("streams", stream.name).fingerprint() == stream.fingerprint()


def test_an_unknown_avalanche_benchmark_is_told_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'SplitFMNIST'"):
        make("streams", "avalanche:SplitFMNST")


def test_a_user_without_a_home_folder_of_their_own_still_has_a_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEVIS_HARNESS_DATA")
    assert real.data_folder() == Path(os.environ["NEVIS_HARNESS_CACHE"]) / "data"
