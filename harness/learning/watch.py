"""Did a training go well? Its losses and gradient norms, first, last and largest, and whether it ended above its start.

They are read from the device when the loop has ended: reading one at every step would make a GPU wait for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

SPAN = 8
"""Steps whose mean loss is called the first or the last: one batch alone says little."""

FOLDED_EVERY = 512
"""Steps after which what was seen is made one number, so that long loops do not pile up small tensors."""


@dataclass(frozen=True)
class Trained:
    """How one training loop went.

    Attributes:
        loss_first, loss_last: mean training loss of the first and last steps: eight, or half of all where those are
            fewer.
        loss_max: the largest of all single steps.
        grad_norm_first, grad_norm_max: global norm of the gradient before any clipping; in the first step, and the
            largest.
        chosen: whose weights were kept, where that was a choice: those of the end, of the start, or their average.
        diverged: whether it ended above its start, see :func:`ends_above`, or in a loss that is no finite number.
    """

    steps: int
    loss_first: float
    loss_last: float
    loss_max: float
    grad_norm_first: float
    grad_norm_max: float
    diverged: bool
    chosen: Literal["end", "start", "average"] | None = None

    @property
    def finite(self) -> bool:
        return all(map(math.isfinite, (self.loss_first, self.loss_last, self.loss_max)))


def as_recorded(trainings: Sequence[Trained]) -> dict[str, Any]:
    """What a record tells of the training of a task's net, the last of ``trainings``; nothing where there was none.

    None stands for what is no finite number.
    """
    if not trainings:
        return {}
    last = trainings[-1]
    names = ("loss_first", "loss_last", "loss_max", "grad_norm_first", "grad_norm_max")
    values = {name: getattr(last, name) for name in names}
    numbers = {name: value if math.isfinite(value) else None for name, value in values.items()}
    return numbers | ({"chosen": last.chosen} if last.chosen else {})


class Watch:
    """Sees each step of one loop.

    Attributes:
        uninformed: the loss of a prediction that is the same for all images, a tensor of one element; None where the
            loss is not that of logits. A head solved on the training images starts far below it.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.uninformed: Tensor | None = None
        self._losses: list[Tensor] = []
        self._norms: list[Tensor] = []
        self._first: list[Tensor] = []
        self._last: list[Tensor] = []
        self._largest: list[Tensor] = []

    def see(self, loss: Tensor, grad_norm: Tensor) -> None:
        """One step's loss and gradient norm, tensors of one element that stay on their device."""
        self.steps += 1
        self._losses.append(loss.detach() if loss.ndim == 0 else loss.detach().reshape(()))
        self._norms.append(grad_norm)
        if len(self._losses) == FOLDED_EVERY:
            self._fold()

    def result(self) -> Trained | None:
        """How it went; None where there was no step. Waits for the device."""
        if not self.steps:
            return None
        self._fold()
        span = max(1, min(SPAN, self.steps // 2))
        uninformed = 0.0 if self.uninformed is None else float(self.uninformed)
        first, last = (torch.stack(some).tolist() for some in (self._first[:span], self._last[-span:]))
        loss_max, norm_max, norm_first = torch.stack([*self._largest, self._norm_first]).tolist()
        return Trained(
            steps=self.steps,
            loss_first=sum(first) / span,
            loss_last=sum(last) / span,
            loss_max=loss_max,
            grad_norm_first=norm_first,
            grad_norm_max=norm_max,
            diverged=not math.isfinite(loss_max) or ends_above(first, last, uninformed),
        )

    def _fold(self) -> None:
        if not self._losses:
            return
        if not self._first:
            self._norm_first = self._norms[0].float()
        self._first = [*self._first, *self._losses[:SPAN]][:SPAN]
        self._last = [*self._last, *self._losses[-SPAN:]][-SPAN:]
        largest = [torch.stack(seen).float().max() for seen in (self._losses, self._norms)]
        if self._largest:
            # torch.maximum, as max, hands on what is not a number.
            largest = [torch.maximum(old, new) for old, new in zip(self._largest, largest, strict=True)]
        self._largest = largest
        self._losses, self._norms = [], []


def ends_above(first: list[float], last: list[float], uninformed: float = 0.0) -> bool:
    """Whether the losses of the last steps lie above those of the first, by more than batches differ anyway.

    That is: by a tenth of the start, and by two standard errors of the difference of the two means; by half of the
    start where there are fewer than four steps each, of which no error can be told. Where the first steps more than
    double the loss, the start is the first loss alone.

    A head that was solved on the very images starts near 0, and rises as soon as anything moves, while new images are
    told apart better than before: it has to lose half of what its start knew. ``uninformed`` is the loss of a constant
    prediction, that of who knows nothing.
    """
    n, end = len(first), sum(last) / len(last)
    exploded = max(first) > 2 * first[0]
    start = first[0] if exploded else sum(first) / n
    if not math.isfinite(end):
        return True
    known = max(0.0, uninformed - start) / 2
    if n < 4:
        return end - start > max(0.5 * abs(start), known)
    spread = sum((x - end) ** 2 for x in last) + (0.0 if exploded else sum((x - start) ** 2 for x in first))
    return end - start > max(0.1 * abs(start), known, 2 * math.sqrt(spread / (n - 1) / n))
