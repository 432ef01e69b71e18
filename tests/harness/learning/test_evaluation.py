"""What is said of a net after it was learnt is what a plain count over its predictions says."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.schema import packed, unpacked
from harness.core.task import Examples, Kind, Phase, Provenance, Task
from harness.learning.evaluation import BINS, calibration_error, constant_error, worst_class_error
from reports.reading.agreement import agreement

SOME = settings(max_examples=60, deadline=None)


def drawn(seed: int, n: int, classes: int) -> tuple[torch.Tensor, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(0, 3, (n, classes))).float(), rng.integers(0, classes, n)


@SOME
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(2, 7))
def test_the_worst_class_is_the_largest_error_of_a_class_that_occurs(seed: int, n: int, classes: int) -> None:
    logits, labels = drawn(seed, n, classes)
    predicted = logits.numpy().argmax(axis=1)
    by_class = [float((predicted[labels == c] != c).mean()) for c in set(labels.tolist())]
    assert worst_class_error(logits, labels) == pytest.approx(max(by_class))


def bins(logits: torch.Tensor, labels: np.ndarray) -> Iterator[float]:  # type: ignore[type-arg]
    """Equation 3 of arXiv 1706.04599, bin by bin."""
    shares = logits.softmax(dim=1).double().numpy()
    confidence, predicted = shares.max(axis=1), shares.argmax(axis=1)
    for m in range(BINS):
        inside = (confidence > m / BINS) & (confidence <= (m + 1) / BINS)
        if inside.any():
            accuracy = (predicted[inside] == labels[inside]).mean()
            yield float(inside.sum() / len(labels) * abs(accuracy - confidence[inside].mean()))


@SOME
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(2, 7))
def test_the_calibration_error_is_the_papers_sum_over_bins(seed: int, n: int, classes: int) -> None:
    logits, labels = drawn(seed, n, classes)
    assert calibration_error(logits, labels) == pytest.approx(sum(bins(logits, labels)), abs=1e-6)


def test_a_net_that_is_sure_and_right_is_calibrated_and_one_that_is_sure_and_wrong_is_not() -> None:
    sure = torch.eye(4) * 100
    assert calibration_error(sure, np.arange(4)) == pytest.approx(0, abs=1e-6)
    assert calibration_error(sure, (np.arange(4) + 1) % 4) == pytest.approx(1, abs=1e-6)


def test_the_agreement_of_two_nets_is_the_share_of_images_on_which_they_say_the_same() -> None:
    mine = unpacked(packed(np.array([0, 3925, 7, 65535])))
    assert mine is not None
    assert agreement(mine, np.array([0, 1, 7, 2], dtype="<u2")) == 0.5
    assert np.isnan(agreement(mine, mine[:2]))


def test_the_constant_prediction_is_that_of_the_most_frequent_class() -> None:
    labels = np.array([0, 0, 0, 1, 2])
    assert constant_error(_task(Kind.MULTICLASS, 3), labels) == pytest.approx(0.4)
    several = np.array([[1, 0, 0], [1, 1, 0]])
    assert constant_error(_task(Kind.MULTILABEL, 3), several) == pytest.approx(1 - 0.75)


def _task(kind: Kind, classes: int) -> Task:
    nothing = Examples(np.empty(0, np.uint8), np.empty(0))
    return Task("a", 2000, "x", kind, classes, Provenance.REAL, Phase.DEVELOPMENT, lambda split: nothing)
