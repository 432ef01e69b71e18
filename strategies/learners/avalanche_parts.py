"""Which parts does Avalanche need from us? A net with a head a task, and a plugin that keeps training to the budget.

Imports Avalanche, which takes seconds: imported itself only when an Avalanche strategy is used.
"""

from typing import Any

import numpy as np
import torch
from avalanche.models import MultiTaskModule
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

from harness.compute.backbone import Classifier
from harness.learning.batches import augmented, loss_of
from harness.learning.context import Context
from harness.learning.optimiser import optimiser_of, set_rates
from harness.learning.pacing import Pace
from harness.learning.recipe import Settled
from harness.learning.step import clipped, scheduled, set_momentum
from harness.learning.training import Diverged
from harness.learning.watch import Watch

RULED_OUT = -1e4
"""The logit of a class that the task of an image does not have."""


class MultiHead(MultiTaskModule):  # type: ignore[misc]
    """One body and a linear head for each task.

    Attributes:
        statistics_hold: batch norm keeps its running statistics in train mode too, which GEM and AGEM switch on by
            themselves before they look at what they remember.
        autocast: the number format of every pass while Avalanche trains, its own passes included; logits, and with them
            all losses and penalties, are fp32.
    """

    max_class_label: int

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.heads = nn.ModuleDict()
        self.statistics_hold = False
        self.autocast = torch.autocast("cpu", enabled=False)

    def head_of(self, number: int) -> Classifier:
        """The body and one head, sharing their weights."""
        return Classifier(self.body, self.heads[str(number)])

    def train(self, mode: bool = True) -> "MultiHead":
        super().train(mode)
        if self.statistics_hold:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def adaptation(self, experience: Any) -> None:
        """Heads are added before training; only what Avalanche asks of its own nets is kept up."""
        self.known_train_tasks_labels = {int(name) for name in self.heads}
        self.max_class_label = max(head.out_features for head in self.heads.values())  # type: ignore[type-var, assignment]

    def forward(self, x: Tensor, task_labels: Tensor | int | None) -> Any:
        """Logits of each image by the head of its task; classes that the task does not have are ruled out.

        Without ``task_labels`` the logits of every head, by its number; the body is computed once.
        """
        with self.autocast:
            features = self.body(x)
            if task_labels is None:
                return {int(name): head(features).float() for name, head in self.heads.items()}
            present = [task_labels] if isinstance(task_labels, int) else task_labels.unique().tolist()
            if len(present) == 1:
                return self.heads[str(present[0])](features).float()
            assert isinstance(task_labels, Tensor)
            logits = torch.full((len(x), self.max_class_label), RULED_OUT, device=features.device)
            for number in present:
                own = self.heads[str(number)](features[task_labels == number]).float()
                logits[task_labels == number, : own.shape[1]] = own
            return logits


class Targets:
    """What is to be learnt of each image as one integer, which is all that Avalanche carries; and its loss.

    A class is itself. Rows of labels, of which several may be set, are numbered downwards from -1.

    Attributes:
        smoothing: label smoothing, over the classes of an image's own task.
    """

    def __init__(self) -> None:
        self.rows: list[Tensor] = []
        self.smoothing = 0.0

    def numbers(self, labels: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """int64 (n,) for classes (n,) or rows of labels (n, k), which are remembered."""
        if labels.ndim == 1:
            return labels.astype(np.int64)
        distinct, which = np.unique(labels, axis=0, return_inverse=True)
        first = -1 - len(self.rows)
        self.rows += list(torch.from_numpy(distinct).float())
        return first - which.astype(np.int64)

    def __call__(self, logits: Tensor, numbers: Tensor) -> Tensor:
        """Mean over images of :func:`harness.learning.batches.loss_of`; one batch may hold images of several tasks."""
        classes = bool((numbers >= 0).all())
        if classes and not (self.smoothing and bool((logits == RULED_OUT).any())):
            return loss_of(logits, numbers, smoothing=self.smoothing)
        each = []
        for row, number in zip(logits, numbers.tolist(), strict=True):
            wanted = self.rows[-1 - number].to(row.device) if number < 0 else torch.tensor(number, device=row.device)
            # Of the logits, the first are those of the image's own task.
            own = row[: len(wanted)] if number < 0 else row[row != RULED_OUT]
            each.append(loss_of(own[None], wanted[None], smoothing=self.smoothing))
        return torch.stack(each).mean()


class Pacer(SupervisedPlugin):  # type: ignore[misc]
    """Ends training when the budget, less what is held back for afterwards, does not pay for another step.

    Pace, optimiser, schedule, batch norm, augmentation, clipping and watch are those of
    :func:`harness.learning.training.fit`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ctx: Context | None = None

    def begin(
        self, net: Classifier, ctx: Context, recipe: Settled, name: str, *, size: int, held_back: float, each: float
    ) -> None:
        """Get ready for a task of ``size`` images.

        Args:
            net: what learns of the net.
            held_back: FLOPs of what the method does after training.
            each: FLOPs an image of the first step, at least.
        """
        self.ctx, self.recipe, self.size = ctx, recipe, size
        self.learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
        self.norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        self.draws = ctx.generator(name, "augment")
        self.pace, self.watch = Pace(ctx.meter, held_back=held_back, each=each), Watch()
        self.before = ctx.meter.spent_flops

    @property
    def _next(self) -> int:
        """New images of the next step: the last of an epoch is smaller."""
        return min(self.recipe.batch_size, self.size - self.pace.seen % self.size)

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        assert self.ctx is not None
        progress = self.pace.progress(self._next)
        factor = scheduled(progress, warmup=self.recipe.warmup, shape=self.recipe.schedule)
        set_rates(strategy.optimizer, factor)
        set_momentum(self.norms, self.watch.steps)
        self.before = self.ctx.meter.spent_flops
        self.ctx.report_progress(progress)

    def before_forward(self, strategy: Any, **_: Any) -> None:
        if self.recipe.augmentation is not None:
            strategy.mbatch[0] = augmented(strategy.mb_x, self.recipe.augmentation, self.draws)

    def before_update(self, strategy: Any, **_: Any) -> None:
        if self.watch.uninformed is None:
            self.watch.uninformed = strategy._criterion(torch.zeros_like(strategy.mb_output), strategy.mb_y)
        self.watch.see(strategy.loss, clipped(self.learning, self.recipe.clip))

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        assert self.ctx is not None
        meter, new = self.ctx.meter, self._next
        self.pace.took(new, each=(meter.spent_flops - self.before) / new)
        meter.steps += 1
        meter.examples += len(strategy.mb_x)
        if not self.pace.pays_for(self._next):
            meter.stopped = "seconds" if meter.remaining_seconds <= 0 else "flops"
            strategy.stop_training()
        # At once, because GEM's solver does not take what is no number.
        finite = bool(strategy.loss.isfinite())
        if (not finite or meter.stopped) and (trained := self.watch.result()) is not None:
            self.ctx.trainings.append(trained)
        if not finite:
            raise Diverged("the loss became infinite or not a number")

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, _: dict[str, Any]) -> None:
        self.ctx = None


def one_task(net: MultiHead, number: int, recipe: Settled) -> torch.optim.Optimizer:
    """Learns the body and one head, but clears the gradients of all: GEM and AGEM read those of earlier heads too."""
    made = optimiser_of(net.head_of(number), recipe)
    made.zero_grad = net.zero_grad  # type: ignore[method-assign]
    return made
