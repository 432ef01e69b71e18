"""What if the filters that pruning discards live on in those it keeps? Fusion by optimal transport, without data."""

import copy
from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from harness.context import Context
from harness.meter import CostPhase
from strategies.finetune import Finetune
from strategies.structure.attention import with_prunable_attention
from strategies.structure.pruning import Layout, Pruning, kept_units, prunable
from strategies.transport.fusion import Fusion, Transport, fuse


@dataclass
class OTFused(Finetune):
    """Transport the units that pruning would remove onto the kept ones, then finetune.

    Shapes and kept units are those of ``filter_pruned`` or, with ``layout=channel``, of ``channel_pruned``.
    """

    layout: Layout = "filter"
    pruning: Pruning = Pruning()
    transport: Transport = Transport()

    fusion: Fusion | None = field(default=None, init=False, repr=False)
    """What the last fusion did."""

    preparation: ClassVar[CostPhase] = "fuse"
    statistics_hold: ClassVar[bool] = False

    @property
    def shapes_from_weights(self) -> bool:
        return self.pruning.allocation == "global"

    def adapted(self, body: nn.Module, size: int, *, seed: int = 0) -> nn.Module:
        """A fused, physically smaller copy of ``body``, a pure function of its weights."""
        body = with_prunable_attention(body)
        groups = prunable(body, size, self.layout)
        kept = kept_units(body, size, groups, self.pruning, seed=seed)
        fused = copy.deepcopy(body)
        self.fusion = fuse(fused, groups, kept, size, self.transport)
        return fused

    def prepare(self, ctx: Context) -> None:
        super().prepare(ctx)
        if self.fusion is not None:
            with ctx.meter.phase("fuse"):
                ctx.meter.charge(self.fusion.flops)
