"""What is there, and where? Strategies, streams and backbones by name, from entry points or ``module:attribute``."""

import ast
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any, Literal

from harness.config.notation import Written, parse
from harness.core.errors import UserError, unknown

Group = Literal["strategies", "streams", "backbones"]
_ONE = {"strategies": "strategy", "streams": "stream", "backbones": "backbone"}
_CLASS = {
    "strategies": "harness.learning.strategy:Strategy",
    "streams": "harness.core.stream:Stream",
    "backbones": "harness.compute.backbone:Backbone",
}


@cache
def entries(group: Group) -> dict[str, EntryPoint]:
    """The entry points of ``harness.<group>``, sorted by name; nothing is imported.

    Raises:
        UserError: two installed packages claim one name.
    """
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=f"harness.{group}"), key=lambda e: e.name):
        if entry.name in found and found[entry.name].value != entry.value:
            raise UserError(
                f"{_ONE[group]} {entry.name!r} is registered twice: {found[entry.name].value} and {entry.value}; "
                "uninstall one, or write module:Class"
            )
        found[entry.name] = entry
    return found


def make(group: Group, text: str) -> Any:
    """The object that ``text`` names, with its options filled in.

    Raises:
        UserError: the name, its module, a package it needs, or an option is wrong; or it names another kind of thing.
    """
    # Checking options is slow to import, and listing names does without.
    from harness.config.options import build

    written = parse(text)
    maker, written = _find(group, written)
    if not callable(maker):
        raise UserError(f"{_ONE[group]} {text!r} names a {type(maker).__name__}; expected a class or a function")
    made = build(_ONE[group], maker, written)
    module, _, name = _CLASS[group].partition(":")
    if not isinstance(made, getattr(import_module(module), name)):
        raise UserError(f"{_ONE[group]} {text!r} gives a {type(made).__name__}; expected a {name}")
    return made


def takes(group: Group, text: str, option: str) -> bool:
    """Whether what ``text`` names has an option of that name."""
    maker, _ = _find(group, parse(text))
    return option in signature(maker).parameters


def module_of(group: Group, text: str) -> str:
    """The module that holds what ``text`` names, whether it is there or not; nothing is imported.

    Raises:
        UserError: ``text`` cannot be read.
    """
    name = parse(text).name
    known = entries(group)
    family = name.partition(":")[0]
    return known[name].module if name in known else known[family].module if family in known else family


def _find(group: Group, written: Written) -> tuple[Any, Written]:
    known, what = entries(group), _ONE[group]
    family, _, member = written.name.partition(":")
    if written.name in known:
        return _load(what, written.name, known[written.name].value), written
    if member and family in known:
        maker = _load(what, family, known[family].value)
        return maker, Written(written.name, {"name": member, **written.options})
    if member:
        return _load(what, written.name, written.name), written
    raise unknown(what, written.name, known, hint=f"'harness list {group}' shows them, module:Class brings your own")


def _load(what: str, name: str, place: str) -> Any:
    module_name, _, attribute = place.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or "?"
        top = sys.modules.get(module_name.partition(".")[0])
        if missing != module_name.partition(".")[0] and top is not None and not hasattr(top, "__path__"):
            raise UserError(
                f"{what} {name!r} is in the package {top.__name__!r}, which {top.__file__} hides; rename that file"
            ) from error
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise UserError(f"{what} {name!r}: no module {missing!r}; is it on PYTHONPATH?") from error
        raise UserError(f"{what} {name!r} needs the package {missing!r}: pip install {missing}") from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        own = Path(f"{module_name}.py")
        if own.is_file() and Path(module.__file__ or "").resolve() != own.resolve():
            raise UserError(
                f"{what} {name!r}: {module_name!r} is the package at {module.__file__} and not the {own} here; "
                "give that file another name"
            ) from error
        names = [n for n in vars(module) if not n.startswith("_")]
        raise unknown(f"attribute of module {module_name!r} named", attribute, names) from error


def summary(entry: EntryPoint) -> str:
    """First line of the docstring behind an entry point, read from its source without importing it."""
    module_name, _, attribute = entry.value.partition(":")
    try:
        found = find_spec(module_name)
    except ModuleNotFoundError:
        return ""
    if not found or not found.origin or not found.origin.endswith(".py"):
        return ""
    for node in ast.parse(Path(found.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == attribute:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""
