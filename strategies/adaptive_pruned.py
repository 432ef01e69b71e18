"""What if a net is pruned while it learns? The more of the budget is gone, the smaller and cheaper it becomes."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from torch import Tensor

from harness.compute.backbone import Classifier
from harness.core.errors import UserError
from harness.core.task import Examples, Task
from harness.learning.context import Context
from harness.learning.recipe import Settled
from harness.learning.strategy import Strategy
from harness.learning.training import fit
from strategies.bodies.structure.pruning import Pruning, pruned
from strategies.learners.finetune import Finetune
from strategies.learners.starting import limit_to
from strategies.learners.stretch import stretch


@dataclass
class AdaptivePruned(Strategy):
    """Train in stages of equal budget, the first with the dense net; after each, filters are removed.

    Filters are those of ``filter_pruned``, scored on the weights as the task has left them; their number, or with
    ``flops`` the FLOPs, falls by one factor from stage to stage, to what is named in the last. Features keep their
    width, so the head stays. Each stage has its own warm-up and decay: a net that lost filters has to learn anew.

    Attributes:
        stages: how many nets there are, the dense one included.
    """

    finetune: Finetune = field(default_factory=Finetune)
    pruning: Pruning = Pruning()
    stages: int = 3

    whole: ClassVar[str] = "it prunes between stages of training, so it finetunes"

    def __post_init__(self) -> None:
        if self.stages < 2:
            raise UserError(
                f"adaptive_pruned(stages={self.stages}): expected at least 2, the dense net and a pruned one"
            )
        for option in ("choose", "choose_else"):
            if (choice := getattr(self.finetune.recipe, option)) not in (None, "end"):
                raise UserError(
                    f"adaptive_pruned({option}={choice}): a start of another shape is nothing that could be kept; "
                    f"leave out {option}"
                )
        if self.finetune.start.init not in ("pretrained", "scratch"):
            raise UserError(
                f"adaptive_pruned(init={self.finetune.start.init}): what a task leaves is pruned; expected pretrained"
            )

    def a_step(self) -> Pruning:
        """What is removed after a stage, so that all of them together remove what was asked for."""
        root, keep = 1 / (self.stages - 1), self.pruning.keep or 0.5
        if self.pruning.flops is not None:
            return replace(self.pruning, flops=self.pruning.flops**root)
        return replace(self.pruning, keep=keep**root)

    def prepare(self, ctx: Context) -> None:
        self.finetune.prepare(ctx)

    def learn(self, task: Task, ctx: Context) -> None:
        self.finetune.learn_by(self._in_stages, task, ctx, statistics_hold=False, choose=False)

    def predict(self, task: Task, images: Tensor) -> Tensor:
        return self.finetune.predict(task, images)

    def _in_stages(self, net: Classifier, data: Examples, task: Task, ctx: Context, recipe: Settled) -> Classifier:
        each = self.a_step()
        flops, seconds = ctx.meter.remaining_flops / self.stages, ctx.meter.remaining_seconds / self.stages
        for stage in range(self.stages - 1):
            with stretch(ctx, flops=flops, seconds=seconds) as part:
                fit(net, data, part, name=f"{task.name} stage {stage}", recipe=recipe)
            with ctx.meter.phase("prune"):
                body = pruned(net.body, ctx.size, "filter", each, seed=ctx.seed)
            limit_to(self.finetune.scope, body)
            net = Classifier(body, net.head)
        fit(net, data, ctx, name=task.name, recipe=recipe)
        return net
