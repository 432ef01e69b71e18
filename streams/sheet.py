"""What does a stream look like? A contact sheet: sample images of each task, with year, domain and provenance."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from harness.core.errors import UserError
from harness.core.stream import Stream
from harness.core.task import Kind, Provenance, Split, Task
from streams.data.images import SIDE, square
from streams.data.prepared import Array

_SAMPLES = 8
_MARGIN = 6
_TEXT = 220
_INK = {Provenance.REAL: (20, 90, 30), Provenance.PARTIAL: (20, 70, 90), Provenance.EMULATED: (120, 60, 0)}


def write_sheet(stream: Stream, path: Path) -> None:
    """Write a PNG with training images of every task; two tasks stand side by side where there are many.

    Raises:
        UserError: ``path`` cannot be written, or images of a task cannot be had.
    """
    strips = [_strip(position, task) for position, task in enumerate(stream, 1)]
    if not strips:
        raise UserError(f"stream {stream.name!r} has no tasks to show")
    columns = 1 if len(strips) <= 12 else 2 if len(strips) <= 60 else 3
    rows = -(-len(strips) // columns)
    width, height = strips[0].size
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    for i, strip in enumerate(strips):
        sheet.paste(strip, (i // rows * width, i % rows * height))
    try:
        sheet.save(path, format="PNG")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def _strip(position: int, task: Task) -> Image.Image:
    strip = Image.new("RGB", (_TEXT + _SAMPLES * (SIDE + 2) + _MARGIN, SIDE + _MARGIN), "white")
    draw = ImageDraw.Draw(strip)
    title = ImageFont.load_default(13)
    small = ImageFont.load_default(11)
    sizes = ", ".join(str(task.sizes[split]) for split in Split if split in task.sizes)
    what = f"{task.num_classes} {'labels' if task.kind is Kind.MULTILABEL else 'classes'}"
    held = ", held out" if task.phase == "held_out" else ""
    draw.text((4, 2), f"{position}. {task.name}", fill="black", font=title)
    draw.text((4, 19), f"{task.year}{held} - {task.domain}", fill=(70, 70, 70), font=small)
    draw.text((4, 33), f"{what}; {sizes}", fill=(70, 70, 70), font=small)
    draw.text((4, 47), str(task.provenance), fill=_INK[task.provenance], font=small)
    for k, image in enumerate(_samples(task)):
        strip.paste(square(Image.fromarray(image)), (_TEXT + k * (SIDE + 2), _MARGIN // 2))
    return strip


def _samples(task: Task) -> Iterator[Array]:
    """Training images of as many classes as there is room for, two of each where classes are few."""
    data = task.load(Split.TRAIN)
    first = data.labels.argmax(axis=1) if data.labels.ndim == 2 else data.labels
    classes = np.unique(first)
    per_class = max(1, _SAMPLES // max(1, min(len(classes), _SAMPLES // 2)))
    chosen = np.concatenate([np.flatnonzero(first == c)[:per_class] for c in classes[:_SAMPLES]])[:_SAMPLES]
    yield from data.images[chosen]
