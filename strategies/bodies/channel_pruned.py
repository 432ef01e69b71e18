"""What if every width of the net is smaller? Channel pruning: stem, residual stream, inner widths and features."""

from dataclasses import dataclass

from torch import nn

from harness.learning.body import Body
from strategies.bodies.structure.pruning import Pruning, check_sound, pruned


@dataclass
class ChannelPruned(Body):
    """Keep a share of every width: stem, residual stream, inner widths, features.

    Widths that a shortcut ties share one set of kept units. FLOPs fall about quadratically; the representation shrinks.
    """

    pruning: Pruning = Pruning()

    @property
    def shapes_from_weights(self) -> bool:
        return self.pruning.allocation == "global"

    def check(self, body: nn.Module, size: int) -> None:
        super().check(body, size)
        check_sound(body, size, "channel")

    def adapted(self, body: nn.Module, size: int, *, seed: int = 0) -> nn.Module:
        """A physically smaller copy of ``body``, its kept units a pure function of its weights."""
        return pruned(body, size, "channel", self.pruning, seed=seed)
