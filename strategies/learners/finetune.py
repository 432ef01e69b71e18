"""What does training the whole net cost and give? Finetuning: the baseline that all others are measured against."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from torch import Tensor, nn

from harness.compute.backbone import Classifier
from harness.compute.memoised import Memoised
from harness.core.seeding import numpy_generator
from harness.core.task import Examples, Split, Task
from harness.learning.batches import stratified
from harness.learning.context import Context
from harness.learning.evaluation import BEFORE
from harness.learning.recipe import LearnerRecipe, Settled
from harness.learning.strategy import Learner
from harness.learning.training import fit
from strategies.learners.choosing import trained
from strategies.learners.heads import ridge_head
from strategies.learners.nearest import start_nearest
from strategies.learners.recipes import check_name, in_force, settled, version_with
from strategies.learners.starting import Scope, limit_to, needs_one_of_each_class, recalibrate, start_head


@dataclass(frozen=True)
class Start:
    """What a task starts from.

    Attributes:
        init: ``pretrained``; ``previous``: the body as the task before left it; ``scratch``: random weights;
            ``nearest``: the body of the earlier task that is most like this one, or the pretrained one.
        search_share: share of the budget that finding the nearest may take.
        recalibrate_bn: so many training images are shown first, to measure batch-norm statistics anew; charged.
    """

    init: Literal["pretrained", "previous", "scratch", "nearest"] = "pretrained"
    search_share: float = 0.3
    recalibrate_bn: int = 0


Train = Callable[[Classifier, Examples, Task, Context, Settled], Classifier]
"""What a net becomes with the budget of the context; the recipe is one that ``fit`` takes."""


@dataclass
class Finetune(Learner):
    """Train the backbone, or the part of it that ``scope`` names, and a new head, for each task anew.

    Who trains in another way overrides :meth:`train`, and has the same head start, recipe and choice of weights.
    """

    scope: Scope = "all"
    start: Start = Start()
    recipe: LearnerRecipe = LearnerRecipe()

    net: nn.Module | None = field(default=None, init=False, repr=False)
    _new_body: Callable[[], nn.Module] | None = field(default=None, init=False, repr=False)
    _learnt: list[Mapping[str, Tensor]] = field(default_factory=list, init=False, repr=False)
    """The bodies of earlier tasks, where a later one may start from them."""

    def __post_init__(self) -> None:
        check_name(self.recipe)

    def on_net(self, net: str) -> Self:
        return replace(self, recipe=in_force(self.recipe, net))

    @property
    def version(self) -> int:  # type: ignore[override]
        return version_with(self.recipe, 1)

    @property
    def pretrained(self) -> bool:
        return self.start.init != "scratch"

    def prepare(self, ctx: Context) -> None:
        self.begin_with(ctx.body(pretrained=self.pretrained))

    def begin_with(self, body: nn.Module) -> None:
        """Let the tasks to come start from ``body``."""
        # Held by a function, not as an attribute: it is no part of the net that predicts.
        self._new_body = lambda: copy.deepcopy(body)

    def learn(self, task: Task, ctx: Context) -> None:
        self.learn_by(self.train, task, ctx)

    def learn_by(
        self, train: Train, task: Task, ctx: Context, *, statistics_hold: bool = True, choose: bool = True
    ) -> None:
        """Start as ``start`` and the recipe say, then ``train``, then keep the weights that the recipe chooses.

        Args:
            statistics_hold: False where ``train`` itself removes weights, so that batch norm has to measure anew.
            choose: False where ``train`` makes a net of another shape, of which start and end have no mean.
        """
        assert self._new_body is not None, "prepare comes before learn"
        net = ctx.classifier(task, self._new_body())
        limit_to(self.scope, net.body)
        each = ctx.meter.price(net, (3, ctx.size, ctx.size)).flops
        needs_one_of_each_class(task, ctx.meter.affordable(each))
        if self.start.init == "nearest":
            share, reserve = self.start.search_share, task.num_classes * each
            start_nearest(net.body, self._learnt, task, ctx, share=share, reserve=reserve)
        data = task.load(Split.TRAIN)
        if self.start.recalibrate_bn:
            recalibrate(net.body, data, ctx, images=self.start.recalibrate_bn, name=task.name)
        hold = statistics_hold and ctx.statistics_hold
        body, drawn = ctx.body_name, not self.pretrained
        recipe = settled(self.recipe, net, ctx, body=body, statistics_hold=hold, drawn=drawn)
        start_head(net, data, task, ctx, recipe)
        # Where training diverges, what it made of the net is what is scored.
        self.net = net
        plain, begun = replace(recipe, choose="end"), net

        def train_in(_: nn.Module, part: Context) -> nn.Module:
            return train(begun, data, task, part, plain)

        ended = trained(net, train_in, data, task, ctx, recipe if choose else plain)
        assert isinstance(ended, Classifier)
        self.net = net = ended
        if self.start.init == "previous":
            self.begin_with(net.body)
        elif self.start.init == "nearest":
            self._learnt.append(net.body.state_dict())

    def train(self, net: Classifier, data: Examples, task: Task, ctx: Context, recipe: Settled) -> Classifier:
        """``net``, trained by ``recipe`` with the budget of ``ctx``."""
        fit(net, data, ctx, name=task.name, recipe=recipe)
        return net

    def untrained(self, task: Task, ctx: Context) -> Callable[[Tensor], Tensor] | None:
        """A ridge head on the features of what pruning or fusing left; None for the dense net."""
        if ctx.adapted is None or self.start.init != "pretrained":
            return None
        assert self._new_body is not None, "prepare comes before untrained"
        data = task.load(Split.TRAIN)
        some = np.sort(stratified(data.labels, BEFORE, numpy_generator(ctx.seed, task.name, "untrained")))
        # The same at every budget, so that only the first run of a seed computes it.
        body = Memoised(self._new_body())
        features = ctx.features(body, Examples(data.images[some], data.labels[some]), name=task.name)
        return Classifier(body, ridge_head(features, task, ctx)).eval()

    def predict(self, task: Task, images: Tensor) -> Tensor:
        assert self.net is not None, "learn comes before predict"
        return self.net(images)  # type: ignore[no-any-return]

    def state(self) -> Mapping[str, Any]:
        if self.start.init == "nearest":
            return {"tasks": self._learnt}
        if self.start.init != "previous" or self._new_body is None:
            return {}
        return {"body": self._new_body().state_dict()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._learnt = list(state.get("tasks", []))
        if "body" in state:
            assert self._new_body is not None, "prepare comes before load_state"
            body = self._new_body()
            body.load_state_dict(state["body"])
            self.begin_with(body)
