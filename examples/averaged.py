"""Is the mean of the weights along the way better than the last ones? Weight averaging (arXiv 1803.05407)."""

from dataclasses import dataclass

import torch

from harness import Classifier, Context, Examples, Task, fit
from harness.learning.recipe import Settled
from strategies.learners.finetune import Finetune


@dataclass
class Averaged(Finetune):
    """Finetune, and keep the mean of the weights after each step of the last ``share`` of the budget.

    Head start, recipe and choice of weights are those of finetuning, so that the mean is all that differs.
    """

    share: float = 0.5

    def train(self, net: Classifier, data: Examples, task: Task, ctx: Context, recipe: Settled) -> Classifier:
        mean = torch.optim.swa_utils.AveragedModel(net)

        def after_step(net: torch.nn.Module, progress: float) -> None:
            if progress >= 1 - self.share:
                mean.update_parameters(net)

        fit(net, data, ctx, name=task.name, recipe=recipe, after_step=after_step)
        # Norms keep the checkpoint's statistics, so that they need not be measured anew for the mean.
        return mean.module.eval() if mean.n_averaged else net
