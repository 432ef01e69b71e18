"""Where do results lie? In folders that ``harness run`` wrote and in bundles of them; both give runs, one by one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.core.errors import UserError
from reports.reading import bundle


@dataclass(frozen=True)
class Source:
    """The two files of one run, wherever they lie.

    Attributes:
        name: its folder below what was given; with what was given in front, where that is more than one.
        place: where a person finds it.
        run: content of ``run.json``; None where it cannot be read, and ``trouble`` says why.
        events: content of ``events.jsonl``; empty where there is none.
    """

    name: str
    place: str
    run: bytes | None
    events: bytes
    trouble: str = ""


def sources(given: Sequence[Path]) -> Iterator[tuple[Path, list[Source]]]:
    """For each of ``given``, the runs in it, in the order of their folders' names; no folder counts twice.

    Raises:
        UserError: one of them is neither a folder nor a bundle, or the bundle is damaged.
    """
    seen: set[Path] = set()
    for path in given:
        found = _unpacked(path) if _is_bundle(path) else _in_folder(path, seen)
        if len(given) > 1:
            found = [Source(f"{path}/{one.name}", one.place, one.run, one.events, one.trouble) for one in found]
        yield path, found


def _is_bundle(path: Path) -> bool:
    if path.is_dir():
        return False
    if not path.exists():
        raise UserError(
            f"no folder or bundle {str(path)!r}: expected a folder that 'harness run --out' has written, or a "
            f"{bundle.SUFFIX} file that 'harness export' has"
        )
    if not path.name.endswith(bundle.SUFFIX):
        hint = "; a .toml baseline is read by 'harness compare --baseline'" if path.suffix == ".toml" else ""
        raise UserError(f"cannot read results from {str(path)!r}: expected a folder or a {bundle.SUFFIX} file{hint}")
    return True


def _unpacked(path: Path) -> list[Source]:
    return [Source(name, f"{path}: {name}", run, events) for name, run, events in bundle.read_bundle(path)]


def _in_folder(path: Path, seen: set[Path]) -> list[Source]:
    found = []
    for file in sorted(path.rglob("run.json")):
        if (real := file.resolve()) in seen:
            continue
        seen.add(real)
        below = PurePosixPath(file.parent.relative_to(path))
        name = str(below) if below.parts else file.parent.resolve().name
        try:
            run, events, trouble = file.read_bytes(), _events(file.parent), ""
        except OSError as error:
            run, events, trouble = None, b"", f"cannot be read: {error.strerror}"
        found.append(Source(name, str(file.parent), run, events, trouble))
    return found


def _events(folder: Path) -> bytes:
    try:
        return (folder / "events.jsonl").read_bytes()
    except FileNotFoundError:
        return b""
