"""The stream of NEVIS'22: 106 visual classification tasks of three decades, emulated or from real images."""

from typing import Literal

from harness.stream import Stream
from harness.written import Written
from streams.nevis22.emulated import emulated_task
from streams.nevis22.table import Variant, entries

VERSION = "1"


def nevis22(*, variant: Variant = "full", source: Literal["emulated"] = "emulated", seed: int = 0) -> Stream:
    """NEVIS'22 (arXiv 2211.11747): all 106 tasks in their order of years, and its shorter variants.

    Args:
        variant: full (106 tasks), short (29), tiny (7), debug (2), imagenet_only (1), major_domain (70),
            large_dataset (67), or the full stream without_first_30, without_last_30, without_imagenet.
        source: where images come from.
        seed: another seed emulates other worlds of the same design.
    """
    changed = {"variant": variant, "source": source, "seed": seed}
    default = {"variant": "full", "source": "emulated", "seed": 0}
    options = {key: value for key, value in changed.items() if value != default[key]}
    tasks = tuple(emulated_task(entry, seed=seed) for entry in entries(variant))
    return Stream(str(Written("nevis22", options)), VERSION, tasks)
