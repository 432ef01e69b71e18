"""What do frozen features give? A linear head on them: each image is seen by the backbone once, and paid for once."""

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from harness.compute.backbone import Classifier, zero_head
from harness.compute.flops import flops_train
from harness.compute.memoised import Memoised
from harness.core.errors import UserError
from harness.core.task import Split, Task
from harness.learning.batches import Features
from harness.learning.context import Context
from harness.learning.recipe import Recipe
from harness.learning.strategy import Learner
from harness.learning.training import fit
from strategies.learners.starting import needs_one_of_each_class


@dataclass
class LinearProbe(Learner):
    """Extract the features of the frozen net once and train a head on them for ``epochs``.

    Where the budget does not pay for all images, a stratified part of them is extracted, so that ``epochs`` of the
    head's training on this part are paid for as well. ``charge=uncached`` does the same work, but is charged as if the
    backbone saw an image whenever the head does: then fewer epochs are paid for.
    """

    epochs: float = 30.0
    recipe: Recipe = Recipe()
    charge: Literal["cached", "uncached"] = "cached"

    net: nn.Module | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.recipe.recipe != "v1":
            raise UserError(
                f"linear_probe(recipe={self.recipe.recipe}): named recipes were chosen for training whole nets; write "
                "its options out, such as linear_probe(head_lr=0.01)"
            )

    def learn(self, task: Task, ctx: Context) -> None:
        head = zero_head(ctx.num_features, task.num_classes).to(ctx.device)
        with ctx.meter.unmetered():
            epoch = flops_train(head, 1, ctx.num_features)
        body, data, cached = ctx.body(), task.load(Split.TRAIN), self.charge == "cached"
        features = ctx.features(body, data, name=task.name, reserve=epoch * (self.epochs if cached else 1))
        needs_one_of_each_class(task, len(features))
        epochs = self.epochs if cached else self._paid_again(body, features, epoch, ctx)
        # Where training diverges, what it made of the head is what is scored.
        self.net = Classifier(Memoised(body), head).eval()
        fit(head, features, ctx, name=task.name, recipe=self.recipe, epochs=epochs)

    def _paid_again(self, body: nn.Module, features: Features, epoch: float, ctx: Context) -> float:
        """Charge the extractions that a cache saves; how many epochs the budget pays for with them."""
        with ctx.meter.phase("extract"):
            each = ctx.meter.price(body, (3, ctx.size, ctx.size)).flops
            left = ctx.meter.remaining_flops / len(features)
            epochs = max(1.0, min(self.epochs, (left + each) / (each + epoch)))
            ctx.meter.charge((epochs - 1) * each * len(features))
        return epochs

    def predict(self, task: Task, images: Tensor) -> Tensor:
        assert self.net is not None, "learn comes before predict"
        return self.net(images)  # type: ignore[no-any-return]
