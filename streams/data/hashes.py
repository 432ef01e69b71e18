"""Which bytes do files hold? Their SHA-256, computed once and again only where a file may have been written.

What is remembered is trusted as version control does it: where size, both times and inode are as they were, and the
file was not touched in the seconds before it was read, within which a clock may not tell two writings apart.
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.core.errors import UserError
from harness.storage.cache import cache_folder

_UNSURE = 2 * 10**9
"""Nanoseconds before a reading within which a file system's clock may stand still."""


def content_hashes(folder: Path, files: Sequence[Path]) -> list[str]:
    """The SHA-256 of each of ``files``, which lie in ``folder``.

    Raises:
        UserError: a file cannot be read.
    """
    index = _index(folder)
    known, now = _read(index), time.time_ns()
    found: dict[str, list[Any]] = {}
    hashes = []
    for file in files:
        name = os.path.relpath(file, folder)
        try:
            facts = os.stat(file)
            mark = [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, facts.st_dev]
            before = known.get(name)
            if isinstance(before, list) and len(before) == 7 and before[:5] == mark and _settled(before):
                found[name] = before
            else:
                with file.open("rb") as stream:
                    found[name] = [*mark, now, hashlib.file_digest(stream, "sha256").hexdigest()]
        except OSError as error:
            raise UserError(f"cannot read {file}: {error.strerror or error}") from error
        hashes.append(str(found[name][-1]))
    if found != known:
        _write(index, found)
    return hashes


def _settled(entry: list[Any]) -> bool:
    _, changed, touched, _, _, read, _ = entry
    return bool(max(changed, touched) < read - _UNSURE)


def _index(folder: Path) -> Path:
    place = hashlib.sha256(str(folder.resolve()).encode(errors="surrogateescape")).hexdigest()[:16]
    return cache_folder() / "hashes" / f"{place}.json"


def _read(index: Path) -> dict[str, list[Any]]:
    try:
        known = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(index: Path, found: dict[str, list[Any]]) -> None:
    # It only saves time: where it cannot be written, files are read again.
    with suppress(OSError):
        index.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{index.name}-", dir=index.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(found, file, separators=(",", ":"))
        os.replace(name, index)
