"""How much training is a budget? Images that it shows the dense net, by band, and the steps these are."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.compute.caps import caps, dense_flops, scored_tasks
from harness.config.registry import make
from harness.config.suite import opened
from harness.core.band import band_of
from harness.core.spec import RunSpec

BATCH = 16
"""Images a step, for telling steps; a recipe may take others."""

WORDS = {"under_1k": "under 1,000 images", "to_10k": "to 10,000", "to_100k": "to 100,000"}
"""Bands as people read them."""


@dataclass(frozen=True)
class Regime:
    """What one budget is to the tasks that may spend it.

    Attributes:
        least, most: images that the dense net could be trained on, of the task with the fewest and the most; 0 for
            both where seconds are the budget, of which nobody knows before a run how far they reach.
    """

    budget: str
    least: float
    most: float

    def __str__(self) -> str:
        if not self.most:
            return f"{self.budget}: as many images as the device manages"
        bands = dict.fromkeys(WORDS[band_of(images)] for images in (self.least, self.most))
        images, steps = (_range(self.least / n, self.most / n) for n in (1, BATCH))
        steps = f"{steps} step of {BATCH}" if steps == "1" else f"{steps} steps of {BATCH}"
        return f"{self.budget}: {images} images shown ({', '.join(bands)}), {steps}, for the dense net"


def regimes(specs: Iterable[RunSpec]) -> list[Regime]:
    """One for each budget, in their order; unlimited ones are left out."""
    found: dict[str, list[float]] = {}
    asked = {(spec.stream, str(spec.budget), spec.setting): spec for spec in specs}
    for spec in asked.values():
        backbone = make("backbones", spec.setting.backbone)
        tasks = scored_tasks(opened(spec.stream), spec)
        images = found.setdefault(str(spec.budget), [])
        for task, cap in zip(tasks, caps(spec, backbone, tasks), strict=True):
            images.append(cap.flops / dense_flops(backbone, task.num_classes, spec.setting.size))
    finite = {budget: [count for count in counts if count < float("inf")] for budget, counts in found.items()}
    return [Regime(budget, min(counts, default=0.0), max(counts, default=0.0)) for budget, counts in finite.items()]


def _range(least: float, most: float) -> str:
    low, high = (f"{max(1, round(count)):,}" for count in (least, most))
    return low if low == high else f"{low} to {high}"
