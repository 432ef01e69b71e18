"""How is a thing with options written? As ``name(key=literal, ...)``, read with ``ast`` and never evaluated.

A bare word stands for itself: ``finetune(init=scratch)`` equals ``finetune(init='scratch')``.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from keyword import iskeyword, kwlist
from typing import Any

from harness.core.errors import UserError

_NAME = re.compile(r"[A-Za-z_][\w.\-]*(:[A-Za-z_][\w.\-]*)?")
_BARE = re.compile(r"[A-Za-z_]\w*")
_RESERVED = re.compile(rf"=\s*({'|'.join(sorted(set(kwlist) - {'True', 'False', 'None'}))})\s*(?=[,)])")
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
    """Read ``name`` or ``name(key=literal, ...)``.

    Raises:
        UserError: the text has another form; the message shows the part that does not fit.
    """
    text = text.strip()
    if text.startswith(_PATH) and text != _PATH:
        return Written(text)
    match = _NAME.match(text)
    if not match:
        raise UserError(f"cannot read {text!r}: expected name or name(key=value, ...)")
    name, rest = match.group(), text[match.end() :].strip()
    if not rest:
        return Written(name)
    if not (rest.startswith("(") and rest.endswith(")")):
        raise UserError(f"cannot read {text!r}: expected '(' and ')' around the options of {name!r}")
    # Words that Python keeps for itself, such as global, are words here.
    quoted = _RESERVED.sub(r"='\1'", rest)
    try:
        call = ast.parse(f"_{quoted}", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise UserError(f"cannot read {text!r}: expected name(key=value, ...)") from error
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise UserError(f"cannot read {text!r}: expected one pair of parentheses")
    if call.args or any(keyword.arg is None for keyword in call.keywords):
        raise UserError(f"cannot read {text!r}: every option is written key=value")
    options: dict[str, Any] = {}
    for keyword in call.keywords:
        assert keyword.arg is not None
        if keyword.arg in options:
            raise UserError(f"cannot read {text!r}: option {keyword.arg!r} is given twice")
        options[keyword.arg] = _literal(keyword.value, text)
    return Written(name, options)


def _literal(node: ast.expr, text: str) -> Any:
    match node:
        case ast.Name(id=word):
            return _CONSTANTS.get(word, word)
        case ast.List(elts=items):
            return [_literal(item, text) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_literal(item, text) for item in items)
        case ast.Call():
            inner = ast.unparse(node)
            raise UserError(f"cannot read {text!r}: {inner!r} has options of its own; write it in quotes")
        case _:
            try:
                return ast.literal_eval(node)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
                raise UserError(
                    f"cannot read {text!r}: {ast.unparse(node)!r} is not a literal (number, text, true or list)"
                ) from error


def _show(value: Any) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value) and not iskeyword(value) and value not in _CONSTANTS:
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_show, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_show, value))}{',' if len(value) == 1 else ''})"
    return repr(value)
