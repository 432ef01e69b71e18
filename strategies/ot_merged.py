"""What if a task starts from all the nets learnt before it at once? Merging by optimal transport, then finetuning."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from harness.compute.backbone import Classifier
from harness.core.errors import UserError
from harness.core.task import Task
from harness.learning.context import Context
from harness.learning.strategy import Strategy
from strategies.bodies.structure.pruning import prunable
from strategies.bodies.transport.alignment import averaged, match, match_flops, matchable
from strategies.learners.finetune import Finetune


@dataclass
class OTMerged(Strategy):
    """Start each task from the mean of the nets of the last tasks, their units matched to the pretrained net's.

    The first task starts from the pretrained net. Matching is charged to the task, in phase ``fuse``.

    Attributes:
        parents: so many of the last nets are merged; with 1 it is ``finetune(init=previous)``.
        match_share: share of the budget that matching may take. Nets that it does not pay for are averaged as they
            are: what was finetuned from one pretrained net is mostly still in its order.
    """

    finetune: Finetune = field(default_factory=Finetune)
    parents: int = 3
    match_share: float = 0.3

    whole: ClassVar[str] = "it merges the nets that finetuning leaves behind, so it finetunes"

    _first: Callable[[], nn.Module] | None = field(default=None, init=False, repr=False)
    """A copy of the pretrained net."""
    _bodies: list[Mapping[str, Tensor]] = field(default_factory=list, init=False, repr=False)
    """What the last tasks made of it."""

    def __post_init__(self) -> None:
        if self.parents < 1:
            raise UserError(f"parents={self.parents}: expected at least 1 net to start from, such as parents=3")
        if self.finetune.start.init != "pretrained":
            raise UserError(f"ot_merged(init={self.finetune.start.init}): it starts from merged nets; leave out init")

    def prepare(self, ctx: Context) -> None:
        first = ctx.body()
        self._first = lambda: copy.deepcopy(first)
        self.finetune.begin_with(first)

    def learn(self, task: Task, ctx: Context) -> None:
        if self._bodies:
            self.finetune.begin_with(self._merged(ctx))
        self.finetune.learn(task, ctx)
        assert isinstance(self.finetune.net, Classifier)
        self._bodies = [*self._bodies, self.finetune.net.body.state_dict()][-self.parents :]

    def predict(self, task: Task, images: Tensor) -> Tensor:
        return self.finetune.predict(task, images)

    def _merged(self, ctx: Context) -> nn.Module:
        assert self._first is not None, "prepare comes before learn"
        body = self._first()
        if len(self._bodies) == 1:
            body.load_state_dict(self._bodies[0])
            return body
        groups = matchable(prunable(body, ctx.size, "channel"))
        each, matched = match_flops(body, groups), []
        left = self.match_share * ctx.meter.flops_budget
        for state in self._bodies:
            parent = self._first()
            parent.load_state_dict(state)
            if each <= left:
                with ctx.meter.phase("fuse"):
                    ctx.meter.charge(match(parent, body, groups))
                left -= each
            matched.append(parent.state_dict())
        body.load_state_dict(averaged(matched))
        return body

    def state(self) -> Mapping[str, Any]:
        return {"parents": self._bodies}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._bodies = list(state.get("parents", []))
