"""How do a body and a learner become one strategy? The body is made once; the learner finds it in its context."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.config.notation import Written, parse
from harness.config.options import build, flat, flat_names
from harness.config.registry import make
from harness.core.digest import digest
from harness.core.errors import UserError, unknown
from harness.learning.body import Body
from harness.learning.context import Adapted, Context
from harness.learning.strategy import Learner, Strategy

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.core.task import Task

FLAT_LEARNER = "finetune"
"""The learner of a body that is given none; its options are written beside the body's."""


@dataclass
class Composition(Strategy):
    """``learner`` on ``body``; the names are those under which they were asked for."""

    body: Body
    learner: Learner
    body_name: str
    learner_name: str = FLAT_LEARNER

    _adapted: Adapted | None = field(default=None, init=False, repr=False)

    @property
    def version(self) -> int:  # type: ignore[override]
        """The body's; where the learner has another than its first, a number made of both."""
        if self.learner.version == 1:
            return self.body.version
        text = repr((self.body.version, self.learner.version))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    @property
    def shares_weights(self) -> bool:  # type: ignore[override]
        return self.learner.shares_weights

    @property
    def resumable(self) -> bool:  # type: ignore[override]
        return self.learner.resumable

    @property
    def shapes_from_weights(self) -> bool:
        return self.body.shapes_from_weights

    def flat_options(self, *, only_changed: bool = False) -> dict[str, Any]:
        """Those of the body, and beside them those of finetuning, or ``learner`` as it is written in full."""
        mine = flat(self.body, only_changed=only_changed)
        if self.learner_name == FLAT_LEARNER:
            return mine | flat(self.learner, only_changed=only_changed)
        return mine | {"learner": str(Written(self.learner_name, flat(self.learner, only_changed=only_changed)))}

    def adapted(self, body: "nn.Module", size: int) -> "nn.Module":
        return self.body.adapted(body, size)

    def check(self, body: "nn.Module", size: int) -> None:
        self.body.check(body, size)

    def prepare(self, ctx: Context) -> None:
        pretrained = self.learner.pretrained
        whole = ctx.body(pretrained=pretrained)
        with ctx.meter.phase(self.body.phase):
            adapted = self.body.adapted(whole, ctx.size, seed=ctx.seed)
            if self.body.flops:
                ctx.meter.charge(self.body.flops)
        hold = self.body.statistics_hold
        self._adapted = Adapted(adapted, self.body_name, pretrained=pretrained, statistics_hold=hold)
        self.learner.prepare(self._at(ctx))

    @property
    def body_digest(self) -> str:
        return digest(dict(self._adapted.net.state_dict()))[:16] if self._adapted is not None else ""

    def learn(self, task: "Task", ctx: Context) -> None:
        at = self._at(ctx)
        try:
            self.learner.learn(task, at)
        finally:
            # Whoever put another meter in its place is to be found out.
            ctx.meter = at.meter

    def predict(self, task: "Task", images: "Tensor") -> "Tensor":
        return self.learner.predict(task, images)

    def untrained(self, task: "Task", ctx: Context) -> "Callable[[Tensor], Tensor] | None":
        return self.learner.untrained(task, self._at(ctx))

    def state(self) -> Mapping[str, Any]:
        return self.learner.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.learner.load_state(state)

    def _at(self, ctx: Context) -> Context:
        """``ctx`` as the learner sees it: it begins with what the body has made."""
        assert self._adapted is not None, "prepare comes before learn"
        return replace(ctx, adapted=self._adapted)


def compose(body: type[Body], written: Written) -> Strategy:
    """The strategy that ``written`` names: ``body``, with finetuning or with the ``learner`` among its options.

    Raises:
        UserError: an option belongs to neither, is given twice, or the body does not take this learner.
    """
    options = dict(written.options)
    asked = options.pop("learner", FLAT_LEARNER)
    if not isinstance(asked, str):
        raise UserError(f"strategy {written}: learner={asked!r} is no name; expected one such as learner=ridge")
    learner = parse(asked)
    own = {name: options.pop(name) for name in flat_names(body) if name in options}
    if learner.name == FLAT_LEARNER:
        if twice := sorted(options.keys() & learner.options.keys()):
            raise UserError(f"strategy {written}: option {twice[0]!r} is given twice, inside learner and beside it")
        known = flat_names(type(make("learners", FLAT_LEARNER)))
        learner = Written(FLAT_LEARNER, options | dict(learner.options))
        for name in options:
            if name not in known:
                raise unknown(
                    f"option of strategy {written.name!r} named", name, [*flat_names(body), *known, "learner"]
                )
    elif options:
        name = next(iter(options))
        raise UserError(
            f"strategy {written}: {name!r} is no option of {written.name}; those of the learner stand in its own "
            f"parentheses: learner={learner.name}({name}={options[name]!r})"
        )
    made: Body = build("body", body, Written(written.name, own))
    learns: Strategy = make("learners", str(learner))
    if (other := made.instead(learns, learner_name=learner.name)) is not None:
        return other
    if not isinstance(learns, Learner):
        raise UserError(f"learner={learner.name} cannot learn on another body: {learns.whole}")
    return Composition(made, learns, written.name, learner.name)
