"""What has another run of the suite worked out already? Values kept on disk by content, for as long as the suite runs.

For speed alone: what is read back is what the work would give, to the bit; where nothing can be kept it is done again.
"""

import hashlib
import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import torch

Value = TypeVar("Value")

LIMIT = 1 << 30
"""Bytes that are kept, of what comes first: runs come round to the same nets in turn, budget after budget, and what was
asked for longest ago is what is asked for next."""

_DIGEST = hashlib.sha256().digest_size

_folder: Path | None = None


def use_folder(folder: Path | None) -> None:
    """Keep values in ``folder``, which the processes of one suite share; None: keep nothing, as at the start."""
    global _folder
    _folder = folder


def once(content: object, work: Callable[[], Value]) -> Value:
    """What ``work`` gives, or gave when a process of this suite did it.

    Args:
        content: all that the value depends on; two are the same where their ``repr`` is.
        work: gives tensors, numbers, text, or lists, tuples and dicts of them.
    """
    if _folder is None:
        return work()
    path = _folder / hashlib.sha256(repr(content).encode()).hexdigest()
    with suppress(OSError):
        digest, there = (whole := path.read_bytes())[:_DIGEST], whole[_DIGEST:]
        # Torch does not check what it reads back.
        if digest == hashlib.sha256(there).digest():
            return torch.load(io.BytesIO(there), weights_only=True)  # type: ignore[no-any-return]
    value = work()
    _keep(path, value)
    return value


def _keep(path: Path, value: object) -> None:
    content = io.BytesIO()
    torch.save(value, content)
    whole = hashlib.sha256(content.getbuffer()).digest() + content.getvalue()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if _full(path.parent, len(whole)):
            return
        temporary.write_bytes(whole)
        temporary.replace(path)
    except OSError:
        # A full disk costs time, not the run.
        with suppress(OSError):
            temporary.unlink()


def _full(folder: Path, coming: int) -> bool:
    return coming + sum(entry.stat().st_size for entry in os.scandir(folder)) > LIMIT
