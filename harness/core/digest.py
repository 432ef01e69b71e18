"""When are two states the same? When the digests of their content are."""

import hashlib
from collections import OrderedDict
from typing import Any


def digest(value: Any) -> str:
    """SHA-256 of a state's content: structure, dtypes, shapes and bytes, not how tensors lie in memory.

    Raises:
        TypeError: it holds what ``torch.load(weights_only=True)`` would not give back.
    """
    import torch

    found = hashlib.sha256()

    def add(item: Any) -> None:
        if isinstance(item, torch.Tensor):
            found.update(f"{item.dtype}{tuple(item.shape)}".encode())
            found.update(item.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        elif type(item) in (dict, OrderedDict):
            found.update(f"{{{len(item)}".encode())
            for key, held in item.items():
                add(key)
                add(held)
        elif type(item) in (list, tuple):
            found.update(f"[{len(item)}".encode())
            for held in item:
                add(held)
        elif item is None or type(item) in (bool, int, float, str):
            found.update(f"{type(item).__name__} {item!r};".encode())
        else:
            raise TypeError(
                f"a state holds a {type(item).__module__}.{type(item).__qualname__}; "
                "expected tensors, numbers, text, and lists, tuples and dicts of them"
            )

    add(value)
    return found.hexdigest()
