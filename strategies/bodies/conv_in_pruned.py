"""What if every layer makes as much as before and reads less? The rival reading of filter pruning: input slices."""

import copy
from dataclasses import dataclass

from torch import nn

from harness.learning.body import Body
from strategies.bodies.structure.inputs import input_groups, read_less
from strategies.bodies.structure.pruning import Pruning, kept_units


@dataclass
class ConvInPruned(Body):
    """Keep a share of the input slices of each convolution; all outputs stay.

    FLOPs fall linearly. Each convolution gathers inputs of its own; images and depthwise filters are left alone.
    """

    pruning: Pruning = Pruning()

    @property
    def shapes_from_weights(self) -> bool:
        return self.pruning.allocation == "global"

    def adapted(self, body: nn.Module, size: int, *, seed: int = 0) -> nn.Module:
        """A copy of ``body`` that reads less, its kept slices a pure function of its weights."""
        groups = input_groups(body)
        kept = kept_units(body, size, groups, self.pruning, seed=seed)
        smaller = copy.deepcopy(body)
        read_less(smaller, groups, kept)
        return smaller
