"""How far is it? Long work on many images shows itself: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

_SECONDS = 15.0
_Item = TypeVar("_Item")


def progressing(items: Iterable[_Item], *, what: str, total: int) -> Iterator[_Item]:
    """``items`` one by one; standard error hears how many of ``total`` are done. The bar is gone at the end."""
    if sys.stderr is not None and sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track

        yield from track(items, total=total, description=what, console=Console(stderr=True), transient=True)
        return
    last = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - last > _SECONDS:
            print(f"{what}: {done} of {total} images", file=sys.stderr, flush=True)
            last = time.monotonic()
        yield item
