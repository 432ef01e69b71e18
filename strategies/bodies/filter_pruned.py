"""What if only the inside of blocks is smaller? Filter pruning: the representation keeps its width."""

from dataclasses import dataclass

from torch import nn

from harness.learning.body import Body
from strategies.bodies.structure.pruning import Pruning, check_sound, pruned


@dataclass
class FilterPruned(Body):
    """Keep a share of the filters inside each block (bottleneck conv1 and conv2, expanded widths).

    Block outputs, residual stream, stem, shortcuts and features are untouched.
    """

    pruning: Pruning = Pruning()

    @property
    def shapes_from_weights(self) -> bool:
        return self.pruning.allocation == "global"

    def check(self, body: nn.Module, size: int) -> None:
        super().check(body, size)
        check_sound(body, size, "filter")

    def adapted(self, body: nn.Module, size: int, *, seed: int = 0) -> nn.Module:
        """A physically smaller copy of ``body``, its kept units a pure function of its weights."""
        return pruned(body, size, "filter", self.pruning, seed=seed)
