"""What if the filters that pruning discards live on in those it keeps? Fusion by optimal transport."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from harness.compute.meter import CostPhase
from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from harness.core.task import Split, Task
from harness.learning.context import Context
from harness.learning.strategy import Infeasible
from strategies.bodies.structure.attention import with_prunable_attention
from strategies.bodies.structure.pruning import Layout, Pruning, kept_units, prunable
from strategies.bodies.structure.removal import remove
from strategies.bodies.transport.fusion import Fusion, Transport, fuse
from strategies.bodies.transport.responses import responses
from strategies.finetune import Finetune

FUSE_SHARE = 0.3
"""Share of a task's budget that comparing units by their responses may take."""


@dataclass
class OTFused(Finetune):
    """Transport the units that pruning would remove onto the kept ones, then finetune.

    Shapes and kept units are those of ``filter_pruned`` or, with ``layout=channel``, of ``channel_pruned``. Fused once,
    before the stream and without data; with ``ground_cost=activation`` for each task anew, on its training images and
    inside its budget.

    Attributes:
        responses: images on which units are compared, with ``ground_cost=activation``.
    """

    layout: Layout = "filter"
    pruning: Pruning = Pruning()
    transport: Transport = Transport()
    responses: int = 64

    fusion: Fusion | None = field(default=None, init=False, repr=False)
    """What the last fusion did."""
    _whole: Callable[[], nn.Module] | None = field(default=None, init=False, repr=False)
    """A copy of the pretrained net, where each task fuses it anew."""

    preparation: ClassVar[CostPhase] = "fuse"
    statistics_hold: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self._on_images and self.start.init != "pretrained":
            raise UserError(
                f"ot_fused(ground_cost=activation, init={self.start.init}): the pretrained net is fused for each task "
                "anew; leave out init"
            )
        if self.responses < 2:
            raise UserError(f"responses={self.responses}: expected at least 2 images to compare units on")

    @property
    def _on_images(self) -> bool:
        return self.transport.ground_cost == "activation"

    @property
    def shapes_from_weights(self) -> bool:
        return self.pruning.allocation == "global"

    def adapted(self, body: nn.Module, size: int, *, seed: int = 0) -> nn.Module:
        """A fused, physically smaller copy of ``body``, a pure function of its weights.

        With ``ground_cost=activation``, which needs images, the shapes alone: nothing is transported.
        """
        return self._fused(body, size, seed=seed)

    def _fused(
        self, body: nn.Module, size: int, *, seed: int, vectors: Mapping[str, Tensor] | None = None
    ) -> nn.Module:
        body = with_prunable_attention(body)
        groups = prunable(body, size, self.layout)
        kept = kept_units(body, size, groups, self.pruning, seed=seed)
        fused = copy.deepcopy(body)
        if self._on_images and vectors is None:
            remove(fused, groups, kept)
        else:
            self.fusion = fuse(fused, groups, kept, size, self.transport, vectors=vectors)
        return fused

    def prepare(self, ctx: Context) -> None:
        if self._on_images:
            body = ctx.body()
            self._whole = lambda: copy.deepcopy(body)
            return
        super().prepare(ctx)
        if self.fusion is not None:
            with ctx.meter.phase("fuse"):
                ctx.meter.charge(self.fusion.flops)

    def learn(self, task: Task, ctx: Context) -> None:
        if self._on_images:
            with ctx.meter.phase("fuse"):
                self._begin_with(self._fused_for(task, ctx))
        super().learn(task, ctx)

    def _fused_for(self, task: Task, ctx: Context) -> nn.Module:
        """The pretrained net fused by what its units say to images of ``task``."""
        assert self._whole is not None, "prepare comes before learn"
        body = with_prunable_attention(self._whole()).eval()
        groups = prunable(body, ctx.size, self.layout)
        data = task.load(Split.TRAIN)
        price = ctx.meter.price(body, ctx.shape(data))
        # The order of what solving costs, were half of each width removed.
        solving = sum(group.width**3 / 4 for group in groups)
        paid = (FUSE_SHARE * ctx.meter.remaining_flops - solving) / price.flops
        if paid < 2:
            raise Infeasible(f"{FUSE_SHARE:.0%} of the budget pay for less than 2 images to compare units on")
        chosen = numpy_generator(ctx.seed, task.name, "responses").permutation(len(data))
        inputs = ctx.inputs(data, np.sort(chosen[: int(min(self.responses, paid))]))
        with ctx.meter.step(price, len(inputs)):
            vectors = responses(body, groups, inputs)
        fused = self._fused(body, ctx.size, seed=ctx.seed, vectors=vectors)
        assert self.fusion is not None
        ctx.meter.charge(self.fusion.flops)
        return fused
