"""How does a folder of images become arrays? Read in one order, scaled by one rule, and cut into splits.

Images with equal pixels stay in one split where the splits are ours to cut; where the folder has splits of its own,
these stand. Either way what was found is said in one line when the set is prepared.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from harness.core.task import Split
from streams.data.collected import collected
from streams.data.contents import Contents, contents, counted
from streams.data.duplicates import linked, pixel_hashes, same
from streams.data.hashes import content_hashes
from streams.data.images import SIDE, SPANS, Span, decoded, extremes, span
from streams.data.official import halved_validation, official_splits
from streams.data.prepared import Array
from streams.data.progress import progressing
from streams.data.protocol import Protocol, belonging_together, cut
from streams.data.splits import refuse_empty
from streams.data.stored import with_splits

VERSION = 2
"""Raised when equal files begin to give other arrays."""

_LOG = logging.getLogger("harness")


def folder_arrays(folder: Path | Contents, protocol: Protocol = Protocol(), *, side: int = SIDE) -> dict[str, Array]:
    """Images (n, side, side, 3), labels and splits; classes are numbered in the order of their names.

    Without split folders all images are cut 56/12/12/20. With train and test (or train and validation, which is the
    test then), train is cut 70/15/15; with train, validation and test, train is cut 80/20 and validation is dev_test;
    with train, dev, dev_test and test, they are the splits. Lists of files beside the classes (``train.txt``,
    ``test.txt``) are as good as split folders, and ``protocol`` comes after them.

    Raises:
        UserError: as :func:`streams.data.contents.contents`; an image that cannot be read; or a split would be empty.
    """
    found = cut(folder if isinstance(folder, Contents) else contents(folder), protocol)
    images, labels = _collected(found, side)
    groups = same(pixel_hashes(images))
    rule = halved_validation if protocol.halve_test and len(found.parts) == 2 else official_splits
    together = linked(groups, belonging_together(found, protocol))
    splits = rule(labels, list(map(len, found.parts)), numpy_generator(0, "folder"), together=together)
    try:
        refuse_empty(splits, labels)
    except UserError as error:
        raise UserError(f"{found.folder}: {error}") from error
    for line in (_passed_over(found), _repeated(found.folder, groups, labels, splits)):
        if line:
            _LOG.warning(line)
    return with_splits({"images": images, "labels": labels}, splits)


def class_names(folder: Path) -> list[str]:
    """Names of the classes, in the order of their numbers."""
    return list(contents(folder).classes)


def folder_stamp(folder: Contents, protocol: Protocol = Protocol(), *, side: int = SIDE) -> str:
    """A name for what the files hold, how they are cut and stored: other bytes, parts or sides are another.

    Another place is not.
    """
    found = cut(folder, protocol)
    tied = belonging_together(found, protocol).tolist() if protocol.together else ""
    stored = "" if side == SIDE else f" {side} px"
    text = hashlib.sha256(f"{VERSION} {protocol} {tied}{stored}".encode())
    hashes = iter(content_hashes(found.folder, [file for file, _ in found.files()]))
    for name, part in zip(found.names, found.parts, strict=True):
        text.update(f"\n{name} {len(found.classes)}".encode())
        for _, label in part:
            text.update(f"\n{label} {next(hashes)}".encode())
    return text.hexdigest()[:32]


def _collected(found: Contents, side: int) -> tuple[Array, Array]:
    """All images and labels. Modes without a span of their own get one for the whole folder, from all its images."""
    met: dict[str, Span] = {}
    frames: list[Path] = []
    images, labels = collected(_pairs(found, met, frames), side=side)
    spans = {mode: span(mode, low, high) for mode, (low, high) in met.items()}
    for mode, (black, white) in spans.items():
        what = "floats" if mode == "F" else "32-bit whole numbers"
        _LOG.warning("%s: images of %s are scaled alike, %g is black and %g white", found.folder, what, black, white)
    if frames:
        more = f" and {len(frames) - 1} more" if len(frames) > 1 else ""
        _LOG.warning("%s%s hold several frames or pages; the first is taken", frames[0], more)
    if any(spans[mode] != SPANS[mode][0] for mode in spans):
        images, labels = collected(_pairs(found, {}, []), spans=spans, side=side)
    return images, labels


def _pairs(found: Contents, met: dict[str, Span], frames: list[Path]) -> Iterator[tuple[Image.Image, Any]]:
    total = sum(map(len, found.parts))
    for file, label in progressing(found.files(), what=f"preparing {found.folder.name}", total=total):
        image, more = decoded(file)
        if image.mode in SPANS:
            try:
                low, high = extremes(image)
            except UserError as error:
                raise UserError(f"{file}: {error}") from error
            before = met.get(image.mode, (low, high))
            met[image.mode] = (min(low, before[0]), max(high, before[1]))
        if more:
            frames.append(file)
        yield image, label


def _passed_over(found: Contents) -> str:
    return f"{found.folder}: passed over {counted(found.passed_over)}" if found.passed_over else ""


def _repeated(folder: Path, groups: Array, labels: Array, splits: Mapping[Split, Array]) -> str:
    """One line on images that equal another one, and what becomes of them; empty where all differ."""
    again = len(groups) - len(np.unique(groups))
    if not again:
        return ""
    split_of = np.empty(len(groups), dtype=object)
    for split, index in splits.items():
        split_of[index] = str(split)
    held = Counter(group for group, _ in set(zip(groups.tolist(), split_of.tolist(), strict=True)))
    apart = sum(n > 1 for n in held.values())
    labelled = Counter(group for group, _ in set(zip(groups.tolist(), labels.tolist(), strict=True)))
    torn = sum(n > 1 for n in labelled.values())
    parts = [f"{folder}: {again} images equal another one pixel by pixel"]
    stay = "equal ones stay in one split"
    parts.append(f"{apart} lie in two official splits, which are left as they are" if apart else stay)
    if torn:
        parts.append(f"{torn} stand under two classes or more")
    return "; ".join(parts) + "; 'harness data check' counts them"
