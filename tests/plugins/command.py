"""How a test calls the command line."""

from typing import NamedTuple, Protocol


class Said(NamedTuple):
    stdout: str
    stderr: str


class Harness(Protocol):
    """Call ``harness`` in the test's empty folder; ``code`` is the exit code that is expected."""

    def __call__(self, *arguments: object, code: int = 0) -> Said: ...
