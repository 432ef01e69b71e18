"""How does COCO become a task of one class an image? As NEVIS'22 does it: every annotated box is cut out.

The files are COCO's own of 2017, unpacked: ``annotations/instances_train2017.json`` and ``instances_val2017.json``
beside the folders ``train2017`` and ``val2017``. They are not fetched: they take 20 GB.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from streams.data.collected import collected
from streams.data.images import SIDE, open_image
from streams.data.official import official_splits
from streams.data.prepared import Array
from streams.data.stored import with_splits

LEAST_SIDE = 16
"""Boxes with a shorter side, in pixels, are left out, as in NEVIS'22."""

_PARTS = ("train2017", "val2017")


class Picture(NamedTuple):
    """One image: its file, and the class and box (x, y, width, height) of each thing to be cut out of it."""

    file: Path
    things: list[tuple[int, tuple[float, float, float, float]]]


@dataclass(frozen=True)
class CocoCrops:
    """The crops of COCO 2017 below what ``place`` gives: val2017 is the test, train2017 is cut 70/15/15.

    A class is COCO's category number less one: 90 numbers, of which 80 are used. NEVIS'22 splits crops, so that those
    of one image land in several splits; here an image stays whole, stratified by the class of its first box.
    """

    place: Callable[[], Path]
    name: str = "CocoDetection"

    @property
    def folder(self) -> Path:
        return self.place()

    def present(self) -> bool:
        """Whether the annotations and the folders of images are there."""
        return all(self._annotations(part).is_file() and (self.folder / part).is_dir() for part in _PARTS)

    def arrays(self, *, download: bool = False, side: int = SIDE) -> dict[str, Array]:
        """All crops, labels and splits.

        Raises:
            UserError: a file is missing or damaged, or ``download`` is asked for.
        """
        if download:
            raise UserError(f"COCO is not downloaded: unpack its 2017 images and annotations into {self.folder}")
        parts = [self._pictures(part) for part in _PARTS]
        pictures = [picture for part in parts for picture in part]
        images, labels = collected(_crops(pictures), side=side)
        first = np.array([picture.things[0][0] for picture in pictures])
        of_pictures = official_splits(first, [len(part) for part in parts], numpy_generator(0, self.name))
        owner = np.repeat(np.arange(len(pictures)), [len(picture.things) for picture in pictures])
        splits = {split: np.flatnonzero(np.isin(owner, index)) for split, index in of_pictures.items()}
        return with_splits({"images": images, "labels": labels}, splits)

    def _annotations(self, part: str) -> Path:
        return self.folder / "annotations" / f"instances_{part}.json"

    def _pictures(self, part: str) -> list[Picture]:
        """The images of one part that have boxes large enough, in the order of the annotations."""
        path = self._annotations(part)
        try:
            found: dict[str, Any] = json.loads(path.read_bytes())
            files = {image["id"]: self.folder / part / image["file_name"] for image in found["images"]}
            pictures: dict[int, Picture] = {}
            for one in found["annotations"]:
                x, y, width, height = one["bbox"]
                if min(width, height) >= LEAST_SIDE:
                    picture = pictures.setdefault(one["image_id"], Picture(files[one["image_id"]], []))
                    picture.things.append((one["category_id"] - 1, (x, y, width, height)))
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}; unpack COCO's annotations of 2017") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is not a file of COCO's instances ({error}); unpack it again") from error
        return list(pictures.values())


def _crops(pictures: list[Picture]) -> Iterator[tuple[Image.Image, int]]:
    for file, things in pictures:
        image = open_image(file)
        for label, (x, y, width, height) in things:
            right, bottom = min(image.width, x + width), min(image.height, y + height)
            yield image.crop((round(x), round(y), round(right), round(bottom))), label
