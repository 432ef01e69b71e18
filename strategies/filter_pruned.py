"""What if only the inside of blocks is smaller? Filter pruning: the representation keeps its width."""

from dataclasses import dataclass
from typing import ClassVar

from strategies.bodies.structure.pruning import Layout
from strategies.channel_pruned import ChannelPruned


@dataclass
class FilterPruned(ChannelPruned):
    """Keep a share of the filters inside each block (bottleneck conv1 and conv2, expanded widths), then finetune.

    Block outputs, residual stream, stem, shortcuts and features are untouched.
    """

    layout: ClassVar[Layout] = "filter"
