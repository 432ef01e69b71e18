"""How much of a net is worth a budget? The less may be spent, the more is pruned: by a rule fitted beforehand.

The rule rests on emulated development tasks of a seed on which nothing is reported; it, the errors behind it and the
command that made it stand in ``compute_optimal.toml``.
"""

import hashlib
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from harness.compute.meter import ComputeMeter
from harness.core.errors import UserError
from harness.core.seeding import named_seed
from harness.core.task import Split, Task
from harness.learning.composition import Composition
from harness.learning.context import Context
from harness.learning.recipe import LearnerRecipe
from harness.learning.strategy import Strategy
from strategies.bodies.channel_pruned import ChannelPruned
from strategies.bodies.filter_pruned import FilterPruned
from strategies.bodies.ot_fused import OTFused
from strategies.bodies.structure.pruning import Pruning
from strategies.learners.finetune import Finetune, Start
from strategies.learners.recipes import in_force, version_with
from strategies.learners.stretch import stretch

Family = Literal["filter", "channel", "ot"]

FAMILIES: dict[Family, tuple[str, Any]] = {
    "filter": ("filter_pruned", FilterPruned),
    "channel": ("channel_pruned", ChannelPruned),
    "ot": ("ot_fused", OTFused),
}
"""The body of each family, and its name."""


@dataclass(frozen=True)
class Rule:
    """Shares of the dense net's FLOPs that did best, by budget; both grow.

    Attributes:
        budgets: in epochs of the dense net.
        shares: the best at each budget.
        tried: all that were tried; the last is 1, the dense net itself.
    """

    budgets: tuple[float, ...]
    shares: tuple[float, ...]
    tried: tuple[float, ...]

    def share(self, epochs: float) -> float:
        """The share of the fitted budget that is nearest by its logarithm."""
        distance = [abs(math.log(epochs / budget)) for budget in self.budgets]
        return self.shares[distance.index(min(distance))]


@cache
def fitted(family: Family) -> Rule:
    """The rule of ``compute_optimal.toml``."""
    found = tomllib.loads((files(__package__) / "compute_optimal.toml").read_text(encoding="utf-8"))[family]
    return Rule(*(tuple(found[name]) for name in ("budgets", "shares", "tried")))


@dataclass
class ComputeOptimal(Strategy):
    """Prune or fuse to the share of FLOPs that a fitted rule gives for the budget of the task, then finetune.

    Each share is pruned or fused to when a task first asks for it, and paid for by that task, inside its budget. Where
    the family cannot take so much from the net, the next larger share that the rule was fitted on is kept.

    Attributes:
        family: filter or channel pruning, or ``ot``: filters fused by optimal transport.
    """

    whole: ClassVar[str] = "its rule was fitted on finetuning"

    family: Family = "filter"
    start: Start = Start()
    recipe: LearnerRecipe = LearnerRecipe()

    net: nn.Module | None = field(default=None, init=False, repr=False)
    _made: dict[float, Composition | Finetune] = field(default_factory=dict, init=False, repr=False)
    _paid: list[float] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.start.init not in ("pretrained", "scratch"):
            raise UserError(
                f"compute_optimal(init={self.start.init}): nets of two tasks may differ in shape; expected "
                "pretrained or scratch"
            )

    def on_net(self, net: str) -> Self:
        return replace(self, recipe=in_force(self.recipe, net))

    @property
    def version(self) -> int:  # type: ignore[override]
        """Differs with the rule, and with the content of a named recipe."""
        rule = int.from_bytes(hashlib.sha256(repr((1, fitted(self.family))).encode()).digest()[:4], "big")
        return version_with(self.recipe, rule)

    def learn(self, task: Task, ctx: Context) -> None:
        epochs = ctx.task_meter.flops_budget / (ctx.dense_flops * task.sizes[Split.TRAIN])
        if not 0 < epochs < math.inf:
            raise UserError(f"compute_optimal: task {task.name!r} has no budget of FLOPs; expected one in ep or flops")
        used = self._at(fitted(self.family).share(epochs), ctx)
        trained = used.learner if isinstance(used, Composition) else used
        assert isinstance(trained, Finetune)
        trained.recipe, self._used = self.recipe, used
        try:
            used.learn(task, ctx)
        finally:
            # Where training diverges, what it made of the net is what is scored.
            self.net = trained.net

    def _at(self, share: float, ctx: Context) -> Composition | Finetune:
        """The strategy that keeps ``share``, prepared; charged unless a task has paid for it already."""
        if share not in self._made:
            if share in self._paid:
                with ctx.meter.unmetered():
                    self._made[share] = self._prepared(share, replace(ctx, meter=ComputeMeter(device=ctx.device)))
            else:
                with stretch(ctx) as setup:
                    self._made[share] = self._prepared(share, setup)
                self._paid.append(share)
        return self._made[share]

    def _prepared(self, share: float, ctx: Context) -> Composition | Finetune:
        for reached in fitted(self.family).tried:
            if reached >= share:
                made = self._family(reached)
                try:
                    # Weights that are drawn are those a run begins with, whenever a share is first asked for.
                    with torch.random.fork_rng(devices=[]):
                        torch.manual_seed(named_seed(ctx.seed, "prepare", "torch"))
                        made.prepare(ctx)
                except UserError:
                    if reached == 1:
                        raise
                else:
                    return made
        raise AssertionError("the dense net is always tried")

    def _family(self, share: float) -> Composition | Finetune:
        learner = Finetune(start=self.start, recipe=self.recipe)
        if share >= 1:
            return learner
        name, body = FAMILIES[self.family]
        return Composition(body(pruning=Pruning(flops=share)), learner, body_name=name)

    def untrained(self, task: Task, ctx: Context) -> Callable[[Tensor], Tensor] | None:
        return self._used.untrained(task, ctx)

    def predict(self, task: Task, images: Tensor) -> Tensor:
        assert self.net is not None, "learn comes before predict"
        return self.net(images)  # type: ignore[no-any-return]

    def state(self) -> Mapping[str, Any]:
        """Which shares are paid for."""
        return {"paid": self._paid}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._paid = list(state["paid"])
        # What a trial that is undone has made is undone with it: who goes on from this state pays for it as well.
        self._made = {share: made for share, made in self._made.items() if share in self._paid}
