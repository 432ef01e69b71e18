"""What is on disk of a stream, what is missing, and how is it had? And: fetch what can be fetched."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.config.notation import parse
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


def status(stream: Stream) -> list[Status]:
    """One status a task, in order. Nothing is downloaded or made.

    For NEVIS'22 it is about the real images, whatever the stream's source: ready; downloadable through torchvision;
    manual, when files have to be fetched by hand from a place that serves them; emulated only, when all that is known
    is an address of 2022.
    """
    if parse(stream.name).name == "nevis22":
        return [_nevis22(task) for task in stream]
    return [Status(task.name, "ready", f"{task.provenance}, {sum(task.sizes.values())} images") for task in stream]


def prepare(stream: Stream, *, say: Callable[[str], None] = lambda line: None) -> list[Status]:
    """Fetch and check all that can be had of ``stream``, and make its emulated images; then the new status.

    What is there already stays. A data set that fails is said and passed over, and leaves nothing half-prepared.

    Args:
        say: is told one line for each thing done.
    """
    if parse(stream.name).name == "nevis22":
        from streams.nevis22.real import fetch

        for task in {_dataset(task): task for task in stream}.values():
            found = _nevis22(task)
            if found.state == "downloadable" and parse(stream.name).options.get("source") in ("real", "best"):
                say(f"{task.name}: downloading")
                try:
                    fetch(_dataset(task))
                except UserError as error:
                    say(f"{task.name}: {error}")
    for task in stream:
        if task.provenance is Provenance.EMULATED:
            task.load(Split.DEV)
            say(f"{task.name}: emulated")
    return status(stream)


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
    return "real images"


def _dataset(task: Task) -> str:
    from streams.nevis22.table import rows

    return next(
        row["dataset_id"] for row in rows() if task.name in (name := row["dataset_id"].replace("/", "-"), f"{name}-2")
    )
