"""What lies in a folder of images? Classes, perhaps inside official splits, and files that are none of them.

One folder a class; or split folders with one folder a class in each; or the splits inside the classes. Split folders go
by any of their usual names, in any case: ``train``, ``Training``, ``val``, ``validation``, ``test2017``, ``dev_test``.
Links are followed. What systems and editors leave behind (``.DS_Store``, ``._cat.png``, ``__MACOSX``,
``.ipynb_checkpoints``, ``@eaDir``) is not looked at, at any depth; other files are counted by their ending.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from harness.core.errors import UserError

_LEFT_BEHIND = {
    *("__macosx", "@eadir", "@tmp", "#recycle", "@recycle", "$recycle.bin", "system volume information", "lost+found"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__pycache__", "network trash folder", "temporary items"),
}
_NEEDS_A_PROGRAM = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"}
"""Formats of which Pillow reads the name and leaves the pixels to another program."""

_NOISE = {
    *("set", "sets", "data", "dataset", "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos"),
    *("split", "part", "subset", "sample", "samples", "folder", "dir", "files", "full", "new", "raw", "cropped"),
}
_ABOUT = {"annotation", "annotations", "doc", "docs", "imdb", "info", "labels", "lists", "meta", "metadata", "splits"}
"""Folders that tell of images and hold none."""

_NAMES = {
    "train": ("train", "training", "trn", "trains", "trainval", "train val", "training validation", "train validation"),
    "val": ("val", "vali", "valid", "validate", "validation", "validating", "vals", "dev", "devel", "development"),
    "dev_test": ("dev test", "devtest"),
    "test": ("test", "tests", "testing", "tst", "eval", "evaluation", "evaluating", "holdout", "hold out", "heldout",
             "held out", "test only"),
}  # fmt: skip
_SPLIT_OF = {name: split for split, names in _NAMES.items() for name in names}


@dataclass(frozen=True)
class Contents:
    """The images of a folder.

    Attributes:
        classes: names, in the order of their numbers.
        parts: for each official part, train first, its images in order with the numbers of their classes; one part
            where the folder has no split folders.
        names: of the parts: ``all``; or of ``train``, ``val``, ``dev_test`` and ``test`` those that are there.
        passed_over: how many files of which ending are no images that Pillow reads, and how many images lie outside
            the classes.
    """

    folder: Path
    classes: tuple[str, ...]
    parts: tuple[tuple[tuple[Path, int], ...], ...]
    names: tuple[str, ...]
    passed_over: Mapping[str, int]

    def files(self) -> Iterator[tuple[Path, int]]:
        """All images, part after part."""
        for part in self.parts:
            yield from part


@dataclass(frozen=True)
class _Place:
    """A folder that was looked into: its visible folders, images and the endings of other files."""

    path: Path
    folders: Mapping[str, "_Place"]
    images: tuple[Path, ...]
    others: tuple[str, ...]

    def all_images(self) -> Iterator[Path]:
        yield from self.images
        for inner in self.folders.values():
            yield from inner.all_images()

    def all_others(self) -> Iterator[str]:
        yield from self.others
        for inner in self.folders.values():
            yield from inner.all_others()

    def holds_images(self) -> bool:
        return next(self.all_images(), None) is not None


@dataclass(frozen=True)
class _Part:
    """An official part: the folders of its classes, and the folder that a message about it names."""

    path: Path
    folders: Mapping[str, _Place]


@cache
def endings() -> frozenset[str]:
    """The endings of file names that Pillow reads by itself, in small letters: ``.jpg``, ``.jfif``, ``.avif``..."""
    Image.init()
    readable = {*Image.OPEN, "MPO"} - _NEEDS_A_PROGRAM
    return frozenset(ending.lower() for ending, name in Image.registered_extensions().items() if name in readable)


def contents(folder: Path) -> Contents:
    """What lies in ``folder``, by names alone; no image is read.

    Raises:
        UserError: it cannot be read; no classes, a class without images, two classes or two split folders of one
            meaning, or folders that may be splits or classes; or a link that leads nowhere.
    """
    root = _look(folder)
    names, parts = _parts(_without_wrapper(root))
    classes = [_classes(part) for part in parts]
    known = sorted(classes[0])
    for part, found in zip(parts, classes, strict=True):
        for name in found:
            if name not in classes[0]:
                raise UserError(f"{part.path} has a class {name!r} that is not in {names[0]}; add or remove it")
    files = tuple(
        tuple((file, label) for label, name in enumerate(known) if name in found for file in found[name])
        for found in classes
    )
    outside = sum(1 for _ in root.all_images()) - sum(map(len, files))
    passed_over = Counter(root.all_others())
    if outside:
        passed_over["images outside the classes"] = outside
    return Contents(folder, tuple(known), files, names, passed_over)


def split_named(name: str) -> str | None:
    """``train``, ``val``, ``dev_test`` or ``test`` where a folder of that name usually holds that split."""
    text = " ".join(_words(name))
    shorter = re.sub(r"(sets?|data|images?)$", "", text)
    return _SPLIT_OF.get(text) or _SPLIT_OF.get(shorter)


def _words(name: str) -> list[str]:
    """The words of a folder's name without numbers and without those that any set of images may bear."""
    return [word for word in re.findall(r"[^\W\d_]+", _plain(name).casefold()) if word not in _NOISE]


def _plain(name: str) -> str:
    # The same letters can be stored in two ways.
    return unicodedata.normalize("NFC", name).strip()


