"""How is a thing with options written? As ``name(key=value, ...)``, read piece by piece and never evaluated.

A bare word stands for itself: ``finetune(init=scratch)`` equals ``finetune(init='scratch')``. A value may be such a
thing again, in quotes or not: ``filter_pruned(learner=ridge(penalty=0.3))``.
"""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

from harness.core.errors import UserError

_NAME = re.compile(r"[A-Za-z_][\w.\-]*(:[A-Za-z_][\w.\-]*)?")
_BARE = re.compile(r"[A-Za-z_]\w*")
_OPTION = re.compile(r"\s*([A-Za-z_]\w*)\s*=(.*)", re.DOTALL)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_PATH = "folder:"
"""What follows is a path to its end, whatever signs are in it."""
_CONSTANTS = {"inf": float("inf")}


@dataclass(frozen=True)
class Written:
    """A name and its options, as a person writes them."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if not self.options:
            return self.name
        return f"{self.name}({', '.join(f'{key}={_show(value)}' for key, value in self.options.items())})"


def parse(text: str) -> Written:
    """Read ``name`` or ``name(key=value, ...)``.

    Raises:
        UserError: the text has another form; the message shows the part that does not fit.
    """
    try:
        return _read(text.strip(), text.strip())
    except RecursionError as error:
        raise UserError(f"cannot read {text.strip()[:80]!r}...: it is nested too deeply") from error


def _read(text: str, whole: str) -> Written:
    if text.startswith(_PATH) and text != _PATH:
        return Written(text)
    match = _NAME.match(text)
    if not match:
        raise UserError(f"cannot read {whole!r}: expected name or name(key=value, ...)")
    name, rest = match.group(), text[match.end() :].strip()
    if not rest:
        return Written(name)
    if not (rest.startswith("(") and rest.endswith(")")):
        raise UserError(f"cannot read {whole!r}: expected '(' and ')' around the options of {name!r}")
    options: dict[str, Any] = {}
    for piece in _pieces(rest[1:-1], whole):
        option = _OPTION.fullmatch(piece)
        if not option or option[2].startswith("="):
            raise UserError(f"cannot read {whole!r}: every option is written key=value, {piece.strip()!r} is not")
        if option[1] in options:
            raise UserError(f"cannot read {whole!r}: option {option[1]!r} is given twice")
        options[option[1]] = _value(option[2].strip(), whole)
    return Written(name, options)


def _pieces(text: str, whole: str) -> Iterator[str]:
    """The parts between commas that stand outside of quotes and brackets; a comma at the end adds none."""
    begun, open_brackets, quote, escaped = 0, list[str](), "", False
    for position, sign in enumerate(text):
        if quote:
            if sign == quote and not escaped:
                quote = ""
            escaped = sign == "\\" and not escaped
        elif sign in "'\"":
            quote = sign
        elif sign in _CLOSING:
            open_brackets.append(_CLOSING[sign])
        elif sign in ")]}":
            if not open_brackets or open_brackets.pop() != sign:
                raise UserError(f"cannot read {whole!r}: {sign!r} closes nothing, at ...{text[: position + 1][-20:]!r}")
        elif sign == "," and not open_brackets:
            yield text[begun:position]
            begun = position + 1
    if quote or open_brackets:
        raise UserError(f"cannot read {whole!r}: {quote or open_brackets[-1]!r} is missing at its end")
    if text[begun:].strip():
        yield text[begun:]


def _value(text: str, whole: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    # Not a literal: words, specs, and lists that hold them.
    with suppress(ValueError, TypeError, SyntaxError, MemoryError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.literal_eval(text)
    if text[:1] in ("[", "(") and text[-1:] == _CLOSING[text[0]]:
        items = [_value(piece.strip(), whole) for piece in _pieces(text[1:-1], whole)]
        if text[0] == "[":
            return items
        return items[0] if len(items) == 1 and not text[1:-1].rstrip().endswith(",") else tuple(items)
    try:
        return str(_read(text, whole))
    except UserError as error:
        raise UserError(
            f"cannot read {whole!r}: {text!r} is no number, text, true or list, and no name(key=value, ...); "
            "text with other signs is written in quotes"
        ) from error


def _show(value: Any) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value) and not iskeyword(value) and value not in _CONSTANTS:
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_show, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_show, value))}{',' if len(value) == 1 else ''})"
    return repr(value)
