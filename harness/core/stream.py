"""In which order are tasks met? A stream: a named, versioned sequence with a fingerprint of its content."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.core.task import Task


@dataclass(frozen=True)
class Stream:
    """Tasks in the order in which they are learnt. ``name`` is the written form that opens it again."""

    name: str
    version: str
    tasks: tuple[Task, ...]

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
        text = json.dumps([self.name, self.version, facts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
