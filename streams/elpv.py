"""How are solar cells told apart as in the paper that published them? ELPV cut 1,968 to 656, as far as that is known.

Deitsch et al., Solar Energy 185 (2019), arXiv 1807.02894, train on 1,968 of the 2,624 cells. Which cells these are is
not published with the data set; here they are drawn, in equal shares of every type and defect level.
"""

import numpy as np

from harness.config.notation import Written
from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from harness.core.stream import Stream
from harness.core.task import Kind, Split
from streams.data.prepared import Array, prepared
from streams.data.splits import stratified_splits
from streams.data.stored import stored_task, with_splits
from streams.mini import packaged

ORIGINAL = 300
"""Side in pixels of the images as they are published."""

_SHARES = {Split.TRAIN: 75, Split.TEST: 25}
_DEVELOPMENT = {Split.TRAIN: 80, Split.DEV: 10, Split.DEV_TEST: 10}


def elpv(*, side: int = 128) -> Stream:
    """Defective solar cells or not, 1,968 to train on and 656 to test: ``elpv(side=128)``; score it with ``--final``.

    ``dev`` and ``dev_test`` are training images as well, a tenth of them each: what is scored there says nothing.

    Args:
        side: of the images kept, in pixels; they are published with 300.

    Raises:
        UserError: the package elpv-dataset, which brings the images, is missing, or ``side`` is not in 16..300.
    """
    if not 16 <= side <= ORIGINAL:
        raise UserError(f"elpv(side={side}): expected 16 to {ORIGINAL} pixels, the side of the published images")
    stored = prepared(f"elpv-1/{side}", lambda: _arrays(side))
    task = stored_task(
        stored,
        name="solar_cell_defect",
        year=2018,
        domain="industrial",
        kind=Kind.BINARY,
        num_classes=2,
        family="solar_cells",
    )
    return Stream(str(Written("elpv", {"side": side})), "1", (task,), identity=f"elpv:{side}")


def _arrays(side: int) -> dict[str, Array]:
    images, classes = packaged.elpv(side)
    parts = stratified_splits(classes, numpy_generator(0, "elpv"), _SHARES)
    train = parts[Split.TRAIN]
    cut = stratified_splits(classes[train], numpy_generator(0, "elpv", "development"), _DEVELOPMENT)
    splits = {split: train[index] for split, index in cut.items()} | parts
    return with_splits({"images": images, "labels": packaged.defective(np.asarray(classes))}, splits)
