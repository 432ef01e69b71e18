"""How are the files of MNIST and its kin read? Bytes behind a head that gives their shape, packed by gzip."""

import gzip
from pathlib import Path

import numpy as np

from harness.core.errors import UserError
from streams.data.prepared import Array


def read_idx(path: Path, dimensions: int) -> Array:
    """The uint8 array of ``dimensions`` axes in a gzipped IDX file (http://yann.lecun.com/exdb/mnist), read-only.

    Raises:
        UserError: the file is missing, truncated or no IDX file of bytes with so many axes.
    """
    try:
        with gzip.open(path) as file:
            data = file.read()
        if data[:4] != bytes((0, 0, 8, dimensions)):
            raise ValueError("it does not begin as an IDX file of bytes does")
        shape = np.frombuffer(data, ">u4", dimensions, 4).astype(int)
        return np.frombuffer(data, np.uint8, int(shape.prod()), 4 + 4 * dimensions).reshape(shape)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); install or download it again") from error
