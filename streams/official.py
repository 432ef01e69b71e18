"""How is a data set had as papers use it? All official training and test images, at the size they are stored in.

Whole, or cut by its classes into tasks in their order, as Split-MNIST is: the digits 0 and 1, then 2 and 3, and so on.

Streams of this harness cut dev parts off the training images and keep every image at one side; numbers of papers are
made on neither. Here ``train`` is every official training image and ``test`` every official test image, pixel for
pixel. ``dev`` and ``dev_test`` are training images as well, a tenth of them, for there are no others: what is scored
there says nothing, and only ``harness run --final`` gives a number to compare.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from harness.config.notation import Written
from harness.core.errors import UserError, unknown
from harness.core.seeding import numpy_generator
from harness.core.stream import Stream
from harness.core.task import Kind, Provenance, Split, Task
from streams.data.contents import Contents, contents
from streams.data.folders import folder_stamp
from streams.data.images import open_image
from streams.data.prepared import Array, Prepared, is_prepared, prepared
from streams.data.splits import stratified_splits
from streams.data.stored import stored_task, with_splits
from streams.nevis22.real import READERS, Reader, data_folder, own_folder

_DEVELOPMENT: Mapping[Split, int] = {Split.TRAIN: 80, Split.DEV: 10, Split.DEV_TEST: 10}


@dataclass(frozen=True)
class _Set:
    """A data set: side of its images in pixels, images in each official part, year, domain, Pillow's mode."""

    side: int
    classes: int
    train: int
    test: int
    year: int
    domain: str
    mode: str


SETS: Mapping[str, _Set] = {
    "cifar10": _Set(32, 10, 50_000, 10_000, 2009, "object", "RGB"),
    "cifar100": _Set(32, 100, 50_000, 10_000, 2009, "object", "RGB"),
    "fashion_mnist": _Set(28, 10, 60_000, 10_000, 2017, "object", "L"),
    "mnist": _Set(28, 10, 60_000, 10_000, 1998, "OCR", "L"),
}
"""The data sets that can be had so."""


def official(*, name: str, partial: Literal["refuse", "allow"] = "refuse", tasks: int = 1) -> Stream:
    """One data set with its official split, at its own size: ``official(name=cifar10)``; score it with ``--final``.

    Files are looked for in the data folder: as torchvision keeps them, or in ``nevis22/<name>/train`` and ``test``, one
    folder a class.

    Args:
        partial: ``allow``: take a copy with fewer training images; their number stands in every record. The test
            images are always all of them.
        tasks: as many tasks of equally many classes, in the order of the classes: ``official(name=mnist, tasks=5)`` is
            Split-MNIST. Each numbers its own classes from 0, and a strategy knows which task it is asked about: what
            papers call task-incremental.

    Raises:
        UserError: no such data set, it is not here, or what is here is not the official one; or its classes cannot be
            shared out equally.
    """
    if name not in SETS:
        raise unknown("data set with an official split", name, SETS)
    if partial not in ("refuse", "allow"):
        raise unknown("value of partial", partial, ["refuse", "allow"])
    facts = SETS[name]
    if tasks < 1 or facts.classes % tasks or facts.classes // tasks < 2:
        raise UserError(
            f"official(tasks={tasks}): {name} has {facts.classes} classes; expected a number of tasks that shares them "
            "out equally, at least two to each"
        )
    stamp, arrays = _found(name, facts, partial=partial == "allow")
    stored = prepared(f"official/{stamp}", arrays)
    options = {"partial": partial} if partial != "refuse" else {}
    if tasks == 1:
        written, identity, made = Written("official", {"name": name, **options}), f"official:{name}", [stored]
    else:
        written = Written("official", {"name": name, **options, "tasks": tasks})
        identity = f"official:{name}:{tasks}"
        made = [_share(stored, f"official/{stamp}-{k + 1}of{tasks}", _classes(facts, tasks, k)) for k in range(tasks)]
    names = [name] if tasks == 1 else [f"{name}-{k + 1}of{tasks}" for k in range(tasks)]
    return Stream(
        str(written), "1", tuple(_task(one, called, facts, tasks) for one, called in zip(made, names, strict=True)),
        identity=identity,
    )  # fmt: skip


