"""What does a checkpoint score on its own task, by its own classifier? Nothing is learnt.

Only for a task whose classes are those that the checkpoint was trained on, in their order: the harness cannot know
that, and compares no more than their number.
"""

from dataclasses import dataclass, field

from torch import Tensor, nn

from harness.compute.backbone import Classifier
from harness.compute.memoised import Memoised
from harness.core.errors import UserError
from harness.core.task import Task
from harness.learning.context import Context
from harness.learning.strategy import Learner


@dataclass
class AsTrained(Learner):
    """The checkpoint's own classifier on whatever body: right after pruning or fusing, without training, at no cost."""

    net: nn.Module | None = field(default=None, init=False, repr=False)

    def learn(self, task: Task, ctx: Context) -> None:
        head = ctx.backbone.find_classifier()
        if head is None:
            raise UserError(
                f"as_trained: {ctx.backbone.name} brings no classifier of its own; choose a checkpoint that does, "
                "such as cifar_resnet(weights=FILE), or another learner"
            )
        if (classes := head.out_features) != task.num_classes:
            raise UserError(
                f"as_trained: {ctx.backbone.name} tells {classes} classes apart, task {task.name!r} has "
                f"{task.num_classes}; it is for the task that the checkpoint was trained on"
            )
        if (width := head.in_features) != ctx.num_features:
            raise UserError(
                f"as_trained: the classifier of {ctx.backbone.name} reads {width} features, {ctx.body_name} leaves "
                f"{ctx.num_features}; choose a body that keeps them, such as filter_pruned"
            )
        self.net = Classifier(Memoised(ctx.body()), head.to(ctx.device)).eval()

    def predict(self, task: Task, images: Tensor) -> Tensor:
        assert self.net is not None, "learn comes before predict"
        return self.net(images)  # type: ignore[no-any-return]
