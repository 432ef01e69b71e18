"""The stream of NEVIS'22: 106 visual classification tasks of three decades, emulated or from real images."""

from inspect import signature
from typing import Literal

from harness.config.notation import Written
from harness.core.errors import UserError, unknown
from harness.core.stream import Stream
from harness.core.task import Task
from streams.data.images import SIDE, checked_side
from streams.nevis22.emulated import emulated_task
from streams.nevis22.table import Entry, Variant, entries

VERSION = "1"

Source = Literal["emulated", "real", "best"]


def nevis22(
    *,
    variant: Variant = "full",
    source: Source = "emulated",
    tasks: list[str] | None = None,
    skip_missing: bool = False,
    partial: Literal["refuse", "allow"] = "refuse",
    seed: int = 0,
    subset: int = 0,
    subset_seed: int = 0,
    side: int = SIDE,
) -> Stream:
    """NEVIS'22 (arXiv 2211.11747): all 106 tasks in their order of years, and its shorter variants.

    Args:
        variant: full (106 tasks), short (29), tiny (7), debug (2), imagenet_only (1), major_domain (70),
            large_dataset (67), or the full stream without_first_30, without_last_30, without_imagenet; random_subset;
            and, ours, spread (28 development tasks, at most one a data set, of 16 of the 17 domains).
        source: emulated; real: the real images, all of which must be at hand; best: real where they are at hand.
        tasks: names of those that are wanted; their order stays that of the stream.
        skip_missing: with ``source=real``, leave out the tasks whose images are missing. Part of the fingerprint.
        partial: with real images, whether a folder of your own may lack classes of its data set; such a task is named
            partial in every table.
        seed: another seed emulates other worlds of the same design.
        subset, subset_seed: for random_subset, how many tasks it has, the 14 held-out ones included, and the seed by
            which the others are drawn.
        side: with ``source=real``, the side of the stored images in pixels; emulated ones are drawn at 64.

    Raises:
        UserError: an option is out of place; there is no task of a name in ``tasks``; real images are missing (they are
            listed), or damaged.
    """
    given: dict[str, object] = {
        "variant": variant, "source": source, "tasks": tasks, "skip_missing": skip_missing, "seed": seed,
        "partial": partial, "subset": subset, "subset_seed": subset_seed, "side": side,
    }  # fmt: skip
    if skip_missing and source != "real":
        raise UserError(f"skip_missing=True is for source=real; with source={source} no task is missing")
    if partial == "allow" and source == "emulated":
        raise UserError("partial=allow is for source=real or best; with source=emulated no task is partial")
    if checked_side(side) != SIDE and source != "real":
        raise UserError(f"side={side} is for source=real; with source={source} images are drawn at {SIDE} px")
    if (subset or subset_seed) and variant != "random_subset":
        raise UserError(f"subset and subset_seed are for variant=random_subset; variant={variant} has its own tasks")
    chosen = entries(variant, subset=subset, subset_seed=subset_seed)
    if tasks is not None:
        known = {entry.name for entry in chosen}
        for name in tasks:
            if name not in known:
                raise unknown(f"task of nevis22 {variant} named", name, known)
        chosen = [entry for entry in chosen if entry.name in tasks]
    found = _tasks(chosen, source, skip_missing=skip_missing, partial=partial == "allow", seed=seed, side=side)
    defaults = signature(nevis22).parameters
    options = {name: value for name, value in given.items() if value != defaults[name].default}
    return Stream(str(Written("nevis22", options)), VERSION, found)


def _tasks(
    chosen: list[Entry], source: Source, *, skip_missing: bool, partial: bool, seed: int, side: int
) -> tuple[Task, ...]:
    if source == "emulated":
        return tuple(emulated_task(entry, seed=seed) for entry in chosen)
    from streams.nevis22.real import present, real_task

    at_hand = {dataset: present(dataset, side=side) for dataset in dict.fromkeys(entry.dataset for entry in chosen)}
    missing = [dataset for dataset, there in at_hand.items() if not there]
    if source == "real" and missing and (not skip_missing or len(missing) == len(at_hand)):
        raise UserError(
            f"real images of {len(missing)} of {len(at_hand)} data sets are missing: {', '.join(missing)}; "
            "'harness data status' says where to get them, skip_missing=True goes on without them, "
            "source=best emulates them"
        )
    kept = [entry for entry in chosen if at_hand[entry.dataset] or source == "best"]
    return tuple(
        real_task(entry, partial=partial, side=side) if at_hand[entry.dataset] else emulated_task(entry, seed=seed)
        for entry in kept
    )
