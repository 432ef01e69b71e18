"""Something that happens at one of the points where a run meets the disk."""

from collections.abc import Callable
from pathlib import Path

from harness.storage.disk import Effect

Hook = Callable[[Effect, Path], None]


def at_the(number: int, act: Callable[[Effect, Path], object]) -> Hook:
    """``act`` at the effect of that number, from 0."""
    count = iter(range(10**6))

    def hook(effect: Effect, path: Path) -> None:
        if next(count) == number:
            act(effect, path)

    return hook
