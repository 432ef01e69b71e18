"""How good is what was learnt? Error, mean average precision and cross-entropy on one split, and latency."""

import time
from statistics import median
from typing import Any

import numpy as np
import torch

from harness.batches import loss_of, targets
from harness.context import Context
from harness.records import Record, number
from harness.strategy import Strategy
from harness.task import Kind, Split, Task

BATCH = 128
LATENCY_CALLS = 11


class WrongShape(ValueError):
    """A strategy's logits have another shape than (images, classes)."""


def evaluate(strategy: Strategy, task: Task, split: Split, ctx: Context, *, after: str) -> list[Record]:
    """The ``eval`` records of ``task``: its score, and the cross-entropy where the logits are finite.

    An image whose logits are not finite counts as an error; for mean average precision its scores count as zero.

    Raises:
        WrongShape: the logits do not have shape (n, num_classes).
    """
    examples = task.load(split)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(examples), BATCH):
            images = ctx.inputs(examples, slice(start, start + BATCH))
            with ctx.autocast():
                logits = strategy.predict(task, images)
            if tuple(logits.shape) != (len(images), task.num_classes):
                raise WrongShape(
                    f"predict gave logits of shape {tuple(logits.shape)} for {len(images)} images of task "
                    f"{task.name!r}; expected ({len(images)}, {task.num_classes})"
                )
            parts.append(logits.float().cpu())
            # A sign of life: a large test set must not look like a strategy that hangs.
            ctx.said(1.0)
    logits = torch.cat(parts)
    finite = logits.isfinite().all(dim=1)
    scores: dict[str, float] = {}
    if task.kind is Kind.MULTILABEL:
        safe = torch.where(finite[:, None], logits, torch.zeros_like(logits))
        scores["mean_average_precision"] = mean_average_precision(safe.numpy(), examples.labels)
    else:
        right = (logits.argmax(dim=1).numpy() == examples.labels) & finite.numpy()
        scores["error"] = float(len(right) - right.sum()) / len(right)
    scores["cross_entropy"] = float(loss_of(logits, targets(examples.labels, "cpu")))
    facts = {"event": "eval", "after": after, "task": task.name, "split": str(split), "n": len(examples)}
    return [{**facts, "metric": metric, "value": number(value)} for metric, value in scores.items()]


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


def latency(strategy: Strategy, task: Task, split: Split, ctx: Context) -> float:
    """Median seconds of one prediction for a single image, over a few calls."""
    images = ctx.inputs(task.load(split), slice(0, 1))
    times = []
    with torch.inference_mode():
        for _ in range(LATENCY_CALLS):
            begun = time.perf_counter()
            with ctx.autocast():
                strategy.predict(task, images)
            if images.is_cuda:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - begun)
    return median(times)
