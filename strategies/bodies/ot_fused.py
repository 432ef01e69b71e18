"""What if the filters that pruning discards live on in those it keeps? Fusion by optimal transport."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from harness.compute.meter import CostPhase
from harness.config.options import flat
from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from harness.core.task import Split, Task
from harness.learning.body import Body
from harness.learning.context import Adapted, Context
from harness.learning.strategy import Infeasible, Strategy
from strategies.bodies.structure.attention import with_prunable_attention
from strategies.bodies.structure.pruning import Layout, Pruning, check_sound, kept_units, prunable
from strategies.bodies.structure.removal import remove
from strategies.bodies.transport.fusion import Fusion, Transport, fuse
from strategies.bodies.transport.responses import responses
from strategies.learners.finetune import Finetune

FUSE_SHARE = 0.3
"""Share of a task's budget that comparing units by their responses may take."""


@dataclass
class OTFused(Body):
    """Move the units that pruning would remove onto the kept ones by optimal transport.

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

    phase: ClassVar[CostPhase] = "fuse"
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if self.responses < 2:
            raise UserError(f"responses={self.responses}: expected at least 2 images to compare units on")

    @property
    def on_images(self) -> bool:
        """Whether units are compared by what they respond to images, so that every task has a net of its own."""
        return self.transport.ground_cost == "activation"

    @property
    def shapes_from_weights(self) -> bool:
        return self.pruning.allocation == "global"

    @property
    def flops(self) -> float:
        return self.fusion.flops if self.fusion is not None else 0.0

    def check(self, body: nn.Module, size: int) -> None:
        super().check(body, size)
        check_sound(body, size, self.layout)

    def adapted(self, body: nn.Module, size: int, *, seed: int = 0) -> nn.Module:
        """A fused, physically smaller copy of ``body``, a pure function of its weights.

        With ``ground_cost=activation``, which needs images, the shapes alone: nothing is transported.
        """
        return self.fused(body, size, seed=seed)

    def fused(self, body: nn.Module, size: int, *, seed: int, vectors: Mapping[str, Tensor] | None = None) -> nn.Module:
        """A fused copy of ``body``; ``vectors`` are the responses of its units, where they are compared by these."""
        body = with_prunable_attention(body)
        groups = prunable(body, size, self.layout)
        kept = kept_units(body, size, groups, self.pruning, seed=seed)
        fused = copy.deepcopy(body)
        if self.on_images and vectors is None:
            remove(fused, groups, kept)
        else:
            self.fusion = fuse(fused, groups, kept, size, self.transport, vectors=vectors)
        return fused

    def instead(self, learner: Strategy, *, learner_name: str) -> Strategy | None:
        if not self.on_images:
            return None
        if not isinstance(learner, Finetune):
            raise UserError(
                f"ot_fused(ground_cost=activation) takes no learner={learner_name}: the net is fused for each task "
                "anew, inside its budget, and then finetuned; other ground costs fuse once and take any learner"
            )
        return FusedOnImages(self, learner)


@dataclass
class FusedOnImages(Strategy):
    """Fuse the pretrained net for each task anew, by what its units respond to the task's images; then finetune."""

    body: OTFused
    finetune: Finetune

    _whole: Callable[[], nn.Module] | None = field(default=None, init=False, repr=False)
    """A copy of the pretrained net."""
    _adapted: Adapted | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.finetune.start.init != "pretrained":
            raise UserError(
                f"ot_fused(ground_cost=activation, init={self.finetune.start.init}): the pretrained net is fused for "
                "each task anew; leave out init"
            )

    @property
    def shapes_from_weights(self) -> bool:
        return self.body.shapes_from_weights

    def flat_options(self, *, only_changed: bool = False) -> dict[str, Any]:
        """Those of fusing and of finetuning, beside each other."""
        return flat(self.body, only_changed=only_changed) | flat(self.finetune, only_changed=only_changed)

    def adapted(self, body: nn.Module, size: int) -> nn.Module:
        return self.body.adapted(body, size)

    def prepare(self, ctx: Context) -> None:
        body = ctx.body()
        self._whole = lambda: copy.deepcopy(body)

    def learn(self, task: Task, ctx: Context) -> None:
        with ctx.meter.phase("fuse"):
            self._adapted = Adapted(self._fused_for(task, ctx), "ot_fused", statistics_hold=False)
        ctx = replace(ctx, adapted=self._adapted)
        self.finetune.prepare(ctx)
        self.finetune.learn(task, ctx)

    def predict(self, task: Task, images: Tensor) -> Tensor:
        return self.finetune.predict(task, images)

    def untrained(self, task: Task, ctx: Context) -> Callable[[Tensor], Tensor] | None:
        return self.finetune.untrained(task, replace(ctx, adapted=self._adapted))

    def _fused_for(self, task: Task, ctx: Context) -> nn.Module:
        """The pretrained net fused by what its units respond to images of ``task``."""
        assert self._whole is not None, "prepare comes before learn"
        body = with_prunable_attention(self._whole()).eval()
        groups = prunable(body, ctx.size, self.body.layout)
        data = task.load(Split.TRAIN)
        price = ctx.meter.price(body, ctx.shape(data))
        # The order of what solving costs, were half of each width removed.
        solving = sum(group.width**3 / 4 for group in groups)
        paid = (FUSE_SHARE * ctx.meter.remaining_flops - solving) / price.flops
        if paid < 2:
            raise Infeasible(f"{FUSE_SHARE:.0%} of the budget pay for less than 2 images to compare units on")
        chosen = numpy_generator(ctx.seed, task.name, "responses").permutation(len(data))
        inputs = ctx.inputs(data, np.sort(chosen[: int(min(self.body.responses, paid))]))
        with ctx.meter.step(price, len(inputs)):
            vectors = responses(body, groups, inputs)
        fused = self.body.fused(body, ctx.size, seed=ctx.seed, vectors=vectors)
        ctx.meter.charge(self.body.flops)
        return fused
