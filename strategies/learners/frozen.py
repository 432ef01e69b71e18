"""What do frozen features give without training? Nearest class mean, ridge regression, nearest neighbours.

The rivals at the lowest budgets: each image is seen by the backbone once.
"""

from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from harness.compute.backbone import Classifier
from harness.compute.memoised import Memoised
from harness.core.task import Split, Task
from harness.learning.batches import Features
from harness.learning.context import Context
from harness.learning.strategy import Learner
from strategies.learners.heads import indicators, ncm_head, ridge_flops_each, ridge_head
from strategies.learners.starting import needs_one_of_each_class


@dataclass
class Frozen(Learner):
    """Extract the features that the budget pays for, then make a head of them in one go."""

    net: nn.Module | None = field(default=None, init=False, repr=False)

    def learn(self, task: Task, ctx: Context) -> None:
        body, data = ctx.body(), task.load(Split.TRAIN)
        reserve = self.flops_each(len(data), ctx.num_features, task.num_classes)
        features = ctx.features(body, data, name=task.name, reserve=reserve)
        needs_one_of_each_class(task, len(features))
        with torch.no_grad():
            self.net = Classifier(Memoised(body), self.head(features, task, ctx)).eval()

    @abstractmethod
    def head(self, features: Features, task: Task, ctx: Context) -> nn.Module:
        """Features (n, width) to logits."""

    def flops_each(self, count: int, width: int, classes: int) -> float:
        """What :meth:`head` costs an example at most."""
        return 4.0 * width * classes

    def predict(self, task: Task, images: Tensor) -> Tensor:
        assert self.net is not None, "learn comes before predict"
        return self.net(images)  # type: ignore[no-any-return]


@dataclass
class NearestClassMean(Frozen):
    """Choose the class whose mean feature is nearest; nothing is trained."""

    def head(self, features: Features, task: Task, ctx: Context) -> nn.Module:
        return ncm_head(features, task, ctx)


@dataclass
class Ridge(Frozen):
    """Ridge regression on frozen features, in closed form; ``penalty`` is relative to their mean square."""

    penalty: float = 0.1

    def head(self, features: Features, task: Task, ctx: Context) -> nn.Module:
        return ridge_head(features, task, ctx, penalty=self.penalty)

    def flops_each(self, count: int, width: int, classes: int) -> float:
        return ridge_flops_each(count, width, classes)


class Neighbors(nn.Module):
    """Features to logits: the log of the share that each class has among the nearest known features, by cosine."""

    def __init__(self, known: Tensor, classes: Tensor, k: int) -> None:
        super().__init__()
        self.register_buffer("middle", known.mean(dim=0))
        self.register_buffer("known", nn.functional.normalize(known - known.mean(dim=0)))
        self.register_buffer("classes", classes)
        self.k = min(k, len(known))

    def forward(self, features: Tensor) -> Tensor:
        assert isinstance(self.known, Tensor) and isinstance(self.classes, Tensor) and isinstance(self.middle, Tensor)
        near = (nn.functional.normalize(features - self.middle) @ self.known.T).topk(self.k, dim=1)
        weight = (near.values / 0.07).softmax(dim=1)  # The temperature of Wu et al., arXiv 1805.01978.
        share = torch.einsum("nk,nkc->nc", weight, self.classes[near.indices])
        return (share + 1e-4).log()


@dataclass
class NearestNeighbors(Frozen):
    """The classes of the ``k`` training images with the most similar features."""

    k: int = 10

    def head(self, features: Features, task: Task, ctx: Context) -> nn.Module:
        return Neighbors(features.values.to(ctx.device), indicators(features, task, ctx.device), self.k)
