"""How much training is each budget of these runs? Counted before anything is spent, as ``harness plan`` shows it."""

from collections.abc import Iterable

from harness.compute.caps import caps, dense_flops, scored_tasks
from harness.config.registry import make
from harness.config.suite import opened
from harness.core.regime import Regime
from harness.core.spec import RunSpec


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
