"""How is a TOML file read that some editor has written? With its byte order mark, as UTF-8 or UTF-16."""

import codecs
import tomllib
from pathlib import Path
from typing import Any

from harness.core.errors import UserError

_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def read_toml(path: Path, *, what: str) -> dict[str, Any]:
    """The content of the TOML file at ``path``.

    Args:
        what: how a message calls the file, such as ``suite mine.toml``.

    Raises:
        UserError: it cannot be read, or is no TOML.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {what}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return tomllib.loads(decoded(content))
    except UnicodeDecodeError as error:
        raise UserError(f"{what} is not TOML: {error}; save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{what} is not TOML: {error}") from error


def decoded(content: bytes) -> str:
    """Text as an editor has written it: UTF-8 or UTF-16, with a byte order mark or without.

    Raises:
        UnicodeDecodeError: it is neither.
    """
    mark = next((mark for mark in _MARKS if content.startswith(mark)), b"")
    return content[len(mark) :].decode(_MARKS.get(mark) or _unmarked(content))


def _unmarked(content: bytes) -> str:
    """Text begins with a letter or a bracket, of which UTF-16 makes two bytes, one of them zero."""
    match [byte == 0 for byte in content[:2]]:
        case [False, True]:
            return "utf-16-le"
        case [True, False]:
            return "utf-16-be"
        case _:
            return "utf-8"
