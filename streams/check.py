"""What in a stream would make its results wrong? Files that cannot be read, classes missing, images in two splits."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from harness.config.notation import parse
from harness.config.registry import make
from harness.core.errors import UserError
from harness.core.stream import Stream
from harness.core.task import Kind, Split, Task
from streams.data.contents import contents, counted
from streams.data.duplicates import NEAR, distances, pixel_hashes, sketches
from streams.data.images import open_image
from streams.data.prepared import Array


@dataclass(frozen=True)
class Checked:
    """What was found in one task.

    Attributes:
        folder: of its files, where it is a folder; then ``pixels`` are the smallest and the largest image in it.
        unreadable: a line for each file that is no image, or for what is wrong with the folder.
        passed_over: files of other kinds, counted by ending.
        sizes: images a split.
        missing: for each split without an image of some class, the numbers of these classes.
        equal: for each pair of splits ``train/test``, how many images of the second equal one of the first.
        near: for each pair, how many more of the second are nearly the same as one of the first.
        repeated: images that equal an earlier one of their own split.
        contradicting: different images that stand under two labels or more.
    """

    task: str
    folder: str = ""
    pixels: tuple[tuple[int, int], ...] = ()
    unreadable: tuple[str, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)
    num_classes: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, list[int]] = field(default_factory=dict)
    equal: Mapping[str, int] = field(default_factory=dict)
    near: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0
    contradicting: int = 0

    @property
    def wrong(self) -> bool:
        """Whether results on this task would be wrong. Near images, and equal ones of one split, are yours to judge."""
        return bool(self.unreadable or self.missing or self.equal or self.contradicting)

    def lines(self) -> Iterator[str]:
        """What was found, in words."""
        if self.pixels:
            (w, h), (wide, high) = self.pixels
            largest = "" if (w, h) == (wide, high) else f" to {wide} x {high}"
            yield f"images of {w} x {h}{largest} pixels"
        if self.passed_over:
            yield f"passed over: {counted(self.passed_over)}"
        yield from self.unreadable
        for split, classes in self.missing.items():
            shown = ", ".join(map(str, classes[:8])) + (", ..." if len(classes) > 8 else "")
            yield f"{split} has no image of {len(classes)} of {self.num_classes} classes: {shown}"
        for found, how in ((self.equal, "equal"), (self.near, "nearly equal")):
            for pair, n in found.items():
                earlier, _, later = pair.partition("/")
                yield f"{n} of {self.sizes[later]} images of {later} {how} one of {earlier}"
        if self.repeated:
            yield f"{self.repeated} images equal another one of their own split"
        if self.contradicting:
            yield f"{self.contradicting} images stand under two labels or more"


def check(stream: str, *, say: Callable[[Checked], None] = lambda checked: None) -> list[Checked]:
    """Check every task of ``stream``; where files of a task cannot be read, only the files are.

    Args:
        say: is called with each task's result as soon as it is there.

    Raises:
        UserError: there is no such stream.
    """
    files = {name: _files(name, place) for name, place in folders(stream).items()}
    broken = [found for found in files.values() if found.unreadable]
    for found in broken:
        say(found)
    if broken:
        return broken
    checked = []
    opened: Stream = make("streams", stream)
    for task in opened:
        checked.append(_images(task, files.get(task.name, Checked(task.name))))
        say(checked[-1])
    return checked


def folders(stream: str) -> dict[str, Path]:
    """The folders of images that tasks of ``stream`` are made from, by task.

    Raises:
        UserError: a file that declares them is wrong.
    """
    written = parse(stream)
    family, _, member = written.name.partition(":")
    if family == "folder":
        from streams.folder import declared_tasks, toml_path

        _, tasks = declared_tasks(toml_path(member or str(written.options.get("name"))))
        return {one.name: place for one, place, _ in tasks}
    if "stream" in written.options:
        return folders(str(written.options["stream"]))
    if family == "nevis22" and written.options.get("source", "emulated") != "emulated":
        from streams.nevis22.real import own_folder
        from streams.nevis22.table import entries

        places = {entry.name: own_folder(entry.dataset) for entry in entries("full")}
        wanted = written.options.get("tasks") or list(places)
        return {name: place for name, place in places.items() if name in wanted and place.is_dir()}
    return {}


def _files(task: str, folder: Path) -> Checked:
    try:
        found = contents(folder)
    except UserError as error:
        return Checked(task, str(folder), unreadable=(str(error),))
    # Decoders work without Python's lock.
    with ThreadPoolExecutor() as pool:
        seen = list(pool.map(_size_or_fault, (file for file, _ in found.files())))
    unreadable = tuple(fault for fault in seen if isinstance(fault, str))
    sizes = sorted((size for size in seen if not isinstance(size, str)), key=lambda size: (size[0] * size[1], size))
    return Checked(
        task, str(folder), (sizes[0], sizes[-1]) if sizes else (), unreadable, found.passed_over, len(found.classes)
    )


def _size_or_fault(file: Path) -> tuple[int, int] | str:
    try:
        return open_image(file).size
    except UserError as error:
        return str(error)


def _images(task: Task, files: Checked) -> Checked:
    hashes, sketched, labels = {}, {}, {}
    for split in Split:
        data = task.load(split)
        hashes[split], sketched[split], labels[split] = pixel_hashes(data.images), sketches(data.images), data.labels
    equal, near = {}, {}
    for first, second in combinations(Split, 2):
        again = np.isin(hashes[second], hashes[first])
        # Of the two that are only scored, none is learnt from.
        scored = (first, second) == (Split.DEV_TEST, Split.TEST)
        close = (distances(sketched[second], sketched[first]) <= NEAR) & ~again & (not scored)
        if again.any():
            equal[f"{first}/{second}"] = int(again.sum())
        if close.any():
            near[f"{first}/{second}"] = int(close.sum())
    missing = {str(split): gone for split in Split if (gone := _missing(task, labels[split]))}
    return replace(
        files,
        num_classes=task.num_classes,
        sizes={str(split): len(labels[split]) for split in Split},
        missing=missing,
        equal=equal,
        near=near,
        repeated=sum(len(found) - len(np.unique(found)) for found in hashes.values()),
        contradicting=_contradicting(list(hashes.values()), list(labels.values())),
    )


def _missing(task: Task, labels: Array) -> list[int]:
    there = np.flatnonzero(labels.any(axis=0)) if task.kind is Kind.MULTILABEL else np.unique(labels)
    return sorted(set(range(task.num_classes)) - {int(label) for label in there})


def _contradicting(hashes: list[Array], labels: list[Array]) -> int:
    """How many different images have more than one label, or row of labels."""
    _, image = np.unique(np.concatenate(hashes), return_inverse=True)
    _, label = np.unique(np.concatenate(labels), axis=0, return_inverse=True)
    pairs = np.unique(np.stack([image, label.reshape(-1)], axis=1), axis=0)
    return int((np.bincount(pairs[:, 0]) > 1).sum())
