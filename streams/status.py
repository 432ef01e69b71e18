"""What is on disk of a stream, what is missing, and how is it had? And: fetch what can be fetched."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, cast

from harness.config.notation import parse
from harness.config.options import build
from harness.config.suite import opened
from harness.core.errors import UserError
from harness.core.stream import Stream
from harness.core.task import Provenance, Split, Task

State = Literal["ready", "downloadable", "manual", "emulated only"]


@dataclass(frozen=True)
class Status:
    """How one task stands: the state of its real images, and in words where they are or how to get them."""

    task: str
    state: State
    detail: str


def status(stream: str) -> list[Status]:
    """One status a task of the stream of that name, in order. Nothing is downloaded or made.

    For NEVIS'22 it is about the real images, whatever the stream's source and whether it takes what is here: ready;
    downloadable through torchvision; manual, when files have to be fetched by hand from a place that serves them;
    emulated only, when all that is known is an address of 2022.

    Raises:
        UserError: there is no such stream, or an option of it is wrong.
    """
    if parse(stream).name == "nevis22":
        return [_nevis22(task) for task in _asked(stream)]
    return [
        Status(task.name, "ready", f"{task.provenance}, {sum(task.sizes.values())} images") for task in opened(stream)
    ]


def prepare(stream: str, *, say: Callable[[str], None] = lambda line: None) -> list[Status]:
    """Fetch and check all that can be had of the stream of that name, and make its emulated images; the new status.

    What is there already stays. A data set that fails is said and passed over, and leaves nothing half-prepared.

    Args:
        say: is told one line for each thing done.

    Raises:
        UserError: there is no such stream, or an option of it is wrong.
    """
    written = parse(stream)
    if written.name != "nevis22":
        tasks = list(opened(stream))
    else:
        asked, source = _asked(stream), written.options.get("source", "emulated")
        if source != "emulated":
            _fetch_all(asked, say)
        here = {task.name for task in asked if source != "emulated" and _nevis22(task).state == "ready"}
        tasks = [] if source == "real" else [task for task in asked if task.name not in here]
    for task in tasks:
        if task.provenance is Provenance.EMULATED:
            task.load(Split.DEV)
            say(f"{task.name}: emulated")
    return status(stream)


def _fetch_all(asked: Stream, say: Callable[[str], None]) -> None:
    from streams.nevis22.real import fetch

    for task in {_dataset(task): task for task in asked}.values():
        if _nevis22(task).state == "downloadable":
            say(f"{task.name}: downloading")
            try:
                fetch(_dataset(task))
            except UserError as error:
                say(f"{task.name}: {error}")


def _asked(stream: str) -> Stream:
    """The tasks of NEVIS'22 that ``stream`` names, emulated: to list them, no real image need be here."""
    from streams.nevis22 import nevis22

    @wraps(nevis22)
    def emulated(**options: Any) -> Stream:
        for name in ("source", "skip_missing", "partial", "side"):
            options.pop(name, None)
        return nevis22(**options)

    return cast(Stream, build("stream", emulated, parse(stream)))


def _nevis22(task: Task) -> Status:
    from streams.nevis22.real import READERS, data_folder, own_folder, present
    from streams.nevis22.table import rows

    dataset = _dataset(task)
    row = next(row for row in rows() if row["dataset_id"] == dataset)
    if own_folder(dataset).is_dir():
        return Status(task.name, "ready", _own(dataset, row["num_classes"]))
    if present(dataset):
        return Status(task.name, "ready", "real images")
    own = f"or put one folder a class into {own_folder(dataset)}"
    if dataset in READERS and (row["torchvision_download"] in ("yes", "gdrive") or dataset == "mnist_rotation"):
        return Status(task.name, "downloadable", f"through torchvision's {READERS[dataset].name}, {own}")
    where = row["source_hosts"] + (f", Hugging Face {row['hf_hint']}" if row["hf_hint"] else "")
    if dataset in READERS:
        here = data_folder() / "torchvision"
        return Status(
            task.name, "manual", f"from {where}, into {here} for torchvision's {READERS[dataset].name}; {own}"
        )
    if row["hf_hint"] or row["source"] in ("kaggle", "tfds", "tfds+manual"):
        return Status(task.name, "manual", f"from {where}; {own.removeprefix('or ')}")
    return Status(task.name, "emulated only", f"was at {where}; {own.removeprefix('or ')}")


def _own(dataset: str, classes: str) -> str:
    """What a person's own folder of a data set holds, as far as names tell."""
    from streams.data.contents import contents
    from streams.nevis22.real import own_folder

    try:
        held = len(contents(own_folder(dataset)).classes)
    except UserError as error:
        return f"real images, but {error}"
    if classes and held < int(classes):
        return f"real images of {held} of {classes} classes; partial=allow takes them"
    if classes and held > int(classes):
        return (
            f"real images of {held} classes, but {dataset} has {classes}; remove {held - int(classes)} of its folders"
        )
    return "real images"


def _dataset(task: Task) -> str:
    from streams.nevis22.table import rows

    return next(
        row["dataset_id"] for row in rows() if task.name in (name := row["dataset_id"].replace("/", "-"), f"{name}-2")
    )
