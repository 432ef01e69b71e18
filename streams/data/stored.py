"""How does a prepared set become a task? Its images once, a label array a task, and an index file a split."""

from collections.abc import Mapping

import numpy as np

from harness.core.task import Examples, Kind, Phase, Provenance, Split, Task
from streams.data.prepared import Array, Prepared


def with_splits(arrays: Mapping[str, Array], splits: Mapping[Split, Array]) -> dict[str, Array]:
    """``arrays`` and the index array of each split, under the split's name."""
    return {**arrays, **{str(split): splits[split] for split in Split}}


def examples(stored: Prepared, labels: str, split: Split) -> Examples:
    """One split in memory; grey images (n, h, w, 1) are copied to three channels."""
    index = stored.array(str(split))
    images = stored.array("images")[index]
    if images.shape[-1] == 1:
        images = np.repeat(images, 3, axis=-1)
    return Examples(images, stored.array(labels)[index])


def stored_task(
    stored: Prepared,
    *,
    name: str,
    year: int,
    domain: str,
    kind: Kind,
    num_classes: int,
    labels: str = "labels",
    provenance: Provenance = Provenance.REAL,
    phase: Phase = Phase.DEVELOPMENT,
    family: str = "",
) -> Task:
    """The task whose images, array ``labels`` and splits lie in ``stored``."""
    return Task(
        name=name,
        year=year,
        domain=domain,
        kind=kind,
        num_classes=num_classes,
        provenance=provenance,
        phase=phase,
        load=lambda split: examples(stored, labels, Split(split)),
        sizes={split: len(stored.array(str(split))) for split in Split},
        digest=stored.digest("images", labels, *map(str, Split)),
        family=family,
    )
