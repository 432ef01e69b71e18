"""How does a row of the table become an emulated task? By its design: a generator, sizes, and what shifts by split."""

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from importlib.resources import files
from typing import Any

import numpy as np

from harness.core.task import Examples, Kind, Provenance, Split, Task
from streams.data.prepared import Array, Prepared, prepared
from streams.data.stored import examples, with_splits
from streams.emulation.draws import Draws
from streams.emulation.generators import GENERATORS, VERSION, Generator
from streams.emulation.labels import class_labels
from streams.nevis22.table import Entry

CHUNK = 64
"""Images painted at once; part of what the pixels depend on."""


@dataclass(frozen=True)
class Design:
    """How one data set is emulated. ``generators`` holds, for each split, the generator with what shifts there."""

    dataset: str
    kind: Kind
    classes: int
    sizes: Mapping[Split, int]
    generators: Mapping[Split, Generator]
    seed: int

    def digest(self) -> str:
        """SHA-256 over all that the pixels depend on."""
        looks = {str(split): asdict(generator) for split, generator in self.generators.items()}  # type: ignore[call-overload]
        sizes = {str(split): n for split, n in self.sizes.items()}
        facts = [VERSION, CHUNK, self.dataset, self.kind, self.classes, sizes, looks, self.seed]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def arrays(self) -> dict[str, Array]:
        """All images, labels and splits."""
        images, labels, splits, first = [], [], {}, 0
        for split, n in self.sizes.items():
            part = self._labels(split, n)
            labels.append(part)
            for start in range(0, n, CHUNK):
                draws = Draws("images", VERSION, self.seed, self.dataset, split, start)
                images.append(self.generators[split].render(part[start : start + CHUNK], draws))
            splits[split] = np.arange(first, first + n)
            first += n
        return with_splits({"images": np.concatenate(images), "labels": np.concatenate(labels)}, splits)

    def _labels(self, split: Split, n: int) -> Array:
        draws = Draws("labels", VERSION, self.seed, self.dataset, split)
        if self.kind is not Kind.MULTILABEL:
            return class_labels(n, self.classes, draws)
        found: Array = self.generators[split].rows(n, draws)[draws.order(n)]  # type: ignore[attr-defined]
        return found


@cache
def _looks() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads((files(__package__) / "designs.toml").read_text(encoding="utf-8"))


def design(entry: Entry, *, seed: int = 0) -> Design:
    """The design of the data set of ``entry``: the same for all its occurrences."""
    look = dict(_looks()[entry.dataset])
    shifts = {split: look.pop(str(split), {}) for split in Split}
    total = look.pop("images", None) or _total(entry.row)
    classes = look.pop("classes", None) or int(entry.row["num_classes"])
    # Another seed is another world: other things, faces and surfaces, with the same factors.
    world = look.pop("world") + (f" {seed}" if seed else "")
    base = GENERATORS[entry.row["domain"]](world=world, classes=classes, **_frozen(look))
    generators = {split: replace(base, **_frozen(shift)) for split, shift in shifts.items()}
    return Design(entry.dataset, entry.kind, classes, sizes(total, classes), generators, seed)


def family(entry: Entry) -> str:
    """Data sets of one family are made of the same things: those whose designs share a world."""
    return str(_looks()[entry.dataset]["world"])


def sizes(total: int, classes: int) -> dict[Split, int]:
    """Images a split for a real set of ``total``: they grow with its logarithm, and every class is in every split."""
    floor = next(each for most, each in ((60, 8), (120, 6), (430, 5), (1000, 3), (math.inf, 2)) if classes <= most)
    train = max(floor * classes, round(150 + 112 * (math.log10(max(total, 100)) - 2)))
    return {
        Split.TRAIN: train,
        Split.DEV: max(60, classes, train // 5),
        Split.DEV_TEST: max(120, classes, train // 4),
        Split.TEST: max(150, classes, train // 3),
    }


def emulated_task(entry: Entry, *, seed: int = 0) -> Task:
    """The emulated task; its images are made when one of its splits is first loaded, and kept in the cache."""
    plan = design(entry, seed=seed)
    return Task(
        name=entry.name,
        year=entry.year,
        domain=entry.row["domain"],
        kind=plan.kind,
        num_classes=plan.classes,
        provenance=Provenance.EMULATED,
        phase=entry.phase,
        load=partial(_load, plan),
        sizes=plan.sizes,
        digest=plan.digest(),
        family=family(entry),
    )


def _load(plan: Design, split: Split) -> Examples:
    return examples(stored(plan), "labels", Split(split))


def stored(plan: Design) -> Prepared:
    """The images of ``plan``, made if they are not in the cache."""
    return prepared(set_name(plan), plan.arrays)


def set_name(plan: Design) -> str:
    """Where the images of ``plan`` lie in the cache."""
    return f"emulated/{plan.dataset.replace('/', '-')}-{plan.digest()[:16]}"


def _total(row: Mapping[str, str]) -> int:
    if row["num_total"]:
        return int(row["num_total"])
    return sum(int(row[f"num_{split}"]) for split in ("train", "dev", "dev_test", "test"))


def _frozen(look: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in look.items()}
