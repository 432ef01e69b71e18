"""How does a benchmark of Avalanche become a stream? Each of its experiences is a task with its own classes."""

import hashlib
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from harness.config.notation import Written
from harness.core.errors import UserError, unknown
from harness.core.seeding import numpy_generator
from harness.core.stream import Stream
from harness.core.task import Kind, Task
from streams.data.collected import collected
from streams.data.official import official_splits
from streams.data.prepared import Array, prepared
from streams.data.stored import stored_task, with_splits
from streams.nevis22.real import data_folder

_YEARS = {"MNIST": 1998, "CIFAR100": 2009, "CIFAR10": 2009, "CIFAR110": 2009, "FMNIST": 2017, "TinyImageNet": 2015}
_YEARS |= {"CUB200": 2011, "Omniglot": 2015, "CORe50": 2017, "ImageNet": 2012, "Inaturalist": 2018}


def avalanche(*, name: str, experiences: int = 5, seed: int = 0) -> Stream:
    """A benchmark of Avalanche, such as ``avalanche:SplitFMNIST(experiences=5)``; each experience is a task.

    The classes of an experience are numbered from 0: strategies know which task they are asked about. Splits are
    70/15/15 of the training images and the benchmark's own test images. Files come from the data folder, and Avalanche
    downloads what is missing there.

    Args:
        name: a benchmark of ``avalanche.benchmarks.classic`` that takes ``n_experiences`` and ``dataset_root``.

    Raises:
        UserError: no such benchmark, or its files cannot be had.
    """
    made = _benchmark(name, experiences, seed)
    year = next((year for part, year in _YEARS.items() if name.endswith(part)), 2020)
    pairs = zip(made.train_stream, made.test_stream, strict=True)
    tasks = [_task(f"{name}-{experiences}-{seed}", k, year, *pair) for k, pair in enumerate(pairs)]
    written = Written(f"avalanche:{name}", {"experiences": experiences, "seed": seed})
    return Stream(str(written), "1", tuple(tasks))


def _benchmark(name: str, experiences: int, seed: int) -> Any:
    from avalanche.benchmarks import classic

    known = [found for found in vars(classic) if re.match(r"(Split|Permuted|Rotated)", found)]
    if name not in known:
        raise unknown("Avalanche benchmark", name, known)
    root = data_folder() / "avalanche"
    root.mkdir(parents=True, exist_ok=True)
    # Without Avalanche's own normalisation: images are kept as they are stored.
    plain = {"train_transform": None, "eval_transform": None}
    try:
        return getattr(classic, name)(n_experiences=experiences, seed=seed, dataset_root=str(root), **plain)
    except (OSError, RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise UserError(f"Avalanche cannot make {name} with {experiences} experiences from {root}: {error}") from error


def _task(where: str, k: int, year: int, train: Any, test: Any) -> Task:
    classes = sorted({int(label) for label in train.classes_in_this_experience})
    stamp = hashlib.sha256(f"{where} {k} {classes}".encode()).hexdigest()[:16]
    stored = prepared(f"avalanche/{where}-{k}-{stamp}", partial(_arrays, where, k, classes, [train, test]))
    return stored_task(
        stored,
        name=f"experience-{k + 1}",
        year=year,
        domain="object",
        kind=Kind.BINARY if len(classes) == 2 else Kind.MULTICLASS,
        num_classes=len(classes),
    )


def _arrays(where: str, k: int, classes: list[int], experiences: list[Any]) -> dict[str, Array]:
    images, labels = collected(_pairs(experiences, classes))
    counts = [len(experience.dataset) for experience in experiences]
    splits = official_splits(labels, counts, numpy_generator(0, where, k))
    return with_splits({"images": images, "labels": labels}, splits)


def _pairs(experiences: list[Any], classes: list[int]) -> Iterator[tuple[Image.Image, int]]:
    for experience in experiences:
        for image, label, *_ in experience.dataset:
            yield _picture(image), classes.index(int(label))


def _picture(image: Any) -> Image.Image:
    """Benchmarks without transforms of their own give pictures; the others give tensors (c, h, w) in 0..1."""
    if isinstance(image, Image.Image):
        return image
    values = np.moveaxis(np.asarray(image, dtype=np.float64), 0, -1).squeeze()
    return Image.fromarray((values * 255).round().clip(0, 255).astype(np.uint8))
