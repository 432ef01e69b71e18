"""How do bytes get onto a disk so that a crash at any moment leaves the old or the new, never half of both?

Every effect is announced as a fault point: tests make the process die or the disk full there; else nothing happens.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

Effect = Literal["write", "sync", "rename", "append", "cut", "remove"]

at: Callable[[Effect, Path], None] | None = None
"""Called just before each effect. Only tests set it."""


class CannotWrite(Exception):
    """The disk is full, read-only or broken: nobody's run is to blame."""


def whole(target: Path, content: bytes) -> None:
    """Put ``content`` in the place of ``target``: written beside it, synced, renamed.

    Raises:
        CannotWrite: the disk did not take it; ``target`` is as it was.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with _said(target):
        try:
            with temporary.open("wb") as file:
                _reach("write", target)
                file.write(content)
                file.flush()
                _reach("sync", target)
                os.fsync(file.fileno())
            _reach("rename", target)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)


def append(target: Path, content: bytes) -> None:
    """Add ``content`` to the end of a file. A crash may leave any part of it there: readers check each line.

    Raises:
        CannotWrite: the disk did not take it all.
    """
    with _said(target), target.open("ab") as file:
        _reach("append", target)
        new = file.tell() == 0
        file.write(content)
        file.flush()
        _reach("sync", target)
        os.fsync(file.fileno())
        if new:
            _sync_folder(target.parent)


def cut(target: Path, length: int) -> None:
    """Drop all after the first ``length`` bytes.

    Raises:
        CannotWrite: the disk refused.
    """
    with _said(target), target.open("rb+") as file:
        _reach("cut", target)
        file.truncate(length)
        _reach("sync", target)
        os.fsync(file.fileno())


def remove(target: Path) -> None:
    """Delete a file that may be gone already.

    Raises:
        CannotWrite: the disk refused.
    """
    with _said(target):
        _reach("remove", target)
        target.unlink(missing_ok=True)


def _reach(effect: Effect, path: Path) -> None:
    if at is not None:
        at(effect, path)


def _sync_folder(folder: Path) -> None:
    _reach("sync", folder)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _said(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"cannot write {target}: {error.strerror or error}") from error
