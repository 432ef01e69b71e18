"""What does a folder of images hold? One folder a class, perhaps inside ``train`` and ``test``, as ImageFolder has it.

Files whose name does not end like an image's are passed over; one that does but cannot be read is an error.
"""

import hashlib
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from streams.data.collected import collected
from streams.data.images import open_image
from streams.data.official import official_splits
from streams.data.prepared import Array
from streams.data.stored import with_splits

ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def folder_arrays(folder: Path) -> dict[str, Array]:
    """Images, labels and splits; classes are numbered in the order of their names.

    With ``train`` and ``test`` inside, train is cut 70/15/15; otherwise all images are cut 56/12/12/20.

    Raises:
        UserError: no classes, a class without images, two classes of one name, or an image that cannot be read.
    """
    parts = [_classes(part) for part in _parts(folder)]
    names = sorted(parts[0])
    for part in parts[1:]:
        for name in part:
            if name not in parts[0]:
                raise UserError(f"{part[name].parent} has a class {name!r} that is not in train; add or remove it")
    images, labels = collected(
        (open_image(file), label)
        for part in parts
        for label, name in enumerate(names)
        if name in part
        for file in _files(part[name])
    )
    counts = [sum(len(list(_files(place))) for place in part.values()) for part in parts]
    splits = official_splits(labels, counts, numpy_generator(0, "folder", folder.name))
    return with_splits({"images": images, "labels": labels}, splits)


def class_names(folder: Path) -> list[str]:
    """Names of the classes, in the order of their numbers."""
    return sorted(_classes(_parts(folder)[0]))


def folder_stamp(folder: Path) -> str:
    """A name that changes when a file inside is added, removed, or written again."""
    found = hashlib.sha256()
    for part in _parts(folder):
        for place in _classes(part).values():
            for file in _files(place):
                facts = file.stat()
                found.update(f"{file.relative_to(folder)}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return found.hexdigest()[:16]


def _parts(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"no folder {folder}; expected one folder a class inside it")
    inside = {entry.name for entry in folder.iterdir() if entry.is_dir()}
    return [folder / "train", folder / "test"] if inside == {"train", "test"} else [folder]


def _classes(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for place in sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        # The same letters can be stored in two ways, and some file systems do not tell upper from lower case.
        name = unicodedata.normalize("NFC", place.name).strip()
        for other in found:
            if other.casefold() == name.casefold():
                raise UserError(f"{folder} has two classes of one name, {found[other].name!r} and {place.name!r}")
        if next(_files(place), None) is None:
            raise UserError(f"class folder {place} holds no image ({', '.join(sorted(ENDINGS))})")
        found[name] = place
    if len(found) < 2:
        raise UserError(f"{folder} holds {len(found)} class folders; expected two or more, one a class")
    return found


def _files(place: Path) -> Iterator[Path]:
    return (file for file in sorted(place.rglob("*")) if file.suffix.lower() in ENDINGS and file.is_file())
