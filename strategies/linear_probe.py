"""What do frozen features give? A linear head on them: each image is seen by the backbone once, and paid for once."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from harness.backbone import Classifier, zero_head
from harness.context import Context
from harness.flops import flops_train
from harness.strategy import Strategy
from harness.task import Split, Task
from harness.training import Recipe, fit
from strategies.starting import needs_one_of_each_class


@dataclass
class LinearProbe(Strategy):
    """Extract features once, train a head on them for ``epochs``.

    Where the budget does not pay for all images, a stratified part of them is extracted, so that ``epochs`` of the
    head's training on this part are paid for as well.
    """

    epochs: float = 30.0
    recipe: Recipe = Recipe()

    net: nn.Module | None = field(default=None, init=False, repr=False)

    def learn(self, task: Task, ctx: Context) -> None:
        head = zero_head(ctx.backbone.num_features, task.num_classes).to(ctx.device)
        with ctx.meter.unmetered():
            training = self.epochs * flops_train(head, 1, ctx.backbone.num_features)
        body = ctx.body()
        features = ctx.features(body, task.load(Split.TRAIN), name=task.name, reserve=training)
        needs_one_of_each_class(task, len(features))
        fit(head, features, ctx, name=task.name, recipe=self.recipe, epochs=self.epochs)
        self.net = Classifier(body, head).eval()

    def predict(self, task: Task, images: Tensor) -> Tensor:
        assert self.net is not None, "learn comes before predict"
        return self.net(images)  # type: ignore[no-any-return]
