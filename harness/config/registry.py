"""What is there, and where? Strategies, their bodies and learners, streams, backbones: by entry point or module."""

import ast
import sys
from contextvars import ContextVar
from functools import cache
from importlib import import_module, invalidate_caches
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from harness.config.notation import Written, parse
from harness.config.source import plugin_files, source_hash
from harness.core.errors import UserError, unknown

Group = Literal["strategies", "bodies", "learners", "streams", "backbones"]
_ONE = {
    "strategies": "strategy",
    "bodies": "body",
    "learners": "learner",
    "streams": "stream",
    "backbones": "backbone",
}
_CLASS = {
    "strategies": "harness.learning.strategy:Strategy",
    "bodies": "harness.learning.body:Body",
    # What cannot learn on another body says so itself.
    "learners": "harness.learning.strategy:Strategy",
    "streams": "harness.core.stream:Stream",
    "backbones": "harness.compute.backbone:Backbone",
}
"""What is expected of each group, by name: later layers define it, and this one only looks names up."""
_COMPOSE = "harness.learning.composition:compose"
"""Makes a strategy of a body's class and what is written."""


@cache
def entries(group: Group) -> dict[str, EntryPoint]:
    """The entry points of ``harness.<group>``, sorted by name; nothing is imported.

    A body with finetuning, and a learner on the pretrained net, are strategies: they are named among them too.

    Raises:
        UserError: two installed packages claim one name.
    """
    found: dict[str, EntryPoint] = {}
    groups = ("strategies", "bodies", "learners") if group == "strategies" else (group,)
    there = [entry for name in groups for entry in entry_points(group=f"harness.{name}")]
    for entry in sorted(there, key=lambda e: e.name):
        if entry.name in found and found[entry.name].value != entry.value:
            raise UserError(
                f"{_ONE[group]} {entry.name!r} is registered twice: {found[entry.name].value} and {entry.value}; "
                "uninstall one, or write module:Class"
            )
        found[entry.name] = entry
    return found


_behind: ContextVar[set[str] | None] = ContextVar("_behind", default=None)
"""The modules of all that was made so far, where somebody wants to know."""


def make_with_modules(group: Group, text: str) -> tuple[Any, frozenset[str]]:
    """What :func:`make` gives, and the modules behind it and behind all that was made on the way.

    Raises:
        UserError: as :func:`make`.
    """
    modules = set[str]()
    before = _behind.set(modules)
    try:
        made = make(group, text)
    finally:
        _behind.reset(before)
    if (around := _behind.get()) is not None:
        around |= modules
    return made, frozenset(modules)


def make(group: Group, text: str) -> Any:
    """The object that ``text`` names, with its options filled in.

    Raises:
        UserError: the name, its module, a package it needs, or an option is wrong; or it names another kind of thing.
    """
    # Checking options is slow to import, and listing names does without.
    from harness.config.options import build

    written = parse(text)
    maker, written = _find(group, written)
    if (modules := _behind.get()) is not None:
        # A name may stand in one module for what is defined in another.
        modules |= {module_of(group, text), getattr(maker, "__module__", None) or module_of(group, text)}
    if not callable(maker):
        raise UserError(f"{_ONE[group]} {text!r} names a {type(maker).__name__}; expected a class or a function")
    if group == "strategies":
        if isinstance(maker, type) and issubclass(maker, _named(_CLASS["bodies"])):
            return _named(_COMPOSE)(maker, written)
        if isinstance(maker, type) and "learner" in written.options and "learner" not in signature(maker).parameters:
            raise UserError(f"strategy {text!r} takes no learner: {getattr(maker, 'whole', 'it is no body')}")
    made = build(_ONE[group], maker, written)
    if not isinstance(made, expected := _named(_CLASS[group])):
        raise UserError(f"{_ONE[group]} {text!r} gives a {type(made).__name__}; expected a {expected.__name__}")
    return made


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def canonical(text: str, strategy: Any) -> Written:
    """The one form in which ``strategy``, that ``text`` names, is called by: options that are as always are left out.

    A learner on the dense body is called by the learner's name, as it is without one.
    """
    from harness.config.options import flat

    written = parse(text)
    if written.name == "dense":
        written = parse(str(written.options.get("learner", "finetune")))
    return Written(written.name, flat(strategy, only_changed=True))


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
    if group == "learners" and written.name not in known:
        # A strategy that learns on no other body says why, once it is opened.
        known = {**entries("strategies"), **known}
    family, _, member = written.name.partition(":")
    if written.name in known:
        return _load(what, written.name, known[written.name].value), written
    if member and family in known:
        maker = _load(what, family, known[family].value)
        return maker, Written(written.name, {"name": member, **written.options})
    if member:
        return _load(what, written.name, written.name), written
    raise unknown(what, written.name, known, hint=f"'harness list {group}' shows them, module:Class brings your own")


def loaded(name: str) -> ModuleType:
    """The module of that name; imported anew where it, or a module beside it, was edited since, as in a notebook.

    Raises:
        ImportError: it cannot be imported.
    """
    before = _loaded.get(name)
    if before is not None and before[1] != source_hash([name]):
        for part in before[0]:
            sys.modules.pop(part, None)
        invalidate_caches()
    module = import_module(name)
    _loaded[name] = frozenset(plugin_files([name])), source_hash([name])
    return module


_loaded: dict[str, tuple[frozenset[str], str]] = {}
"""By module: those of its plugin's, and the hash of their source, as they were imported."""


def _load(what: str, name: str, place: str) -> Any:
    module_name, _, attribute = place.partition(":")
    try:
        module = loaded(module_name)
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
