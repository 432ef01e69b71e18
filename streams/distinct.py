"""What is learnt without having seen the test? Any stream less the training images that lie in its other splits too."""

import hashlib
from dataclasses import replace

import numpy as np

from harness.config.notation import Written
from harness.config.registry import make
from harness.core.errors import UserError
from harness.core.stream import Stream
from harness.core.task import Examples, Split, Task
from streams.data.duplicates import NEAR, distances, pixel_hashes, sketches
from streams.data.prepared import Array, prepared

VERSION = "1"


def distinct(*, stream: str, near: bool = False) -> Stream:
    """``stream`` without the training images that equal one of dev, dev_test or test.

    ``distinct(stream="folder:mine.toml")``. Dev, dev_test and test stay whole, so that errors stay comparable;
    'harness data check' counts what would go.

    Args:
        near: also those that are nearly the same, as a copy saved again is.

    Raises:
        UserError: there is no such stream, or nothing would be left to train on.
    """
    whole: Stream = make("streams", stream)
    options = {"near": True} if near else {}
    name, title, identity = (
        str(Written("distinct", {"stream": inner, **options})) for inner in (whole.name, whole.title, whole.identity)
    )
    tasks = tuple(_distinct(task, near) for task in whole)
    return Stream(name, f"{VERSION}/{whole.version}", tasks, title, identity)


def _distinct(task: Task, near: bool) -> Task:
    digest = hashlib.sha256(f"{task.digest} distinct {VERSION} {near} {NEAR if near else ''}".encode()).hexdigest()
    stored = prepared(f"distinct/{digest[:32]}", lambda: {"train": _left(task, near)})
    left, load = stored.array("train"), task.load
    if len(left) == task.sizes[Split.TRAIN]:
        return task
    if len(left) == 0:
        raise UserError(f"distinct: every training image of task {task.name!r} lies in another split as well")

    def some(split: Split) -> Examples:
        return load(split)[np.asarray(left)] if split is Split.TRAIN else load(split)

    return replace(task, load=some, sizes={**task.sizes, Split.TRAIN: len(left)}, digest=digest)


def _left(task: Task, near: bool) -> Array:
    """The training images (k,) that are in no other split."""
    train = task.load(Split.TRAIN).images
    others = [task.load(split).images for split in Split if split is not Split.TRAIN]
    taken = np.isin(pixel_hashes(train), np.concatenate([pixel_hashes(images) for images in others]))
    if near:
        taken |= distances(sketches(train), np.concatenate([sketches(images) for images in others])) <= NEAR
    return np.flatnonzero(~taken)