def _task(stored: Prepared, name: str, facts: _Set, tasks: int) -> Task:
    classes = facts.classes // tasks
    return stored_task(
        stored,
        name=name,
        year=facts.year,
        domain=facts.domain,
        kind=Kind.BINARY if classes == 2 and tasks > 1 else Kind.MULTICLASS,
        num_classes=classes,
        provenance=Provenance.REAL,
    )


def _classes(facts: _Set, tasks: int, k: int) -> range:
    each = facts.classes // tasks
    return range(k * each, (k + 1) * each)


def _share(whole: Prepared, name: str, classes: range) -> Prepared:
    """Of a whole set the images of ``classes``, numbered from 0; every image stays in the splits that it is in."""

    def arrays() -> dict[str, Array]:
        labels = whole.array("labels")
        mine = np.flatnonzero((labels >= classes.start) & (labels < classes.stop))
        place = np.full(len(labels), -1)
        place[mine] = np.arange(len(mine))
        splits = {split: place[index][place[index] >= 0] for split in Split for index in [whole.array(str(split))]}
        return with_splits({"images": whole.array("images")[mine], "labels": labels[mine] - classes.start}, splits)

    return prepared(name, arrays)


def _found(name: str, facts: _Set, *, partial: bool) -> tuple[str, Callable[[], dict[str, Array]]]:
    """A name for what was found, and what reads it: a whole copy before one with fewer training images."""
    whole = f"{name}-1"
    reader = READERS[name]
    if is_prepared(f"official/{whole}") or reader.present():
        return whole, lambda: _arrays(name, facts, _of_torchvision(name))
    folder = own_folder(name)
    if not folder.is_dir():
        raise UserError(
            f"official(name={name}): its images are not here; put torchvision's files into {data_folder()}/torchvision "
            f"('harness data fetch' tells how), or {facts.train:,} and {facts.test:,} images into {folder}/train and "
            f"{folder}/test, one folder a class"
        )
    held = contents(folder)
    if held.names != ("train", "test"):
        raise UserError(f"{folder} holds {', '.join(held.names)}; expected the official parts, train and test")
    _refuse_other(name, facts, [len(part) for part in held.parts], partial=partial)
    return f"{name}-{folder_stamp(held)}", lambda: _arrays(name, facts, _of_folder(held))


Parts = list[Iterator[tuple[Image.Image, int]]]


def _of_torchvision(name: str) -> Parts:
    reader = READERS[name]
    assert isinstance(reader, Reader)
    return [_pairs(reader.part(part, download=False)) for part in reader.parts]


def _pairs(piece: Any) -> Iterator[tuple[Image.Image, int]]:
    for index in range(len(piece)):
        image, label = piece[index]
        yield image, int(label)


def _of_folder(held: Contents) -> Parts:
    return [((open_image(file), label) for file, label in part) for part in held.parts]


def _arrays(name: str, facts: _Set, parts: Parts) -> dict[str, Array]:
    images: list[Array] = []
    labels: list[int] = []
    counts: list[int] = []
    for part in parts:
        before = len(labels)
        for image, label in part:
            if image.size != (facts.side, facts.side):
                raise UserError(
                    f"{name}: an image of {image.width} x {image.height} px; the official ones have {facts.side} x "
                    f"{facts.side}, and numbers of papers are made on them as they are"
                )
            images.append(np.asarray(image.convert(facts.mode)))
            labels.append(label)
        counts.append(len(labels) - before)
    classes = np.array(labels, dtype=np.int64)
    if (held := len(np.unique(classes))) != facts.classes:
        raise UserError(f"{name}: {held} classes; the official set has {facts.classes}")
    pixels = np.stack(images)
    train, test = np.split(np.arange(len(classes)), [counts[0]])
    cut = stratified_splits(classes[train], numpy_generator(0, "official", name), _DEVELOPMENT)
    splits = {**cut, Split.TRAIN: train, Split.TEST: test}
    return with_splits({"images": pixels if pixels.ndim == 4 else pixels[..., None], "labels": classes}, splits)


def _refuse_other(name: str, facts: _Set, counts: list[int], *, partial: bool) -> None:
    train, test = counts
    if test != facts.test:
        raise UserError(f"{name}: {test:,} test images; the official set has {facts.test:,}: put all of them there")
    if train > facts.train or (train < facts.train and not partial):
        more = "; partial=allow takes what is there and says so" if train < facts.train else ""
        raise UserError(f"{name}: {train:,} training images; the official set has {facts.train:,}{more}")
