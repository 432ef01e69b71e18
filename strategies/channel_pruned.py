"""What if every width of the net is smaller? Channel pruning: stem, residual stream, inner widths and features."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from harness.compute.meter import CostPhase
from strategies.bodies.structure.pruning import Layout, Pruning, pruned
from strategies.finetune import Finetune


@dataclass
class ChannelPruned(Finetune):
    """Keep a share of every width (stem, residual stream, inner widths, features), then finetune.

    Widths that a shortcut ties share one set of kept units. FLOPs fall about quadratically; the representation shrinks.
    """

    pruning: Pruning = Pruning()

    layout: ClassVar[Layout] = "channel"
    preparation: ClassVar[CostPhase] = "prune"
    statistics_hold: ClassVar[bool] = False

    @property
    def shapes_from_weights(self) -> bool:
        return self.pruning.allocation == "global"

    def adapted(self, body: nn.Module, size: int, *, seed: int = 0) -> nn.Module:
        """A physically smaller copy of ``body``, its kept units a pure function of its weights."""
        return pruned(body, size, self.layout, self.pruning, seed=seed)
