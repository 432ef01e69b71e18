"""How is a data set cut that is usually cut in one way? By its lists of files, so many images a class, or by names."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.config.toml_file import decoded
from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from streams.data.contents import Contents
from streams.data.prepared import Array

_LOG = logging.getLogger("harness")

_LISTS: Mapping[str, Sequence[str]] = {
    "train": ("train", "train1", "training", "trainlist"),
    "val": ("val", "val1", "valid", "validation"),
    "test": ("test", "test1", "testing", "testlist"),
}
_PLACES = ("", "meta", "lists", "splits", "labels")


@dataclass(frozen=True)
class Protocol:
    """The usual cut of a data set, where its folder has no split folders. All fields may be left out.

    Attributes:
        train_per_class: that many images of each class, drawn at random, are for training and the rest is the test;
            with ``together`` whole groups, until there are as many or more.
        test_files: a pattern; images whose name, with the class before it, holds it are the test.
        in_order: of each class by the last number in the names: how many for train, dev and dev_test; the rest is test.
        together: a pattern; images of a class in which it finds the same groups are never cut apart. Split folders
            and lists stand, and only what is cut off train heeds it.
        halve_test: the test part is halved into dev_test and test, as where the two show what train does not.
    """

    train_per_class: int = 0
    test_files: str = ""
    in_order: tuple[int, int, int] | None = None
    together: str = ""
    halve_test: bool = False


def cut(contents: Contents, protocol: Protocol) -> Contents:
    """``contents`` with the parts that its own lists of files or ``protocol`` give; with its own where it has some.

    Raises:
        UserError: a list names a file that is not there, or a part is empty.
    """
    if contents.names != ("all",):
        return contents
    parts = _listed(contents) or _by_rule(contents, protocol)
    if parts is None:
        return contents
    for name, part in parts.items():
        if not part:
            raise UserError(f"{contents.folder}: its protocol leaves {name} without images; is it the whole data set?")
    return replace(contents, names=tuple(parts), parts=tuple(parts.values()))


def fitting(contents: Contents, protocol: Protocol) -> Protocol:
    """``protocol``, less the rules that would leave a part of ``contents`` without images; then a line says so."""
    parts = _by_rule(contents, protocol) if contents.names == ("all",) and not _listed(contents) else None
    if parts is None or all(parts.values()):
        return protocol
    _LOG.warning("%s is not as its data set is usually cut, and is cut 56/12/12/20 by class", contents.folder)
    return Protocol(together=protocol.together)


def belonging_together(contents: Contents, protocol: Protocol) -> Array:
    """A number for each image (n,), equal for those of one class in which ``together`` finds the same groups."""
    keys: dict[object, int] = {}
    pattern = re.compile(protocol.together) if protocol.together else None
    numbers = []
    for place, (file, label) in enumerate(contents.files()):
        match = pattern.search(file.stem) if pattern else None
        numbers.append(keys.setdefault((label, match.groups()) if match else place, place))
    return np.array(numbers, np.int64)


_Part = tuple[tuple[Path, int], ...]


def _by_rule(contents: Contents, protocol: Protocol) -> dict[str, _Part] | None:
    (images,) = contents.parts
    if protocol.test_files:
        pattern = re.compile(protocol.test_files)
        told = [bool(pattern.search(f"{contents.classes[label]}/{file.name}")) for file, label in images]
        return _divided(images, [int(is_test) for is_test in told], ("train", "test"))
    if protocol.train_per_class:
        generator = numpy_generator(0, "per class")
        labels = np.array([label for _, label in images])
        chosen = np.ones(len(images), np.int64)
        groups = belonging_together(contents, protocol)
        for label in range(len(contents.classes)):
            members = generator.permutation(np.flatnonzero(labels == label))
            chosen[_drawn(members, groups, protocol.train_per_class)] = 0
        return _divided(images, chosen.tolist(), ("train", "test"))
    if protocol.in_order:
        ends = np.cumsum(protocol.in_order)
        place: dict[tuple[Path, int], int] = {}
        for label in range(len(contents.classes)):
            mine = sorted((image for image in images if image[1] == label), key=_last_number)
            place |= {image: int(np.searchsorted(ends, rank, side="right")) for rank, image in enumerate(mine)}
        return _divided(images, [place[image] for image in images], ("train", "val", "dev_test", "test"))
    return None


def _drawn(members: Array, groups: Array, count: int) -> Array:
    """The first of ``members``, whole groups of them, until there are ``count`` or more."""
    taken: list[int] = []
    for group in dict.fromkeys(groups[members].tolist()):
        if len(taken) >= count:
            break
        taken += members[groups[members] == group].tolist()
    return np.array(taken, np.int64)


def _last_number(image: tuple[Path, int]) -> tuple[int, str]:
    numbers = re.findall(r"\d+", image[0].stem)
    return (int(numbers[-1]) if numbers else 0, image[0].name)


def _listed(contents: Contents) -> dict[str, _Part] | None:
    lists = {part: file for part, names in _LISTS.items() if (file := _list(contents.folder, names))}
    if "test" not in lists:
        return None
    (images,) = contents.parts
    of_name: dict[str, int] = {}
    for place, (file, _) in enumerate(images):
        inside = file.relative_to(contents.folder)
        for name in (inside.as_posix(), inside.with_suffix("").as_posix(), f"{inside.parent.name}/{inside.name}"):
            of_name[name] = place
        of_name.setdefault(f"{inside.parent.name}/{inside.stem}", place)
    order = [part for part in _LISTS if part in lists or part == "train"]
    chosen = [0 if "train" not in lists else -1] * len(images)
    for part, file in lists.items():
        for line in _lines(file):
            if not line.strip():
                continue
            entry = _entry(line, of_name)
            if entry is None:
                raise UserError(f"{file} lists {line.strip()!r}, which is not in {contents.folder}; is the copy whole?")
            chosen[of_name[entry]] = order.index(part)
    # What stands in no list, where there is one for training, belongs to no part.
    return _divided(images, chosen, tuple(order))


def _lines(file: Path) -> list[str]:
    try:
        return decoded(file.read_bytes()).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error}") from error


def _entry(line: str, known: Mapping[str, int]) -> str | None:
    """The file that a line names; the number of its class may follow."""
    text = line.strip().replace("\\", "/").removeprefix("./")
    first = re.split(r"[\s,;]+", text)[0]
    return next((name for name in (text, first) if name in known), None)


def _list(folder: Path, names: Sequence[str]) -> Path | None:
    places = (folder / place / f"{name}.txt" for name in names for place in _PLACES)
    return next((path for path in places if path.is_file()), None)


def _divided(images: _Part, chosen: Sequence[int], names: Sequence[str]) -> dict[str, _Part]:
    return {
        name: tuple(image for image, mine in zip(images, chosen, strict=True) if mine == place)
        for place, name in enumerate(names)
    }
