"""What may be spent? Budgets, written ``0.1ep``, ``2e12flops``, ``60s``, or ``stream:...`` for the whole stream."""

import math
import re
from dataclasses import dataclass
from typing import Literal

from harness.core.errors import UserError

Scope = Literal["task", "stream"]
_FORM = re.compile(r"(?:(stream|task):)?\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*(ep|flops|s)")


@dataclass(frozen=True)
class Budget:
    """A cap. ``1ep`` is one epoch of the dense net: metered training FLOPs an image x training images of the task."""

    flops: float = math.inf
    seconds: float = math.inf
    scope: Scope = "task"
    epochs: float = math.inf

    def __str__(self) -> str:
        prefix = "stream:" if self.scope == "stream" else ""
        for value, unit in ((self.epochs, "ep"), (self.flops, "flops"), (self.seconds, "s")):
            if value != math.inf:
                return f"{prefix}{value:.12g}{unit}"
        return f"{prefix}unlimited"

    def flops_for(self, *, dense_flops: float, images: int) -> float:
        """The cap in FLOPs, where the dense net's training costs ``dense_flops`` an image."""
        return min(self.flops, self.epochs * dense_flops * images)

    @staticmethod
    def parse(text: str) -> "Budget":
        """Read one written budget.

        Raises:
            UserError: another form, or a value that is not above zero.
        """
        match = _FORM.fullmatch(text.strip())
        expected = "expected a number with ep, flops or s, such as '0.1ep', '2e12flops', '60s' or 'stream:1ep'"
        if not match:
            raise UserError(f"cannot read budget {text!r}: {expected}")
        scope, number, unit = match.groups()
        try:
            value = float(number)
        except ValueError as error:
            raise UserError(f"cannot read budget {text!r}: {expected}") from error
        if not 0 < value < math.inf:
            raise UserError(f"budget {text!r} is {value:g}: {expected}, above zero")
        where: Scope = "stream" if scope == "stream" else "task"
        match unit:
            case "ep":
                return Budget(epochs=value, scope=where)
            case "flops":
                return Budget(flops=value, scope=where)
            case _:
                return Budget(seconds=value, scope=where)
