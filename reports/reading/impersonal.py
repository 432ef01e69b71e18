"""What of a run may others see? Everything but what names a person's folders or machine."""

import re
from collections.abc import Mapping
from typing import Any

from harness.core.schema import RunFile

FIELDS = tuple(RunFile.model_fields)
"""What of ``run.json`` is handed on: what the schema names, and nothing that stands there besides."""

_QUOTED = re.compile(r"""(['"])(~?/[^'"\n]*|[A-Za-z]:\\[^'"\n]*)\1""")
_BARE = re.compile(r"(?<![\w./~:-])~?/(?:[^\s'\",;:()\[\]<>/]+/)*[^\s'\",;:()\[\]<>/]*")
_SCHEMED = re.compile(r"(?<=:)/(?!/)(?:[^\s'\",;()\[\]<>/]+/)+[^\s'\",;()\[\]<>/]*")


def impersonal(run: Mapping[str, Any]) -> dict[str, Any]:
    """``run.json`` without folders, in any of its texts, and without the machine's kernel release.

    What ran, on which processor, with which versions, and how it ended stays.
    """
    kept = {name: _everywhere(run[name]) for name in FIELDS if name in run}
    if isinstance(kept.get("hardware"), dict):
        kept["hardware"] = {name: value for name, value in kept["hardware"].items() if name in _HARDWARE}
        if isinstance(system := kept["hardware"].get("system"), str):
            kept["hardware"]["system"] = without_release(system)
    return kept


_HARDWARE = ("cpu", "cores", "memory_bytes", "gpu", "system")


def without_release(system: str) -> str:
    """``Linux x86_64`` of ``Linux 6.1.0-13-cloud x86_64``: a release often names a provider's or a site's machines."""
    words = system.split()
    return f"{words[0]} {words[-1]}" if len(words) > 2 else system


def without_folders(text: str) -> str:
    """``text`` with every absolute path, of this or any machine, cut to its last part.

    A last part that is no file, such as that of ``/home/ada``, may itself name somebody; it becomes ``…``.
    """
    text = _QUOTED.sub(lambda found: f"{found[1]}{_last_part(found[2])}{found[1]}", text)
    return _SCHEMED.sub(lambda found: _last_part(found[0]), _BARE.sub(lambda found: _last_part(found[0]), text))


def _last_part(path: str) -> str:
    parts = [part for part in re.split(r"[/\\]", path) if part]
    if not parts:
        return path
    someone = len(parts) > 1 and parts[-2] in ("home", "Users")
    return parts[-1] if "." in parts[-1] and not someone else "…"


def _everywhere(value: Any) -> Any:
    """``value`` with :func:`without_folders` applied to every text in it, names of entries too."""
    if isinstance(value, str):
        return without_folders(value)
    if isinstance(value, Mapping):
        return {without_folders(str(name)): _everywhere(held) for name, held in value.items()}
    return [_everywhere(held) for held in value] if isinstance(value, (list, tuple)) else value
