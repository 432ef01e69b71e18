"""How do written options become a strategy? Flat keys fill a dataclass and the frozen values in it."""

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, get_annotations, getsourcefile, getsourcelines, signature
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from harness.config.notation import Written
from harness.core.errors import UserError, unknown


def build(what: str, made: Callable[..., Any], written: Written) -> Any:
    """Call ``made`` (a dataclass or a function) with the options of ``written``.

    Raises:
        UserError: an option that does not exist, is missing, or has a value of the wrong kind.
    """
    if isinstance(made, type) and what in ("strategy", "body", "learner"):
        _check_dataclass(made, what)
    try:
        if isinstance(made, type) and is_dataclass(made):
            return _fill(made, dict(written.options), str(written), what)
        return made(**_checked_arguments(made, written, what))
    except (ValueError, TypeError) as error:
        if isinstance(error, ValidationError):
            raise
        raise UserError(f"{what} {written}: {error}") from error


def _check_dataclass(made: type, what: str) -> None:
    """Refuse a class whose options could not be written: one without ``@dataclass`` of its own."""
    if "__dataclass_fields__" in vars(made):
        return
    own = [name for name, kind in get_annotations(made).items() if "ClassVar" not in str(kind)]
    if is_dataclass(made) and not own:
        return
    try:
        place = f" ({Path(getsourcefile(made) or '').name}:{getsourcelines(made)[1]})"
    except (OSError, TypeError):
        place = ""
    name = f"{made.__module__}:{made.__qualname__}"
    found = f"no dataclass, so that its option {own[0]!r} would not be seen" if own else "no dataclass"
    raise UserError(
        f"{what} {name}{place} is {found}; put @dataclass (from dataclasses import dataclass) above the class, and "
        "write its options as annotated fields"
    )


def flat(value: Any, *, only_changed: bool = False) -> dict[str, Any]:
    """The options of a dataclass object, frozen values inside it included, by their flat names."""
    if hasattr(type(value), "flat_options"):
        # Made of parts that have options of their own, it says how they are written.
        own: dict[str, Any] = value.flat_options(only_changed=only_changed)
        return own
    options: dict[str, Any] = {}
    for field in fields(value):
        if not field.init:
            continue
        held = getattr(value, field.name)
        if is_dataclass(held) and not isinstance(held, type):
            inner, default = flat(held), _default(field)
            if only_changed and is_dataclass(default) and type(default) is type(held):
                # Both against the defaults of their class: what is left open in one may be written in the other.
                changed, base = flat(held, only_changed=True), flat(default, only_changed=True)
                inner = {
                    key: item
                    for key, item in (inner | changed).items()
                    if changed.get(key, MISSING) != base.get(key, MISSING)
                }
            options |= inner
        elif not (only_changed and _default(field) == held):
            options[field.name] = held
    return options


def flat_names(cls: type) -> dict[str, Any]:
    """Every option name of a dataclass, with its type.

    Raises:
        UserError: two fields would be written the same.
    """
    hints = _hints(cls)
    names: dict[str, Any] = {}
    for field in fields(cls):
        if field.init:
            inner = _dataclass_in(hints[field.name])
            mine = flat_names(inner) if inner else {field.name: hints[field.name]}
            if twice := sorted(names.keys() & mine.keys()):
                raise UserError(
                    f"{cls.__module__}:{cls.__qualname__} has two options named {twice[0]!r}, one of them inside "
                    f"{field.name!r}: written flat, one would hide the other; rename one"
                )
            names |= mine
    return names


def _hints(cls: type) -> dict[str, Any]:
    """The types of a class's fields.

    Raises:
        UserError: one of them is not there when the program runs.
    """
    try:
        return get_type_hints(cls)
    except NameError as error:
        raise UserError(
            f"{cls.__module__}:{cls.__qualname__}: its annotations need {error.name!r}, which is not imported when the "
            "program runs; import it outside of TYPE_CHECKING"
        ) from error


def _default(field: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING


def _dataclass_in(hint: Any) -> type | None:
    return hint if isinstance(hint, type) and is_dataclass(hint) else None


def _fill(cls: type, options: dict[str, Any], text: str, what: str) -> Any:
    known = flat_names(cls)
    for name in options:
        if name not in known:
            raise unknown(f"option of {what} {text.partition('(')[0]!r} named", name, known)
    return _fill_known(cls, options, text, what)


def _fill_known(cls: type, options: Mapping[str, Any], text: str, what: str) -> Any:
    hints = _hints(cls)
    values: dict[str, Any] = {}
    for field in fields(cls):
        if not field.init:
            continue
        inner = _dataclass_in(hints[field.name])
        if inner:
            # The outer class may give the frozen value other defaults than its own class does.
            default = _default(field)
            base = flat(default, only_changed=True) if default is not MISSING else {}
            mine = {key: options[key] for key in flat_names(inner) if key in options}
            values[field.name] = _fill_known(inner, base | mine, text, what)
        elif field.name in options:
            values[field.name] = _checked(hints[field.name], options[field.name], field.name, text, what)
        elif _default(field) is MISSING:
            raise UserError(f"{what} {text}: option {field.name!r} is missing")
    return cls(**values)


def _checked_arguments(made: Callable[..., Any], written: Written, what: str) -> dict[str, Any]:
    parameters = {
        name: p for name, p in signature(made).parameters.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
    }
    hints = get_type_hints(made)
    for name in written.options:
        if name not in parameters:
            raise unknown(f"option of {what} {written.name!r} named", name, parameters)
    for name, parameter in parameters.items():
        if parameter.default is Parameter.empty and name not in written.options:
            raise UserError(f"{what} {written}: option {name!r} is missing")
    return {
        name: _checked(hints.get(name, Any), value, name, str(written), what) for name, value in written.options.items()
    }


def _checked(hint: Any, value: Any, name: str, text: str, what: str) -> Any:
    choices = [choice for choice in _choices(hint) if isinstance(choice, str)]
    if choices and isinstance(value, str) and value not in choices:
        raise unknown(f"value of {name!r} in {what} {text!r} called", value, choices)
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(strict=True, arbitrary_types_allowed=True))
    except PydanticSchemaGenerationError:
        return value
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise UserError(f"{what} {text}: option {name}={value!r} does not fit: {reason}") from error


def _choices(hint: Any) -> tuple[Any, ...]:
    origin = get_origin(hint)
    if origin is Literal:
        return get_args(hint)
    if origin in (Union, types.UnionType):
        # Text is only a closed set of names when no member of the union takes any text.
        members = get_args(hint)
        return () if str in members else tuple(choice for member in members for choice in _choices(member))
    return ()
