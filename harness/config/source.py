"""Which code of one's own decides a run? The files of its plugins, and those beside them that they import.

What is built in, the standard library and the installed packages that a plugin uses are not looked at: versions stand
for them.
"""

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

OURS = Path(__file__).parents[2]
"""The folder that holds our packages."""

PACKAGES = ("harness", "streams", "strategies", "reports")

_INSTALLED = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib", "platstdlib")}


def plugin_files(modules: Iterable[str]) -> dict[str, Path]:
    """The files of ``modules`` that are plugins, and of all beside them that they import, by the modules' names.

    Beside a module lie the modules of its own top-level package, and those that are looked for in the same folder; of
    an installed package, itself only. What is imported is read from the source, so that imports inside functions count.
    """
    files: dict[str, Path] = {}
    waiting = [(name, _place(name)) for name in modules]
    while waiting:
        name, path = waiting.pop()
        if (
            path is None
            or name in files
            or not path.is_file()
            or _ours(path)
            or name.partition(".")[0] in sys.stdlib_module_names
        ):
            continue
        files[name] = path
        waiting += [(other, found) for other in _imported(name, path) if (found := _beside(name, path, other))]
    return files


def source_hash(modules: Iterable[str]) -> str:
    """SHA-256 over the names and contents of :func:`plugin_files`; empty where there are none."""
    files = plugin_files(modules)
    if not files:
        return ""
    found = hashlib.sha256()
    for name in sorted(files):
        content = files[name].read_bytes().replace(b"\r\n", b"\n")
        found.update(f"{name} {len(content)}\n".encode() + content)
    return found.hexdigest()


def _place(name: str) -> Path | None:
    """The file of a module, which need not be imported."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
        return Path(file) if file else None
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.has_location and spec.origin else None


def _ours(path: Path) -> bool:
    return any(path.resolve().is_relative_to(OURS / package) for package in PACKAGES)


def _root(name: str, path: Path) -> Path:
    """The folder in which the top-level package of the module ``name`` at ``path`` is looked for."""
    depth = name.count(".") + (path.stem == "__init__")
    return path.resolve().parents[depth]


def _beside(name: str, path: Path, other: str) -> Path | None:
    """The file of the module ``other``, if it lies beside ``name``."""
    root = _root(name, path)
    if root in _INSTALLED and other.partition(".")[0] != name.partition(".")[0]:
        return None
    folder = root
    *packages, last = other.split(".")
    for package in packages:
        folder = folder / package
    spec = PathFinder.find_spec(last, [str(folder)])
    return Path(spec.origin) if spec and spec.has_location and spec.origin else None


def _imported(name: str, path: Path) -> Iterator[str]:
    """The names of all modules that the source of ``name`` may import, their packages included."""
    if path.suffix != ".py":
        return
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package if node.level else ""
            module = ".".join(part for part in (start, node.module) if part)
            # What is imported from a package may be a module of it.
            found = [module, *(f"{module}.{alias.name}" for alias in node.names)] if module else []
        else:
            continue
        for one in found:
            parts = one.split(".")
            yield from (".".join(parts[: end + 1]) for end in range(len(parts)))
