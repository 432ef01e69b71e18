"""Is the mean of the weights along the way better than the last ones? Weight averaging (arXiv 1803.05407)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from harness import Context, Recipe, Split, Strategy, Task, fit


@dataclass
class Averaged(Strategy):
    """Finetune, and keep the mean of the weights after each step of the last ``share`` of the budget."""

    share: float = 0.5
    recipe: Recipe = Recipe(schedule="constant")

    net: nn.Module | None = field(default=None, init=False, repr=False)

    def learn(self, task: Task, ctx: Context) -> None:
        net = ctx.classifier(task)
        mean = torch.optim.swa_utils.AveragedModel(net)

        def after_step(net: nn.Module, progress: float) -> None:
            if progress >= 1 - self.share:
                mean.update_parameters(net)

        fit(net, task.load(Split.TRAIN), ctx, name=task.name, recipe=self.recipe, after_step=after_step)
        # Norms keep the checkpoint's statistics, so that they need not be measured anew for the mean.
        self.net = mean.module.eval() if mean.n_averaged else net

    def predict(self, task: Task, images: Tensor) -> Tensor:
        assert self.net is not None, "learn comes before predict"
        return self.net(images)
