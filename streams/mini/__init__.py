"""Which stream runs anywhere, on real images, at once? Seven small tasks whose images come with Python packages."""

from collections.abc import Callable, Mapping

from harness.config.notation import Written
from harness.core.errors import unknown
from harness.core.stream import Stream
from harness.core.task import Kind, Task
from streams.data.prepared import Array, Prepared, prepared
from streams.data.stored import stored_task
from streams.mini import font_glyphs, packaged

VERSION = "2"

_SETS: Mapping[str, Callable[[], Mapping[str, Array]]] = {
    "digits": packaged.digits,
    "mnist_5k": packaged.mnist_5k,
    "texture_patches": packaged.texture_patches,
    "faces": packaged.faces,
    "font_glyphs": font_glyphs.font_glyphs,
    "solar_cells": packaged.solar_cells,
}


def nevis_mini(*, tasks: list[str] | None = None) -> Stream:
    """Seven tasks of real images, 1998 to 2018, that come with Python packages; no download.

    ``tasks`` names those that are wanted; their order stays that of the stream. Years are those in which the data sets
    were published. Images are uint8, 64 x 64 x 3. The first call prepares them in the cache folder.

    Raises:
        UserError: a package is missing (``pip install 'nevis-harness[data]'``), its images cannot be read, or there is
            no task of a name in ``tasks``.
    """
    stored = {name: prepared(f"nevis-mini-{VERSION}/{name}", make) for name, make in _SETS.items()}
    whole = _tasks(stored)
    if tasks is None:
        return Stream("nevis-mini", VERSION, whole)
    for name in tasks:
        if name not in (known := [task.name for task in whole]):
            raise unknown("task of stream 'nevis-mini' called", name, known)
    chosen = tuple(task for task in whole if task.name in tasks)
    return Stream(str(Written("nevis-mini", {"tasks": [task.name for task in chosen]})), VERSION, chosen)


def _tasks(stored: Mapping[str, Prepared]) -> tuple[Task, ...]:
    multiclass, binary = Kind.MULTICLASS, Kind.BINARY
    # Both digit sets were written on forms of NIST; both solar-cell tasks are about the same images.
    return (
        stored_task(
            stored["digits"],
            name="uci_digits",
            year=1998,
            domain="OCR",
            kind=multiclass,
            num_classes=10,
            family="digits",
        ),
        stored_task(
            stored["mnist_5k"],
            name="mnist_5k",
            year=1998,
            domain="OCR",
            kind=multiclass,
            num_classes=10,
            family="digits",
        ),
        stored_task(
            stored["texture_patches"],
            name="texture_patches",
            year=1998,
            domain="texture",
            kind=multiclass,
            num_classes=len(packaged.PHOTOGRAPHS),
        ),
        stored_task(stored["faces"], name="lfw_faces", year=2007, domain="face", kind=binary, num_classes=2),
        stored_task(
            stored["font_glyphs"], name="font_glyphs", year=2009, domain="OCR", kind=multiclass, num_classes=62
        ),
        stored_task(
            stored["solar_cells"],
            name="solar_cell_type_level",
            year=2018,
            domain="industrial",
            kind=multiclass,
            num_classes=8,
            family="solar_cells",
        ),
        stored_task(
            stored["solar_cells"],
            name="solar_cell_defect",
            year=2018,
            domain="industrial",
            kind=binary,
            num_classes=2,
            labels="defective",
            family="solar_cells",
        ),
    )
