"""Where do the real images of a NEVIS'22 task come from? torchvision's readers, Debian's Fashion-MNIST, or a folder.

Files are looked for in the data folder: ``NEVIS_HARNESS_DATA`` if set, else ``data`` in the cache folder. Any data
set can lie in ``<data folder>/nevis22/<dataset>/``, one folder a class (or ``train`` and ``test`` of them).
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from harness.core.task import Kind, Provenance, Split, Task
from harness.storage.cache import cache_folder
from streams.data.collected import collected
from streams.data.contents import contents
from streams.data.folders import folder_arrays, folder_stamp
from streams.data.idx import read_idx
from streams.data.images import SIDE
from streams.data.official import halved_validation, official_splits
from streams.data.prepared import Array, is_prepared, prepared
from streams.data.progress import progressing
from streams.data.protocol import Protocol, fitting
from streams.data.stored import stored_task, with_splits
from streams.nevis22.coco import CocoCrops
from streams.nevis22.emulated import family
from streams.nevis22.table import Entry

_DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class Reader:
    """A torchvision data set: its class, and the arguments of each official part, train first.

    Attributes:
        together: a pattern of names of files, as that of a :class:`Protocol`: frames of one track are not cut apart.
    """

    name: str
    parts: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    label: Callable[[Any], Any] = int
    splits: Callable[..., dict[Split, Array]] = official_splits
    change: Callable[[Image.Image, int, int], Image.Image] | None = None
    together: str = ""

    def arrays(self, *, download: bool = False, side: int = SIDE) -> dict[str, Array]:
        """All images, labels and splits.

        Raises:
            UserError: files are missing or damaged, and ``download`` is false or failed.
        """
        pieces = [self.part(part, download=download) for part in self.parts]
        counts = [len(piece) for piece in pieces]
        images, labels = collected(self._pairs(pieces), side=side)
        keep = {"together": self._tracks(pieces)} if self.together else {}
        splits = self.splits(labels, counts, numpy_generator(0, self.name), **keep)
        return with_splits({"images": images, "labels": labels}, splits)

    def present(self) -> bool:
        """Whether all files are there and whole."""
        try:
            for part in self.parts:
                self.part(part, download=False)
        except UserError:
            return False
        return True

    def part(self, part: Mapping[str, Any], *, download: bool) -> Any:
        from torchvision import datasets

        maker, asked = getattr(datasets, self.name), {**self.options, **part}
        if self.name not in _BY_HAND:
            asked["download"] = download
        root = data_folder() / "torchvision"
        if download:
            root.mkdir(parents=True, exist_ok=True)
        try:
            return maker(root=str(root), **asked)
        except (OSError, RuntimeError, ValueError, ImportError) as error:
            raise UserError(f"torchvision's {self.name} cannot be read from {root}: {error}") from error

    def _tracks(self, pieces: Sequence[Any]) -> Array:
        """A number for each image, equal for those of one folder in whose names ``together`` finds the same."""
        pattern, keys = re.compile(self.together), dict[object, int]()
        files = [Path(file) for piece in pieces for file, _ in piece._samples]
        matches = [pattern.search(file.stem) for file in files]
        named = [(file.parent, match.groups()) if match else file for file, match in zip(files, matches, strict=True)]
        return np.array([keys.setdefault(name, len(keys)) for name in named], np.int64)

    def _pairs(self, pieces: Sequence[Any]) -> Iterator[tuple[Image.Image, Any]]:
        for part, piece in enumerate(pieces):
            numbers = progressing(range(len(piece)), what=f"preparing {self.name}, part {part + 1}", total=len(piece))
            for index in numbers:
                image, target = piece[index]
                image = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
                if self.change:
                    image = self.change(image, part, index)
                yield image, self.label(target)


_VOC = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def _voc_row(target: Mapping[str, Any]) -> Array:
    row = np.zeros(len(_VOC), np.uint8)
    for thing in target["annotation"]["object"]:
        row[_VOC.index(thing["name"])] = 1
    return row


def _attributes(target: Any) -> Array:
    return np.asarray(target).astype(np.uint8)


def _turned(image: Image.Image, part: int, index: int) -> Image.Image:
    """NEVIS'22 turns the training images by any angle and leaves the test images upright."""
    if part:
        return image
    angle = float(numpy_generator(0, "mnist_rotation", index).uniform(0, 360))
    return image.rotate(angle, Image.Resampling.BILINEAR)


