"""Where in a plugin did it go wrong? The line of its own that an error came through, or the method that was asked."""

from collections.abc import Iterable, Iterator
from inspect import unwrap
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.config.registry import make_with_modules
from harness.config.source import plugin_files


def blamed(error: BaseException, strategy: str) -> str:
    """``file.py:12``: the last line of the plugins behind ``strategy`` that ``error`` came through.

    Where it came through none, the method that it says it is about (``error.method``); empty where nothing of it is a
    plugin, or it cannot be opened.
    """
    try:
        made, modules = make_with_modules("strategies", strategy)
    except Exception:
        # It cannot be made, which is what went wrong; its name still says where it stands.
        made, modules = None, frozenset({strategy.partition(":")[0]})
    paths = {path.resolve() for path in plugin_files(modules).values()}
    places = [place for place in _lines(error) if place[0] in paths]
    if places:
        return _written(*places[-1])
    return method_line(made, getattr(error, "method", None), modules)


def method_line(made: Any, method: str | None, modules: Iterable[str]) -> str:
    """Where ``method`` of ``made``, or of a part of it, stands in the plugins of ``modules``; empty if in none."""
    paths = {path.resolve() for path in plugin_files(modules).values()}
    for part in _parts(made):
        function = unwrap(getattr(type(part), method, None) or type(part).__init__) if method else None
        code = getattr(function, "__code__", None)
        if code is not None and (path := Path(code.co_filename).resolve()) in paths:
            return _written(path, code.co_firstlineno)
    return ""


def _written(path: Path, line: int) -> str:
    return f"{path.name}:{line}"


def _parts(made: Any) -> Iterator[Any]:
    """``made``, and the bodies, learners and strategies that it is made of."""
    if hasattr(made, "learn") or hasattr(made, "adapted"):
        yield made
        for held in vars(made).values():
            yield from _parts(held)


def _lines(error: BaseException | None) -> Iterator[tuple[Path, int]]:
    """The lines that ``error`` came through, the innermost last; those of what it came from go before."""
    if error is None:
        return
    yield from _lines(error.__cause__ or error.__context__)
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        yield Path(traceback.tb_frame.f_code.co_filename).resolve(), traceback.tb_lineno
        traceback = traceback.tb_next
