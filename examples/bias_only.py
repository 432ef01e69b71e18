"""A learner of one's own, for any body: only biases, norms and the head are trained (BitFit, arXiv 2106.10199).

harness run smoke --strategy "bias_only:BiasOnly" --strategy "filter_pruned(flops=0.5, learner=bias_only:BiasOnly)"
"""

from dataclasses import dataclass

from torch import Tensor

from harness import Context, Learner, Recipe, Split, Task, fit


@dataclass
class BiasOnly(Learner):
    """Finetune the parameters of one dimension: biases, and the scales and shifts of norms."""

    recipe: Recipe = Recipe()

    def learn(self, task: Task, ctx: Context) -> None:
        self.net = ctx.classifier(task)  # What the body has made of the backbone, and a head that starts at zero.
        for parameter in self.net.body.parameters():
            parameter.requires_grad_(parameter.ndim <= 1)
        recipe = self.recipe.settled(statistics_hold=ctx.statistics_hold)
        fit(self.net, task.load(Split.TRAIN), ctx, name=task.name, recipe=recipe)

    def predict(self, task: Task, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        return logits
