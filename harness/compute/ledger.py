"""What was spent, and on what? FLOPs and seconds by phase: a value that adds up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

CostPhase = Literal["train", "validate", "search", "prune", "fuse", "extract", "recalibrate", "evaluate"]
COST_PHASES: tuple[CostPhase, ...] = get_args(CostPhase)
FREE: CostPhase = "evaluate"

Spending = Mapping[CostPhase, float]


@dataclass(frozen=True)
class Ledger:
    """FLOPs and wall seconds of each phase; a phase that is not named has cost nothing."""

    flops: Spending = field(default_factory=dict)
    seconds: Spending = field(default_factory=dict)

    def __add__(self, other: "Ledger") -> "Ledger":
        return Ledger(_sum(self.flops, other.flops), _sum(self.seconds, other.seconds))

    @property
    def charged_flops(self) -> float:
        """FLOPs of all phases but ``evaluate``."""
        return charged(self.flops)

    @property
    def charged_seconds(self) -> float:
        """Seconds of all phases but ``evaluate``."""
        return charged(self.seconds)

    def as_evaluation(self) -> "Ledger":
        """All that was charged, as scoring: no budget pays for it."""
        return Ledger({FREE: self.charged_flops}, {FREE: self.charged_seconds})

    def fields(self) -> dict[str, Any]:
        """As a ``learn`` record has it: ``flops_<phase>``, ``seconds_<phase>``, and the sums that are charged."""
        return {
            "flops": self.charged_flops,
            "seconds": self.charged_seconds,
            **{f"flops_{phase}": self.flops.get(phase, 0) for phase in COST_PHASES},
            **{f"seconds_{phase}": self.seconds.get(phase, 0) for phase in COST_PHASES},
        }


def _sum(one: Spending, other: Spending) -> Spending:
    return {phase: one.get(phase, 0) + other.get(phase, 0) for phase in COST_PHASES}


def charged(spending: Spending) -> float:
    """What a budget pays for: all phases but ``evaluate``, which is free."""
    return sum(value for phase, value in spending.items() if phase != FREE)
