"""How are more images gathered than memory holds? One after another into a file, seen as one array in the end."""

import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from PIL import Image

from streams.data.images import SIDE, Span, color
from streams.data.prepared import Array


def collected(
    pairs: Iterable[tuple[Image.Image, Any]], *, spans: Mapping[str, Span] | None = None, side: int = SIDE
) -> tuple[Array, Array]:
    """Images (n, side, side, 3) as :func:`streams.data.images.color` makes them, on disk, and their labels."""
    labels = []
    with tempfile.TemporaryFile() as file:
        for image, label in pairs:
            file.write(color(image, side, spans=spans).tobytes())
            labels.append(label)
        file.flush()
        if not labels:
            return np.empty((0, side, side, 3), np.uint8), np.empty(0, np.int64)
        # The mapping keeps the unnamed file alive.
        images = np.memmap(file, np.uint8, "r", shape=(len(labels), side, side, 3))
    return images, np.array(labels)
