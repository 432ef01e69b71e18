"""How good is what was learnt? Its scores on one split, what it was before it was trained, and latency."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch

from harness.core.schema import EvalRecord, as_error, packed
from harness.core.seeding import numpy_generator
from harness.core.task import Examples, Kind, Split, Task
from harness.learning.batches import loss_of, stratified, targets
from harness.learning.context import Context
from harness.learning.strategy import Strategy

BATCH = 128
LATENCY_CALLS = 5
NAMED = 1000
"""So many images have their predicted classes recorded, so that reports can compare two strategies image by image."""
BEFORE = 256
"""The error before training is measured on so many images."""
BINS = 15
"""Bins of the calibration error (Guo et al., arXiv 1706.04599)."""

Predict = Callable[[Task, torch.Tensor], torch.Tensor]


class WrongLogits(ValueError):
    """What a strategy predicts is no tensor of floats of shape (images, classes), on the device of the images."""

    method = "predict"
    """The method of the strategy that is at fault."""


def check_logits(logits: Any, images: torch.Tensor, task: Task) -> None:
    """Refuse what ``predict`` gave for ``images`` of ``task`` if it is not as the contract says.

    Raises:
        WrongLogits: with what came and what is wanted.
    """
    wanted = f"expected a torch.Tensor of floats of shape ({len(images)}, {task.num_classes}) on {images.device}"
    about = f"for {len(images)} images of task {task.name!r}"
    if not isinstance(logits, torch.Tensor):
        kind = type(logits)
        name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        inside = f" of {len(logits)}" if isinstance(logits, (list, tuple)) else ""
        raise WrongLogits(f"predict gave a {name}{inside} {about}; {wanted}")
    if not logits.is_floating_point():
        raise WrongLogits(f"predict gave logits of {logits.dtype} {about}; {wanted}")
    if tuple(logits.shape) != (len(images), task.num_classes):
        raise WrongLogits(f"predict gave logits of shape {tuple(logits.shape)} {about}; {wanted}")
    if logits.device != images.device:
        raise WrongLogits(f"predict gave logits on {logits.device} {about}; {wanted}")


@dataclass(frozen=True)
class Scored:
    """A task and the split on which it is scored, loaded once."""

    task: Task
    split: Split
    examples: Examples

    @classmethod
    def load(cls, task: Task, split: Split) -> "Scored":
        return cls(task, split, task.load(split))

    def record(self, metric: str, value: float, *, after: str, n: int, predicted: str | None = None) -> EvalRecord:
        """What was measured, as it is written down."""
        return EvalRecord(
            after=after, task=self.task.name, split=self.split, n=n, metric=metric, value=value, predicted=predicted
        )


def evaluate(strategy: Strategy, scored: Scored, ctx: Context, *, after: str) -> list[EvalRecord]:
    """All that is measured of a task: its score, cross-entropy, and where it has classes the worst and calibration.

    An image whose logits are not finite counts as an error; for mean average precision its scores count as zero. The
    ``error`` carries ``predicted``: the classes of the first images, base64 of little-endian uint16.

    Raises:
        WrongLogits: the logits are no tensor of floats of shape (n, num_classes).
    """
    task, examples = scored.task, scored.examples
    logits = _logits(strategy.predict, task, examples, ctx)
    values = _score(task, logits, examples)
    values["cross_entropy"] = float(loss_of(logits, targets(examples.labels, "cpu")))
    if task.kind is not Kind.MULTILABEL:
        values["worst_class_error"] = worst_class_error(logits, examples.labels)
        values["calibration_error"] = calibration_error(logits, examples.labels)
    values["constant_error"] = constant_error(task, examples.labels)
    classes = {"error": packed(logits[:NAMED].argmax(dim=1).numpy())}
    return [
        scored.record(metric, value, after=after, n=len(examples), predicted=classes.get(metric))
        for metric, value in values.items()
    ]


def evaluate_before(strategy: Strategy, scored: Scored, ctx: Context) -> list[EvalRecord]:
    """The ``error_before`` of ``task``: its error before the body was trained, empty where the strategy has none.

    Only at most :data:`BEFORE` images of the split are looked at.
    """
    task, every = scored.task, scored.examples
    predict = strategy.untrained(task.for_learning(), ctx)
    if predict is None:
        return []
    some = np.sort(stratified(every.labels, BEFORE, numpy_generator(ctx.seed, task.name, "before")))
    examples = Examples(every.images[some], every.labels[some])
    logits = _logits(lambda _, images: predict(images), task, examples, ctx)
    ((metric, value),) = _score(task, logits, examples).items()
    error = as_error(metric, value)
    assert error is not None, f"{metric} is a score"
    return [scored.record("error_before", error, after=task.name, n=len(examples))]


def _logits(predict: Predict, task: Task, examples: Examples, ctx: Context) -> torch.Tensor:
    view = task.for_learning()  # The labels of the images stay hidden while predicting, too.
    parts = []
    # Not inference_mode: there a layer reaches whoever counts in one piece, and taking it apart in Python takes longer.
    with torch.no_grad():
        for start in range(0, len(examples), BATCH):
            images = ctx.inputs(examples, slice(start, start + BATCH))
            with ctx.autocast():
                logits = predict(view, images)
            check_logits(logits, images, task)
            parts.append(logits.float().cpu())
            # A sign of life: a large test set must not look like a strategy that hangs.
            ctx.report_progress(1.0)
    return torch.cat(parts)


def _score(task: Task, logits: torch.Tensor, examples: Examples) -> dict[str, float]:
    """``error``, or ``mean_average_precision`` for labels of which several may be set."""
    finite = logits.isfinite().all(dim=1)
    if task.kind is Kind.MULTILABEL:
        safe = torch.where(finite[:, None], logits, torch.zeros_like(logits))
        return {"mean_average_precision": mean_average_precision(safe.numpy(), examples.labels)}
    right = (logits.argmax(dim=1).numpy() == examples.labels) & finite.numpy()
    return {"error": float(len(right) - right.sum()) / len(right)}


def worst_class_error(logits: torch.Tensor, labels: np.ndarray[Any, Any]) -> float:
    """The error of the class that is predicted worst, among those that occur."""
    wrong = (logits.argmax(dim=1).numpy() != labels) | ~logits.isfinite().all(dim=1).numpy()
    return float((np.bincount(labels, weights=wrong) / np.maximum(np.bincount(labels), 1)).max())


def constant_error(task: Task, labels: np.ndarray[Any, Any]) -> float:
    """The error of the best constant prediction: 1 - the share of the most frequent class.

    For several labels 1 - the mean frequency of those that occur, which is the mean average precision of a constant.
    """
    if task.kind is Kind.MULTILABEL:
        shares = labels.mean(axis=0)
        return float(1 - shares[shares > 0].mean()) if (shares > 0).any() else 1.0
    return float(1 - np.bincount(labels).max() / len(labels))


def calibration_error(logits: torch.Tensor, labels: np.ndarray[Any, Any]) -> float:
    """Expected calibration error: the mean distance of confidence and accuracy, over :data:`BINS` equal bins.

    Guo et al., arXiv 1706.04599, equation 3. Not a number where a logit is not finite.
    """
    confidence, predicted = logits.softmax(dim=1).max(dim=1)
    if not bool(logits.isfinite().all()):
        return float("nan")
    gap = (predicted.numpy() == labels) - confidence.double().numpy()
    # Bins are open on the left, as in the paper; a confidence is never 0.
    bins = np.ceil(confidence.double().numpy() * BINS).astype(int) - 1
    return float(np.abs(np.bincount(bins.clip(0, BINS - 1), weights=gap)).sum() / len(labels))


def mean_average_precision(scores: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    """Macro mean over labels of average precision: sum over thresholds of (recall step) x precision.

    Ties share one threshold, as in scikit-learn's ``average_precision_score``. Labels without a positive are left out;
    0 if there is none at all.
    """
    values = []
    for column in range(labels.shape[1]):
        positive = labels[:, column] > 0
        if not positive.any():
            continue
        ranked = np.argsort(-scores[:, column], kind="stable")
        hits = np.cumsum(positive[ranked])
        last_of_tie = np.append(np.diff(scores[ranked, column]) != 0, True)
        precision = hits / np.arange(1, len(hits) + 1)
        recall = hits / hits[-1]
        at, steps = precision[last_of_tie], np.diff(recall[last_of_tie], prepend=0.0)
        values.append(float((at * steps).sum()))
    return float(np.mean(values)) if values else 0.0


def latency(strategy: Strategy, scored: Scored, ctx: Context) -> float:
    """Median seconds of one prediction for a single image, over a few calls."""
    images, view = ctx.inputs(scored.examples, slice(0, 1)), scored.task.for_learning()
    times = []
    with torch.inference_mode():
        for _ in range(LATENCY_CALLS):
            begun = time.perf_counter()
            with ctx.autocast():
                strategy.predict(view, images)
            if images.is_cuda:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - begun)
    return median(times)
