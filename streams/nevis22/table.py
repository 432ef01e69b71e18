"""Which tasks are in NEVIS'22, and in which variants? The table of facts, and the orders made from it.

The facts of ``tasks.csv`` were read from github.com/google-deepmind/dm_nevis at commit 37ccf1e (2022-12-13), its last;
``domain`` is our own judgement, columns that end in ``_basis`` say where a number comes from.
"""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

import numpy as np

from harness.core.errors import UserError
from harness.core.task import Kind, Phase

HELD_OUT_FROM = 2020
"""First year of the held-out tasks, which are scored once, at the end."""

Variant = Literal[
    "full",
    "short",
    "tiny",
    "debug",
    "imagenet_only",
    "major_domain",
    "large_dataset",
    "without_first_30",
    "without_last_30",
    "without_imagenet",
    "random_subset",
    "spread",
]
VARIANTS: tuple[str, ...] = get_args(Variant)

SPREAD = frozenset({
    "magellan_venus_volcanoes", "landsat", "butterflies", "cmu_amp_expression", "uiuc_cars", "scenes15",
    "pascal_voc2006", "voc/2007", "ppmi", "oxford_flowers_17", "german_tsr", "kth_tips", "uiuc_texture", "sketch",
    "smallnorb", "wiki_paintings_style", "animal", "voc_actions", "svhn_cropped", "celeb_a", "cifar10", "tid2013",
    "usps", "pacs", "caltech_camera_traps", "melanoma", "mall", "mnist_rotation",
})  # fmt: skip
"""Data sets of 16 of the 17 domains and all kinds of task, each at its first place in the stream: our choice, not the
paper's, for what cannot be run on all tasks."""

_KINDS = {"multi-class": Kind.MULTICLASS, "binary": Kind.BINARY, "multi-label": Kind.MULTILABEL}


@dataclass(frozen=True)
class Entry:
    """One task of one variant: a row of the table, its year there, and which occurrence of its data set it is."""

    row: Mapping[str, str]
    year: int
    occurrence: int

    @property
    def dataset(self) -> str:
        return self.row["dataset_id"]

    @property
    def name(self) -> str:
        """Unique in its stream: the data set's id, with ``-2`` where it comes again."""
        return self.dataset.replace("/", "-") + (f"-{self.occurrence}" if self.occurrence > 1 else "")

    @property
    def kind(self) -> Kind:
        return _KINDS[self.row["task_kind"]]

    @property
    def phase(self) -> Phase:
        return Phase.HELD_OUT if self.year >= HELD_OUT_FROM else Phase.DEVELOPMENT


@cache
def rows() -> tuple[Mapping[str, str], ...]:
    """The 106 rows of the full stream, in order."""
    text = (files(__package__) / "tasks.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def entries(variant: str, *, subset: int = 0, subset_seed: int = 0) -> list[Entry]:
    """The tasks of ``variant``, in order.

    Args:
        subset, subset_seed: how many tasks ``random_subset`` has, and how they are drawn.

    Raises:
        UserError: ``subset`` leaves no development task, or is more than there are.
    """
    if variant == "random_subset":
        return _drawn(subset, subset_seed)
    if variant in ("short", "tiny", "debug"):
        return _counted(_listed(variant))
    chosen: Mapping[str, Callable[[Mapping[str, str]], bool]] = {
        "full": lambda row: True,
        "imagenet_only": lambda row: row["dataset_id"] == "imagenet2012" and row["occurrence"].startswith("1"),
        "major_domain": lambda row: row["in_major_domain_only"] == "1",
        "large_dataset": lambda row: row["in_large_dataset_only"] == "1",
        "without_first_30": lambda row: row["ablation_first30_removed"] != "1",
        "without_last_30": lambda row: row["ablation_last30_removed"] != "1",
        "spread": lambda row: row["dataset_id"] in SPREAD and row["occurrence"].startswith("1"),
        "without_imagenet": lambda row: row["dataset_id"] != "imagenet2012" or int(row["year"]) >= HELD_OUT_FROM,
    }
    return _counted([(row, int(row["year"])) for row in rows() if chosen[variant](row)])


def _drawn(count: int, seed: int) -> list[Entry]:
    """All held-out tasks and as many development tasks as make ``count``, drawn as dm_nevis draws them.

    Its ablation shuffles the development tasks with ``numpy.random.default_rng(seed)`` and keeps the first ones, in
    the order of the stream. It names no count; its seed is 0 unless told.
    """
    held_out = [row for row in rows() if int(row["year"]) >= HELD_OUT_FROM]
    development = [row for row in rows() if int(row["year"]) < HELD_OUT_FROM]
    if not len(held_out) < count <= len(rows()):
        raise UserError(
            f"nevis22(variant=random_subset, subset={count}): expected subset={len(held_out) + 1} to {len(rows())} "
            f"tasks, of which {len(held_out)} are the held-out ones"
        )
    np.random.default_rng(seed).shuffle(development)
    kept = {row["position"] for row in (held_out + development)[:count]}
    return _counted([(row, int(row["year"])) for row in rows() if row["position"] in kept])


def _listed(variant: str) -> list[tuple[Mapping[str, str], int]]:
    """Variants with an order and years of their own, which each data set's first row lists."""
    placed = {}
    for row in rows():
        if row["occurrence"].startswith("1") and row[f"{variant}_positions"]:
            for position, year in zip(
                row[f"{variant}_positions"].split(";"), row[f"{variant}_years"].split(";"), strict=True
            ):
                placed[int(position)] = (row, int(year))
    return [placed[position] for position in sorted(placed)]


def _counted(chosen: list[tuple[Mapping[str, str], int]]) -> list[Entry]:
    met: dict[str, int] = {}
    found = []
    for row, year in chosen:
        met[row["dataset_id"]] = met.get(row["dataset_id"], 0) + 1
        found.append(Entry(row, year, met[row["dataset_id"]]))
    return found
