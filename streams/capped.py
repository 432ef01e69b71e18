"""What is learnt from fewer images? Any stream with at most so many training images a task."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from harness.config.notation import Written
from harness.config.registry import make
from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from harness.core.stream import Stream
from harness.core.task import Examples, Split, Task
from harness.learning.batches import stratified

VERSION = "1"


def capped(*, stream: str, train: int) -> Stream:
    """``stream`` with at most ``train`` training images a task: ``capped(stream="nevis-mini", train=600)``.

    Classes are taken in turn, so that all are there as long as there are images. A task's part is the same in every
    run, and smaller parts lie inside larger ones; dev and test splits stay whole.

    Raises:
        UserError: there is no such stream, or ``train`` is less than one image a class of some task.
    """
    whole: Stream = make("streams", stream)
    name, title, identity = (
        str(Written("capped", {"stream": inner, "train": train})) for inner in (whole.name, whole.title, whole.identity)
    )
    tasks = tuple(_capped(task, train) for task in whole)
    return Stream(name, f"{VERSION}/{whole.version}", tasks, title, identity)


def _capped(task: Task, train: int) -> Task:
    if train < task.num_classes:
        raise UserError(
            f"capped(train={train}): task {task.name!r} has {task.num_classes} classes; "
            "expected at least one training image of each"
        )
    if task.sizes[Split.TRAIN] <= train:
        return task
    load = task.load

    def some(split: Split) -> Examples:
        data = load(split)
        if split is not Split.TRAIN:
            return data
        return data[_part(data.labels, train, task.name)]

    return replace(
        task,
        load=some,
        sizes={**task.sizes, Split.TRAIN: train},
        digest=hashlib.sha256(f"{task.digest} {VERSION} {train}".encode()).hexdigest(),
    )


def _part(labels: np.ndarray[Any, Any], train: int, name: str) -> np.ndarray[Any, Any]:
    return np.sort(stratified(labels, train, numpy_generator(0, name, "capped")))
