"""What is lost if the first layers stay as they are? Finetune, but only what lies behind a share of the parameters."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from harness import Context, Learner, Recipe, Split, Task, fit


@dataclass
class HalfFrozen(Learner):
    """Freeze the first ``share`` of the parameter tensors, train the rest and a new head."""

    share: float = 0.5
    recipe: Recipe = Recipe()

    net: nn.Module | None = field(default=None, init=False, repr=False)

    def learn(self, task: Task, ctx: Context) -> None:
        net = ctx.classifier(task)
        parameters = list(net.body.parameters())
        for parameter in parameters[: int(self.share * len(parameters))]:
            parameter.requires_grad_(False)
        fit(net, task.load(Split.TRAIN), ctx, name=task.name, recipe=self.recipe)
        self.net = net

    def predict(self, task: Task, images: Tensor) -> Tensor:
        assert self.net is not None, "learn comes before predict"
        return self.net(images)
