"""In which order are tasks met? A stream: a named, versioned sequence with a fingerprint of its content."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.core.task import Task


@dataclass(frozen=True)
class Stream:
    """Tasks in the order in which they are learnt.

    Attributes:
        name: the written form that opens it again, with the place of its files where it has one.
        title: the name without that place, for reports; by default the name.
        identity: the part of the name that decides what its tasks are, for fingerprints and keys; by default the name.
            Equal files in two places are one stream.
    """

    name: str
    version: str
    tasks: tuple[Task, ...]
    title: str = ""
    identity: str = ""

    def __post_init__(self) -> None:
        for field in ("title", "identity"):
            object.__setattr__(self, field, getattr(self, field) or self.name)

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)

    def fingerprint(self) -> str:
        """SHA-256 over the facts and the data digests of all tasks, in order."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        facts = [
            [t.name, t.year, t.domain, t.kind, t.num_classes, t.provenance, t.phase, dict(t.sizes), t.digest]
            for t in self.tasks
        ]
        text = json.dumps([self.identity, self.version, facts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
