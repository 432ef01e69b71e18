"""Has another run of the suite computed this already? Values on disk, named by what they depend on, while a suite runs.

Only for speed: a value that is read back equals, bit for bit, what computing it again would give. Where the disk takes
nothing, it is computed again.
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
"""Bytes on disk at most. The first values stay and later ones are not stored: runs take the same nets in turn, budget
after budget, so that the oldest value is the one that is needed next."""

_DIGEST = hashlib.sha256().digest_size

_folder: Path | None = None


def use_folder(folder: Path | None) -> None:
    """Store values in ``folder``, which the processes of one suite share; with None, as at the start, store nothing."""
    global _folder
    _folder = folder


def once(content: object, work: Callable[[], Value]) -> Value:
    """The value of ``work()``, read from disk where a process of this suite has computed it before.

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
