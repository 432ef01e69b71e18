"""What is one thing to learn? A task: its facts, and images that are read only when asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np


class Kind(StrEnum):
    MULTICLASS = "multiclass"
    BINARY = "binary"
    MULTILABEL = "multilabel"


class Phase(StrEnum):
    DEVELOPMENT = "development"
    HELD_OUT = "held_out"


class Provenance(StrEnum):
    """Where images come from: the data set itself, a copy of it that lacks classes, or a generator."""

    REAL = "real"
    PARTIAL = "partial"
    EMULATED = "emulated"


class Split(StrEnum):
    TRAIN = "train"
    DEV = "dev"
    DEV_TEST = "dev_test"
    TEST = "test"


@dataclass(frozen=True)
class Examples:
    """Images and labels of one split.

    Attributes:
        images: uint8, (n, height, width, 3); possibly memory-mapped and read-only.
        labels: int64 (n,) class indices; for multilabel tasks uint8 (n, num_classes) of 0 and 1.
    """

    images: np.ndarray[Any, np.dtype[np.uint8]]
    labels: np.ndarray[Any, np.dtype[Any]]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> "Examples":
        return Examples(self.images[index], self.labels[index])


class HiddenSplit(PermissionError):
    """A strategy asked for images that it must not see while it learns."""


@dataclass(frozen=True)
class Task:
    """One classification task of a stream.

    Attributes:
        year: place in the stream, as NEVIS'22 orders by year.
        num_classes: classes, or for a multilabel task the number of labels.
        load: reads one split; nothing is read before it is called.
        sizes: examples a split.
        digest: names the exact images and labels; part of the stream's fingerprint.
        family: the data set family. Tasks of one family share images, or are made of the same things, so that a
            result on one says something of the other: reports count them as one cluster. Empty: a family of its own.
            No part of the fingerprint, for it changes nothing of what is learnt.
    """

    name: str
    year: int
    domain: str
    kind: Kind
    num_classes: int
    provenance: Provenance
    phase: Phase
    load: Callable[[Split], Examples] = field(repr=False, compare=False)
    sizes: Mapping[Split, int] = field(default_factory=lambda: MappingProxyType({}))
    digest: str = ""
    family: str = ""

    def facts(self) -> dict[str, Any]:
        """What is known of the task without reading it, as JSON shows it."""
        return {
            "name": self.name,
            "year": self.year,
            "domain": self.domain,
            "kind": self.kind,
            "num_classes": self.num_classes,
            "provenance": self.provenance,
            "phase": self.phase,
            "family": self.family or self.name,
            "sizes": {str(split): n for split, n in self.sizes.items()},
        }

    def for_learning(self) -> "Task":
        """The view a strategy gets: ``load`` raises :class:`HiddenSplit` on dev_test and test."""
        load, name = self.load, self.name

        def guarded(split: Split) -> Examples:
            if Split(split) not in (Split.TRAIN, Split.DEV):
                raise HiddenSplit(f"task {name!r}: split {split!s} is hidden while learning; use train or dev")
            return load(Split(split))

        return replace(self, load=guarded)
