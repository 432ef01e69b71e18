"""What is a formula of costs? From the shapes that an operation is given to FLOPs."""

import math
from collections.abc import Callable
from typing import Any

Formula = Callable[..., int]
"""Arguments of the operation, tensors replaced by their shapes, and ``out_shape``, to FLOPs."""


def prod(shape: Any) -> int:
    """Elements of a tensor of ``shape``."""
    return int(math.prod(shape))
