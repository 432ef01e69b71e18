"""Where do images wait between runs? In checksummed arrays in a cache folder, made once and memory-mapped afterwards.

A set is one folder of ``.npy`` files and a ``manifest.json`` with the size and SHA-256 of each. It is made in a
temporary folder beside its place and renamed into it, so that it is there whole or not at all; of two processes that
make the same set at once, the later one throws its copy away.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import UserError
from harness.storage.cache import cache_folder

Array = np.ndarray[Any, np.dtype[Any]]
_LOG = logging.getLogger("harness")
_MANIFEST = "manifest.json"
_verified: set[Path] = set()


@dataclass(frozen=True)
class Prepared:
    """A set that is on disk and was checked. ``checksums`` gives the SHA-256 of each array's file."""

    folder: Path
    checksums: Mapping[str, str]

    def array(self, name: str) -> Array:
        """The array ``name``, memory-mapped and read-only."""
        array: Array = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return array

    def digest(self, *names: str) -> str:
        """SHA-256 over the checksums of the arrays ``names``: names exactly what they hold."""
        text = json.dumps([[name, self.checksums[name]] for name in names])
        return hashlib.sha256(text.encode()).hexdigest()


def prepared(name: str, make: Callable[[], Mapping[str, Array]], *, cache: Path | None = None) -> Prepared:
    """The set ``name``, which ``make`` gives as named arrays if it is missing or damaged.

    Args:
        name: path inside the cache folder; must change whenever what ``make`` gives does.

    Raises:
        UserError: the cache folder cannot be written.
    """
    folder = (cache or cache_folder()) / name
    found, fault = _open(folder)
    if found:
        return found
    if fault:
        _LOG.warning("%s: %s; making it again", folder, fault)
    arrays = make()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _write(folder, arrays)
    except OSError as error:
        raise UserError(
            f"cannot write {folder}: {error.strerror or error}; free it, or point NEVIS_HARNESS_CACHE elsewhere"
        ) from error
    found, fault = _open(folder)
    if not found:
        raise UserError(f"{folder}: {fault or 'vanished'} right after it was written; is the disk sound?")
    return found


def is_prepared(name: str, *, cache: Path | None = None) -> bool:
    """Whether the set ``name`` lies whole in the cache, by file sizes; nothing is made."""
    found, _ = _open((cache or cache_folder()) / name, thorough=False)
    return found is not None


def _open(folder: Path, *, thorough: bool = True) -> tuple[Prepared | None, str]:
    """The set in ``folder``, or what is wrong with it; sizes are checked always, checksums once a process."""
    if not folder.is_dir():
        return None, ""
    try:
        files = json.loads((folder / _MANIFEST).read_text())["files"]
        for file, facts in files.items():
            if (folder / file).stat().st_size != facts["bytes"]:
                return None, f"{file} has another size than it was written with"
        if thorough and folder not in _verified:
            for file, facts in files.items():
                if _sha256(folder / file) != facts["sha256"]:
                    return None, f"{file} has another checksum than it was written with"
            _verified.add(folder)
        return Prepared(folder, {Path(file).stem: facts["sha256"] for file, facts in files.items()}), ""
    except FileNotFoundError as error:
        return None, f"{Path(error.filename or '').name} is missing"
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, f"{_MANIFEST} cannot be read"


def _write(folder: Path, arrays: Mapping[str, Array]) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        files = {}
        for name, array in arrays.items():
            path = temporary / f"{name}.npy"
            with path.open("wb") as file:
                np.save(file, np.ascontiguousarray(array), allow_pickle=False)
                _settle(file)
            files[path.name] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        with (temporary / _MANIFEST).open("w") as file:
            json.dump({"files": files}, file, indent=1)
            _settle(file)
        _place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _settle(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _place(temporary: Path, folder: Path) -> None:
    """Rename ``temporary`` to ``folder``; a damaged set there makes way, a sound one of another process stays."""
    try:
        temporary.rename(folder)
    except OSError:
        sound, _ = _open(folder)
        if sound:
            return
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-damaged-", dir=folder.parent))
        try:
            folder.rename(aside / "set")
        except FileNotFoundError:
            pass  # Another process moved it first.
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        try:
            temporary.rename(folder)
        except OSError:
            if not _open(folder)[0]:
                raise


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
