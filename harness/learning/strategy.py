"""How is a task learnt? A strategy: a dataclass whose fields are its options, and the methods that a run calls."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.core.task import Task
    from harness.learning.context import Context


class Infeasible(Exception):
    """The budget does not pay for one example of each class: the task is recorded as such, and not scored."""


class Strategy(ABC):
    """The contract of a strategy. Write it as a dataclass; ``name(key=literal)`` fills its fields.

    One object lives through a run: ``prepare`` once, then ``learn`` and ``predict`` for each task in order. After an
    interruption a new object gets ``prepare`` and ``load_state`` and goes on as if nothing had happened.
    """

    version: ClassVar[int] = 1
    """Raised when the same options begin to give other answers: it is part of a run's key."""

    shares_weights: ClassVar[bool] = False
    """Whether learning a task can change the predictions for earlier ones; if so, all are tested again at the end."""

    resumable: ClassVar[bool] = True
    """False where what the next task needs is more than tensors and plain values: an interrupted run starts again."""

    whole: ClassVar[str] = "it makes its nets itself"
    """Why it takes no ``learner``, for the error message; a :class:`Learner` does not need it."""

    def on_net(self, net: str) -> Self:
        """The strategy as it is on the backbone called ``net``, whose options and version are part of a run's key.

        By default with the strategies among its fields as they are there. Whose own options leave something to the
        net, as ``recipe=auto`` does, settles it here.

        Raises:
            UserError: an option is not for ``net``.
        """
        if not is_dataclass(self):
            return self
        options = {option.name: getattr(self, option.name) for option in fields(self) if option.init}
        parts = {name: part.on_net(net) for name, part in options.items() if isinstance(part, Strategy)}
        return replace(self, **parts) if parts else self

    def prepare(self, ctx: "Context") -> None:
        """What is done once, before the stream: charged in full to the first task, outside its cap."""

    def adapted(self, body: "nn.Module", size: int) -> "nn.Module":
        """The net that ``prepare`` makes of the backbone for images of ``size`` px: the backbone itself by default.

        Raises:
            UserError: the options would change nothing although they should.
        """
        return body

    def check(self, body: "nn.Module", size: int) -> None:
        """Asked before any run begins, of a backbone with random weights: can the strategy work with nets like it?

        Raises:
            UserError: it cannot; which layer, and why.
        """
        self.adapted(body, size)

    @property
    def shapes_from_weights(self) -> bool:
        """Whether the shapes that ``adapted`` gives depend on the weights, so that a plan needs the weights as well."""
        return False

    @property
    def body_digest(self) -> str:
        """A digest of the net that ``prepare`` made of the backbone; empty where it made none."""
        return ""

    @abstractmethod
    def learn(self, task: "Task", ctx: "Context") -> None:
        """Learn ``task``, of which only train and dev can be loaded, inside the budget of ``ctx.meter``."""

    @abstractmethod
    def predict(self, task: "Task", images: "Tensor") -> "Tensor":
        """Logits (n, task.num_classes) for normalised images (n, 3, h, w). Changes nothing."""

    def untrained(self, task: "Task", ctx: "Context") -> "Callable[[Tensor], Tensor] | None":
        """A function from images to the logits of the body before its training on ``task``; None if there is none.

        It is called after ``learn``, is not charged, and changes nothing. It shows how good a pruned or fused net is
        by itself.
        """
        return None

    def state(self) -> Mapping[str, Any]:
        """What the next task needs, and no more: tensors, numbers, text, lists and dicts of them.

        Values of each task that all later ones need go under ``tasks``: a list that only grows. Each of its entries is
        written to disk once.
        """
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` gave."""
        if state:
            raise NotImplementedError(f"{type(self).__name__} gives a state but has no load_state to take it back")


class Learner(Strategy):
    """A strategy that has its net from ``ctx.body()`` or ``ctx.classifier()``: it learns on any body.

    By itself it learns on the pretrained backbone as it is; ``filter_pruned(flops=0.5, learner=NAME)`` gives it what
    that body made of the backbone. It asks ``ctx.num_features`` how wide the features are, not the backbone.
    """

    @property
    def pretrained(self) -> bool:
        """Whether it starts from pretrained weights; False: from random ones, which the body then is made of."""
        return True


def nets(strategy: Strategy) -> "list[nn.Module]":
    """The modules that ``strategy``, or a strategy that it is made of, holds as attributes: what predicts."""
    from torch import nn

    found: list[nn.Module] = []
    for held in vars(strategy).values():
        if isinstance(held, nn.Module):
            found.append(held)
        elif isinstance(held, Strategy):
            found += nets(held)
    return found
