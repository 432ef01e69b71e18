"""Does half a net learn more from the dense net's answers than from labels alone? Distillation (arXiv 1312.6184)."""

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Context, Recipe, Split, Strategy, Task, fit
from harness.learning.batches import loss_of
from harness.learning.context import Batch
from strategies.bodies.structure.pruning import Pruning, pruned
from strategies.learners.heads import ridge_head


@dataclass
class Distilled(Strategy):
    """Prune filters to a share of the FLOPs, then learn from labels and from the dense net with a ridge head."""

    pruning: Pruning = Pruning(flops=0.5)
    recipe: Recipe = Recipe(norm="batch", clip=1.0)
    share: float = 0.5

    net: nn.Module | None = field(default=None, init=False, repr=False)

    def prepare(self, ctx: Context) -> None:
        with ctx.meter.phase("prune"):
            self._body = pruned(ctx.body(), ctx.size, "filter", self.pruning, seed=ctx.seed)

    def learn(self, task: Task, ctx: Context) -> None:
        teacher, student = ctx.classifier(task), ctx.classifier(task, copy.deepcopy(self._body))
        data = task.load(Split.TRAIN)
        dear = ctx.meter.remaining_flops * 0.7 / len(data)  # Three tenths of the budget for the teacher's head.
        teacher.head = ridge_head(ctx.features(teacher.body, data, name=task.name, reserve=dear), task, ctx)

        def loss(net: nn.Module, batch: Batch) -> Tensor:
            logits = net(batch.inputs).float()
            with torch.no_grad():
                wanted = teacher(batch.inputs).float()
            apart = functional.mse_loss(logits, wanted)
            return (1 - self.share) * loss_of(logits, batch.targets) + self.share * apart

        fit(student, data, ctx, name=task.name, recipe=self.recipe, loss=loss)
        self.net = student

    def predict(self, task: Task, images: Tensor) -> Tensor:
        assert self.net is not None, "learn comes before predict"
        return self.net(images)