_TRAIN_TEST = ({"train": True}, {"train": False})
_SPLITS = ({"split": "train"}, {"split": "test"})
_WITH_VAL = ({"split": "train"}, {"split": "val"}, {"split": "test"})
_TRACK = r"^(?:\d+_)?(\d+)_\d+$"
_BY_HAND = {"ImageNet", "StanfordCars", "LFWPeople"}

READERS: Mapping[str, Reader | CocoCrops] = {
    "mnist": Reader("MNIST", _TRAIN_TEST),
    "mnist_rotation": Reader("MNIST", _TRAIN_TEST, change=_turned),
    "fashion_mnist": Reader("FashionMNIST", _TRAIN_TEST),
    "emnist/balanced": Reader("EMNIST", _TRAIN_TEST, {"split": "balanced"}),
    "usps": Reader("USPS", _TRAIN_TEST),
    "semeion": Reader("SEMEION", ({},)),
    "svhn_cropped": Reader("SVHN", _SPLITS),
    "cifar10": Reader("CIFAR10", _TRAIN_TEST),
    "cifar100": Reader("CIFAR100", _TRAIN_TEST),
    "stl10": Reader("STL10", _SPLITS),
    "caltech101": Reader("Caltech101", ({},)),
    "caltech256": Reader("Caltech256", ({},)),
    "sun397": Reader("SUN397", ({},)),
    "oxford_flowers102": Reader("Flowers102", _WITH_VAL),
    "dtd": Reader("DTD", _WITH_VAL, {"partition": 1}),
    "food101": Reader("Food101", _SPLITS),
    "german_tsr": Reader("GTSRB", _SPLITS, together=_TRACK),
    "oxford_iiit_pet": Reader("OxfordIIITPet", ({"split": "trainval"}, {"split": "test"})),
    "fgvc_aircraft_family": Reader(
        "FGVCAircraft", ({"split": "trainval"}, {"split": "test"}), {"annotation_level": "family"}
    ),
    "patch_camelyon": Reader("PCAM", _WITH_VAL),
    "celeb_a": Reader(
        "CelebA",
        ({"split": "train"}, {"split": "valid"}, {"split": "test"}),
        {"target_type": "attr"},
        label=_attributes,
    ),
    "voc/2007": Reader(
        "VOCDetection",
        ({"image_set": "train"}, {"image_set": "val"}, {"image_set": "test"}),
        {"year": "2007"},
        label=_voc_row,
    ),
    "voc/2012": Reader(
        "VOCDetection",
        ({"image_set": "train"}, {"image_set": "val"}),
        {"year": "2012"},
        label=_voc_row,
        splits=halved_validation,
    ),
    "stanford_cars": Reader("StanfordCars", _SPLITS),
    "lfw": Reader("LFWPeople", _SPLITS),
    "imagenet2012": Reader("ImageNet", ({"split": "train"}, {"split": "val"})),
    "coco_single_label": CocoCrops(lambda: data_folder() / "torchvision" / "coco"),
}
"""By data set. torchvision's Caltech 101 lacks the background class, so it has 101 classes; its LFW keeps other people
than NEVIS'22 does; its SUN 397 and Caltech sets have no own split."""


PROTOCOLS: Mapping[str, Protocol] = {
    "caltech101": Protocol(train_per_class=30),
    "scenes15": Protocol(train_per_class=100),
    "pacs": Protocol(test_files=r"/sketch", halve_test=True),
    "german_tsr": Protocol(together=_TRACK),
    "coil100": Protocol(in_order=(5, 5, 5)),
}
"""How a person's own folder of a data set is cut that has no split folders. Caltech's 30 training images a class and
Lazebnik's 100 of the scenes are the usual ones; sketches are PACS's unseen domain, halved as NEVIS'22 does; frames of
one track stay together (names are ``track_frame``); COIL-100's views are cut by angle as NEVIS'22 has them, 5/5/5/57.
"""


