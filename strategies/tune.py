"""What if the learning rate is searched for, and the search paid for? Any strategy that trains, with trials on dev.

NEVIS'22 (arXiv 2211.11747) charges every trial to the learner; so does this.
"""

import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from harness.config.options import flat
from harness.config.registry import make
from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from harness.core.task import Examples, Kind, Split, Task
from harness.learning.batches import loss_of, stratified, targets
from harness.learning.context import Context
from harness.learning.evaluation import mean_average_precision
from harness.learning.recipe import Recipe
from harness.learning.strategy import Infeasible, Strategy
from harness.learning.training import Diverged
from harness.storage.run_folder import EACH
from strategies.learners.stretch import stretch

DEV_SHARE = 0.25
"""Share of a trial that looking at dev images may take."""
LEAST_DEV_IMAGES = 20


@dataclass
class Tune(Strategy):
    """Search the learning rate of another ``strategy`` on dev, every trial charged, then train with the best.

    Trials get equal parts of ``search_share`` of the budget, each its own full schedule; the winner trains anew with
    all that is left. Where a trial could not see one example a class, or twenty dev images, its own rates are taken.

    Attributes:
        strategy: written form of a strategy that has learning rates, in quotes where it has options.
        rates: multiples of its own learning rates, of body and head alike.
    """

    strategy: str = "finetune"
    rates: list[float] = field(default_factory=lambda: [0.1, 0.3, 1.0, 3.0])
    search_share: float = 0.5

    whole: ClassVar[str] = "what it tunes is named by its strategy option, which may be a body with a learner"

    def __post_init__(self) -> None:
        self._hold(make("strategies", self.strategy))
        if self._trained is None:
            raise UserError(f"tune(strategy={self.strategy!r}): it has no learning rate to search")
        if self._tuned.shares_weights:
            raise UserError(
                f"tune(strategy={self.strategy!r}): one net learns all tasks, so that no trial can be undone"
            )
        if len(self.rates) < 2 or min(self.rates) <= 0:
            raise UserError(f"tune: rates are {self.rates}; expected two or more multiples, above zero")
        if not 0 < self.search_share < 1:
            raise UserError(f"tune: search_share is {self.search_share}; expected a share between 0 and 1")

    def _hold(self, tuned: Strategy) -> None:
        parts = (tuned, *(held for held in vars(tuned).values() if isinstance(held, Strategy)))
        self._tuned = tuned
        self._trained: Any = next((p for p in parts if isinstance(getattr(p, "recipe", None), Recipe)), None)
        """What of it holds the recipe."""

    def on_net(self, net: str) -> Self:
        here = replace(self)
        here._hold(self._tuned.on_net(net))
        return here

    @property
    def version(self) -> int:  # type: ignore[override]
        """Differs with the version and with every option of what is tuned, which its written form may leave out."""
        text = repr((1, self._tuned.version, sorted(flat(self._tuned).items())))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    def prepare(self, ctx: Context) -> None:
        self._tuned.prepare(ctx)

    def adapted(self, body: nn.Module, size: int) -> nn.Module:
        return self._tuned.adapted(body, size)

    def learn(self, task: Task, ctx: Context) -> None:
        own: Recipe = self._trained.recipe
        try:
            self._trained.recipe = self._found(task, ctx)
            self._tuned.learn(task, ctx)
        finally:
            # Whatever became of this task, the next one searches from the rates that are written.
            self._trained.recipe = own

    def _found(self, task: Task, ctx: Context) -> Recipe:
        """The recipe that did best on dev; the strategy's own where the budget does not pay for trials."""
        own: Recipe = self._trained.recipe
        part = self.search_share / len(self.rates)
        flops, seconds = part * ctx.meter.remaining_flops, part * ctx.meter.remaining_seconds
        dev = task.load(Split.DEV)
        # One image forward costs less than half of what it costs to train on.
        asked = min(len(dev), DEV_SHARE * flops / (ctx.dense_flops / 2))
        if asked < min(len(dev), LEAST_DEV_IMAGES):
            return own
        dev = dev[np.sort(stratified(dev.labels, int(asked), numpy_generator(ctx.seed, task.name, "tune")))]
        before = _copied(self._tuned.state())
        scores = []
        with ctx.meter.phase("search"):
            for rate in self.rates:
                self._trained.recipe = replace(own, rate=own.rate * rate)
                try:
                    with stretch(
                        ctx, flops=(1 - DEV_SHARE) * flops, seconds=(1 - DEV_SHARE) * seconds, phase="search"
                    ) as trial:
                        scores.append(self._tried(task, dev, trial))
                except Infeasible:
                    return own
                finally:
                    self._tuned.load_state(_copied(before))
        best = max(range(len(scores)), key=scores.__getitem__)
        return replace(own, rate=own.rate * self.rates[best])

    def _tried(self, task: Task, dev: Examples, trial: Context) -> tuple[float, float]:
        """Score on ``dev``, larger is better, and minus the loss, which decides between equals."""
        try:
            self._tuned.learn(task, trial)
        except Diverged:
            return -1.0, 0.0
        with torch.inference_mode(), trial.autocast():
            parts = [slice(start, start + 128) for start in range(0, len(dev), 128)]
            logits = torch.cat([self._tuned.predict(task, trial.inputs(dev, part)) for part in parts]).float().cpu()
        if not bool(logits.isfinite().all()):
            return -1.0, 0.0
        loss = float(loss_of(logits, targets(dev.labels, "cpu")))
        if task.kind is Kind.MULTILABEL:
            return mean_average_precision(logits.numpy(), dev.labels), -loss
        return float((logits.argmax(dim=1).numpy() == dev.labels).mean()), -loss

    def untrained(self, task: Task, ctx: Context) -> Callable[[Tensor], Tensor] | None:
        return self._tuned.untrained(task, ctx)

    def predict(self, task: Task, images: Tensor) -> Tensor:
        return self._tuned.predict(task, images)

    def state(self) -> Mapping[str, Any]:
        return self._tuned.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._tuned.load_state(state)


def _copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state that learning cannot reach; the entries of earlier tasks never change."""
    tasks = {EACH: list(state[EACH])} if EACH in state else {}
    return copy.deepcopy({name: value for name, value in state.items() if name != EACH}) | tasks
