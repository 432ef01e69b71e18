"""How do results of many runs become one small file, and come back? A tar of run folders without weights, in xz.

Unpacked with ``tar xf`` it is a results folder again. Equal results make equal bytes: names are sorted, and clocks,
owners and modes of files are not kept. A bundle may come from anybody: it is data, nothing in it is run or unpacked to
the disk, and what it may make of the memory is bounded.
"""

import io
import json
import lzma
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.core.errors import UserError

SUFFIX = ".tar.xz"

MOST_BYTES = 512 * 2**20
"""A bundle that is larger when it is unpacked is refused: a small file can hold, or claim to hold, gigabytes."""

MOST_MEMORY = 256 * 2**20
"""What the decompressor may take for itself; ``xz -9`` asks for 65 MiB."""

ENTRY = "entry.json"
"""What is said of a bundle that was handed in: beside the runs, and no run."""


class Packed(NamedTuple):
    """One run in a bundle: its folder, ``run.json`` and the content of ``events.jsonl``, which is not touched."""

    name: str
    run: bytes
    events: bytes


def run_text(run: Mapping[str, Any]) -> bytes:
    """``run.json`` as a bundle holds it."""
    return (json.dumps(run, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def write_bundle(runs: Sequence[Packed], out: Path, *, entry: Mapping[str, str] | None = None) -> None:
    """Write ``runs`` to ``out``; their names differ. ``entry``: what is said of the whole (:data:`ENTRY`).

    Raises:
        UserError: ``out`` cannot be written.
    """
    # Files of one kind together: like beside like packs well.
    members = [(f"{one.name}/run.json", one.run) for one in runs]
    members += [(f"{one.name}/events.jsonl", one.events) for one in runs]
    if entry is not None:
        members.append((ENTRY, run_text(entry)))
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in members:
            facts = tarfile.TarInfo(name)
            facts.size, facts.mode = len(data), 0o644
            tar.addfile(facts, io.BytesIO(data))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(lzma.compress(content.getvalue(), preset=9))
    except OSError as error:
        raise UserError(f"cannot write {str(out)!r}: {error.strerror}") from error


def read_bundle(path: Path) -> list[Packed]:
    """The runs in ``path``, by the names of their folders. Nothing is unpacked to the disk.

    Raises:
        UserError: the file cannot be read, is damaged, torn, no bundle, or larger than :data:`MOST_BYTES` unpacked.
    """
    runs: dict[str, bytes] = {}
    events: dict[str, bytes] = {}
    for place, data in _members(path):
        folder, _, name = place.rpartition("/")
        held = {"run.json": runs, "events.jsonl": events}.get(name)
        if held is not None:
            held[folder.removeprefix("./")] = data
    return [Packed(name, runs[name], events.get(name, b"")) for name in sorted(runs, key=lambda name: name.split("/"))]


def read_entry(path: Path) -> dict[str, str]:
    """What is said of the bundle in ``path``: texts by name; nothing where it was not handed in.

    Raises:
        UserError: as :func:`read_bundle`.
    """
    found = next((data for name, data in _members(path) if name == ENTRY), b"{}")
    try:
        content = json.loads(found)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {str(name): value for name, value in content.items() if isinstance(value, str)}


def _members(path: Path) -> list[tuple[str, bytes]]:
    """Name and content of every file in the bundle; links, devices and folders are passed over."""
    try:
        with tarfile.open(fileobj=io.BytesIO(_unpacked(path)), mode="r:") as tar:
            found = []
            for member in tar:
                if member.size > MOST_BYTES:
                    raise tarfile.TarError("a file in it claims to be larger than a whole bundle may be")
                if member.isreg() and not member.issparse() and (file := tar.extractfile(member)) is not None:
                    found.append((member.name, file.read()))
            return found
    except OSError as error:
        raise UserError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except (lzma.LZMAError, EOFError, tarfile.TarError, ValueError, OverflowError) as error:
        raise UserError(
            f"{str(path)!r} is damaged or no bundle ({error}): fetch or export it again, 'harness export DIR --out "
            f"FILE{SUFFIX}'"
        ) from error


def _unpacked(path: Path) -> bytes:
    found = bytearray()
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    while content:
        unpacker = lzma.LZMADecompressor(memlimit=MOST_MEMORY)
        found += unpacker.decompress(content, max_length=MOST_BYTES + 1 - len(found))
        if len(found) > MOST_BYTES:
            raise UserError(
                f"{str(path)!r} holds more than {MOST_BYTES >> 20} MiB when it is unpacked, and no results are so "
                "large: it is no bundle of this harness"
            )
        if not unpacker.eof:
            raise EOFError("the file ends too early")
        content = unpacker.unused_data
    return bytes(found)
