"""How do results of many runs become one small file, and come back? A tar of run folders without weights, in xz.

Unpacked with ``tar xf`` it is a results folder again. Equal results make equal bytes: names are sorted, and clocks,
owners and modes of files are not kept.
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


class Packed(NamedTuple):
    """One run in a bundle: its folder, ``run.json`` and the content of ``events.jsonl``, which is not touched."""

    name: str
    run: bytes
    events: bytes


def run_text(run: Mapping[str, Any]) -> bytes:
    """``run.json`` as a bundle holds it."""
    return (json.dumps(run, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def write_bundle(runs: Sequence[Packed], out: Path) -> None:
    """Write ``runs`` to ``out``; their names differ.

    Raises:
        UserError: ``out`` cannot be written.
    """
    # Files of one kind together: like beside like packs well.
    members = [(f"{one.name}/run.json", one.run) for one in runs]
    members += [(f"{one.name}/events.jsonl", one.events) for one in runs]
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
        UserError: the file cannot be read, is damaged, torn, or no bundle.
    """
    runs: dict[str, bytes] = {}
    events: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(lzma.decompress(path.read_bytes())), mode="r:") as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                held = {"run.json": runs, "events.jsonl": events}.get(name)
                if held is not None and (file := tar.extractfile(member)) is not None:
                    held[folder.removeprefix("./")] = file.read()
    except OSError as error:
        raise UserError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except (lzma.LZMAError, EOFError, tarfile.TarError, ValueError) as error:
        raise UserError(
            f"{str(path)!r} is damaged or no bundle ({error}): fetch or export it again, 'harness export DIR --out "
            f"FILE{SUFFIX}'"
        ) from error
    return [Packed(name, runs[name], events.get(name, b"")) for name in sorted(runs, key=lambda name: name.split("/"))]