def _look(folder: Path) -> _Place:
    if not _is_folder(folder):
        raise UserError(f"no folder {folder}; expected one folder a class inside it")
    broken: list[str] = []
    place = _inside(folder, (), broken)
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise UserError(f"link {broken[0]}{more} leads nowhere; fetch what it stands for, or remove it")
    return place


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise UserError(f"cannot read folder {str(path)[:80]}...: {error.strerror}") from error


def _inside(folder: Path, above: tuple[tuple[int, int], ...], broken: list[str]) -> _Place:
    """``folder`` and all below it; a link back to a folder that it lies in is not followed."""
    folders, images, others = dict[str, _Place](), list[Path](), list[str]()
    try:
        facts = os.stat(folder)
        mine = (*above, (facts.st_dev, facts.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: (_plain(entry.name), entry.name))
    except OSError as error:
        raise UserError(f"cannot read folder {folder}: {error.strerror}") from error
    for entry in entries:
        path, ending = folder / entry.name, os.path.splitext(entry.name)[1].lower()
        if entry.name.startswith(".") or entry.name.casefold() in _LEFT_BEHIND:
            continue
        if entry.is_dir():
            inner = os.stat(path)
            if (inner.st_dev, inner.st_ino) not in mine:
                folders[entry.name] = _inside(path, mine, broken)
        elif entry.is_symlink() and not path.exists():
            broken.append(str(path))
        elif entry.is_file():
            if ending in endings():
                images.append(path)
            else:
                others.append(ending or "no ending")
    return _Place(folder, folders, tuple(images), tuple(others))


def _without_wrapper(root: _Place) -> _Place:
    """The folder ``images`` or ``data`` that alone holds all images of ``root``, where it holds folders of them."""
    full = [place for place in root.folders.values() if place.holds_images()]
    if len(full) == 1 and not root.images and not full[0].images and not _words(full[0].path.name):
        return _without_wrapper(full[0])
    return root


def _parts(root: _Place) -> tuple[tuple[str, ...], list[_Part]]:
    """The names of the official parts, and the parts."""
    full = {name: place for name, place in root.folders.items() if place.holds_images() or split_named(name)}
    splits = _by_split(root.path, full)
    if "train" in splits and len(splits) == len(full):
        # Beside split folders, one without images (annotations, labels) is no class that lost its images.
        return _ordered(root.path, {split: _Part(place.path, place.folders) for split, place in splits.items()})
    if len(splits) > 1 and len(splits) == len(full):
        raise UserError(f"{root.path} holds {_listed(full)} and no train folder; expected train and test, or classes")
    if len(splits) > 1 and "train" in splits:
        others = [name for name in full if split_named(name) is None]
        raise UserError(
            f"{root.path} holds split folders ({_listed([place.path.name for place in splits.values()])}) and others "
            f"({_listed(others)}); expected only splits or only classes: move the others out, or rename"
        )
    return _splits_inside(root) or (("all",), [_Part(root.path, root.folders)])


def _splits_inside(root: _Place) -> tuple[tuple[str, ...], list[_Part]] | None:
    """The parts of a folder whose classes hold the splits, where all of them do."""
    parts: dict[str, dict[str, _Place]] = {}
    cut, whole = [], []
    for name, place in root.folders.items():
        full = {key: inner for key, inner in place.folders.items() if inner.holds_images()}
        splits = _by_split(place.path, full)
        if "train" in splits and 1 < len(splits) == len(full):
            cut.append(name)
            for split, inner in splits.items():
                parts.setdefault(split, {})[name] = inner
        elif place.holds_images():
            whole.append(name)
    if cut and whole:
        raise UserError(
            f"in {root.path}, {_listed(cut)} hold split folders and {_listed(whole)} do not; give every class the same"
        )
    return _ordered(root.path, {split: _Part(root.path, held) for split, held in parts.items()}) if cut else None


def _by_split(parent: Path, folders: Mapping[str, _Place]) -> dict[str, _Place]:
    found: dict[str, _Place] = {}
    for name, place in folders.items():
        split = split_named(name)
        if split in found:
            raise UserError(
                f"{parent} holds {found[split].path.name!r} and {name!r}, which both mean {split}; keep one"
            )
        if split:
            found[split] = place
    return found


def _ordered(root: Path, splits: Mapping[str, _Part]) -> tuple[tuple[str, ...], list[_Part]]:
    names = tuple(name for name in _NAMES if name in splits)
    if "dev_test" in names and names != tuple(_NAMES):
        raise UserError(f"{root} has the splits {', '.join(names)}; beside dev_test, expected train, dev and test")
    return names if len(names) > 1 else ("all",), [splits[name] for name in names]


def _classes(part: _Part) -> dict[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    for typed, place in part.folders.items():
        name = _plain(typed)
        for other in found:
            # Some file systems do not tell upper from lower case.
            if other.casefold() == name.casefold():
                raise UserError(f"{part.path} has two classes of one name, {other!r} and {name!r}")
        images = tuple(place.all_images())
        if not images and name.casefold() in _ABOUT:
            continue
        if not images:
            there = counted(Counter(place.all_others()))
            raise UserError(
                f"class folder {place.path} holds no image{f' but {there}' if there else ''}; "
                "expected files such as .jpg or .png"
            )
        found[name] = images
    if len(found) < 2:
        raise UserError(
            f"{part.path} holds {len(found)} class folders{f' ({_listed(found)})' if found else ''}; "
            "expected two or more, one a class"
        )
    return found


def _listed(names: Iterable[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "")


def counted(counts: Mapping[str, int]) -> str:
    """``5 .txt, 1 .csv``, the commonest first."""
    return ", ".join(f"{n} {what}" for what, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