def data_folder() -> Path:
    """Where files of real data sets lie: ``NEVIS_HARNESS_DATA``, else ``data`` in the cache folder."""
    named = os.environ.get("NEVIS_HARNESS_DATA")
    return Path(named).expanduser() if named else cache_folder() / "data"


def own_folder(dataset: str) -> Path:
    """Where a user's own copy of a data set is looked for: one folder a class."""
    return data_folder() / "nevis22" / dataset.replace("/", "-")


def present(dataset: str, *, side: int = SIDE) -> bool:
    """Whether the real images of ``dataset`` are at hand, prepared at ``side`` px or as files."""
    reader = READERS.get(dataset)
    return (
        own_folder(dataset).is_dir()
        or is_prepared(_set_name(dataset, side))
        or (dataset == "fashion_mnist" and _DEBIAN.is_dir())
        or (reader is not None and reader.present())
    )


def fetch(dataset: str) -> None:
    """Download ``dataset`` through torchvision and prepare it; nothing half-prepared is left if that fails.

    Raises:
        UserError: it cannot be downloaded.
    """
    prepared(_set_name(dataset, SIDE), lambda: READERS[dataset].arrays(download=True))


def real_task(entry: Entry, *, partial: bool = False, side: int = SIDE) -> Task:
    """The task of ``entry`` from its real images, which :func:`present` found.

    Args:
        partial: take a folder that lacks classes; the task's provenance says so.
        side: of the stored images in pixels.

    Raises:
        UserError: they are damaged, or are not of as many classes as the table says.
    """
    dataset, folder = entry.dataset, own_folder(entry.dataset)
    expected = int(entry.row["num_classes"] or 0)
    provenance = Provenance.REAL
    if folder.is_dir():
        found = contents(folder)
        protocol = fitting(found, PROTOCOLS.get(dataset, Protocol()))
        held = len(found.classes)
        if expected and held != expected and not (partial and held < expected):
            mend = (
                "add class folders, or partial=allow takes what is there and says so"
                if held < expected
                else "remove some"
            )
            raise UserError(f"{folder} holds {held} classes, but {dataset} has {expected}; {mend}")
        provenance = Provenance.PARTIAL if held < expected else Provenance.REAL
        stamp = folder_stamp(found, protocol, side=side)
        stored = prepared(f"real/{stamp}", lambda: folder_arrays(found, protocol, side=side))
    elif dataset == "fashion_mnist" and _DEBIAN.is_dir():
        stored = prepared(_set_name(dataset, side), lambda: fashion_mnist(_DEBIAN, side=side))
    else:
        stored = prepared(_set_name(dataset, side), lambda: READERS[dataset].arrays(side=side))
    labels = stored.array("labels")
    classes = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
    kind = Kind.BINARY if entry.kind is not Kind.MULTILABEL and classes == 2 else entry.kind
    return stored_task(
        stored,
        name=entry.name,
        year=entry.year,
        domain=entry.row["domain"],
        kind=kind,
        num_classes=classes,
        provenance=provenance,
        phase=entry.phase,
        family=family(entry),
    )


def fashion_mnist(folder: Path, *, side: int = SIDE) -> dict[str, Array]:
    """Fashion-MNIST from its four IDX files, as Debian's package dataset-fashion-mnist installs them.

    Raises:
        UserError: a file is missing, truncated or no IDX file.
    """
    images = [read_idx(folder / f"{part}-images-idx3-ubyte.gz", 3) for part in ("train", "t10k")]
    labels = [read_idx(folder / f"{part}-labels-idx1-ubyte.gz", 1) for part in ("train", "t10k")]
    pairs = zip(np.concatenate(images), np.concatenate(labels), strict=True)
    stored, classes = collected(((Image.fromarray(image), int(label)) for image, label in pairs), side=side)
    splits = official_splits(classes, [len(part) for part in labels], numpy_generator(0, "FashionMNIST"))
    return with_splits({"images": stored[..., :1], "labels": classes}, splits)


def _set_name(dataset: str, side: int) -> str:
    reader = READERS.get(dataset)
    # Cut in another way than once: what was prepared then is left alone.
    edition = 2 if isinstance(reader, Reader) and reader.together else 1
    return f"real/{dataset.replace('/', '-')}-{edition}{'' if side == SIDE else f'-{side}px'}"
