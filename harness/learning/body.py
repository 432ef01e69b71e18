"""What is made of the backbone before any task? A body: the net itself or a smaller one, made without data."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.compute.meter import CostPhase

if TYPE_CHECKING:
    from torch import nn

    from harness.learning.strategy import Strategy


class Body(ABC):
    """The contract of a body. Write it as a dataclass; ``name(key=literal, learner=...)`` fills its fields.

    It is made once a run, before the first task, and charged to that in full, outside its cap. It is a pure function of
    the backbone's weights, its options and the seed.
    """

    version: ClassVar[int] = 1
    """Raised when the same options begin to give another net: it is part of a run's key."""

    phase: ClassVar[CostPhase] = "prune"
    """What the cost of :meth:`adapted` is called."""

    statistics_hold: ClassVar[bool] = False
    """Whether the batch-norm statistics of the checkpoint still belong to what :meth:`adapted` gives."""

    @abstractmethod
    def adapted(self, body: "nn.Module", size: int, *, seed: int = 0) -> "nn.Module":
        """A new net from images of ``size`` px to features, made of ``body``, which is left as it is.

        What it computes with tensors is charged as it is done.

        Raises:
            UserError: the options would change nothing although they should, or ``body`` is not of a kind for them.
        """

    def check(self, body: "nn.Module", size: int) -> None:
        """Asked before any run begins, of a net with random weights: can this be made of nets like it?

        Raises:
            UserError: it cannot; which layer, and why.
        """
        self.adapted(body, size)

    @property
    def flops(self) -> float:
        """What the last :meth:`adapted` cost beyond tensor operations, such as a solver's work, by its formula."""
        return 0.0

    @property
    def shapes_from_weights(self) -> bool:
        """Whether the shapes that :meth:`adapted` gives depend on weights, so that they cannot be told without them."""
        return False

    def instead(self, learner: "Strategy", *, learner_name: str) -> "Strategy | None":
        """What this body and ``learner`` are, where that is no composition of the two; usually None.

        Raises:
            UserError: this body takes no such learner.
        """
        return None


@dataclass
class Dense(Body):
    """The pretrained backbone as it is."""

    phase: ClassVar[CostPhase] = "train"
    statistics_hold: ClassVar[bool] = True

    def adapted(self, body: "nn.Module", size: int, *, seed: int = 0) -> "nn.Module":
        return body

    def instead(self, learner: "Strategy", *, learner_name: str) -> "Strategy | None":
        return learner
