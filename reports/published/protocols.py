"""What would make a published number comparable, and what does that cost? The suites that re-make its protocol."""

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

DISPLAYED = {
    "cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet": "ImageNet", "fashion_mnist": "Fashion-MNIST",
    "mnist": "MNIST", "tiny_imagenet": "Tiny ImageNet",
    "solar_cell_defect": "ELPV",
}  # fmt: skip


class Protocol(BaseModel):
    """A suite that re-makes a published protocol.

    Attributes:
        needs: data and weights that must be here.
        flops: of learning; 0 where nothing is learnt.
        minutes: on two cores of a laptop, by arithmetic.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs: tuple[str, ...]
    flops: float = 0.0
    minutes: float

    @property
    def cost(self) -> str:
        """In words: ``about 2 minutes``, ``about 21 hours, 4.5e15 FLOPs``."""
        time = f"{self.minutes:.0f} minute{'s' * (self.minutes != 1)}"
        if self.minutes >= 120:
            time = f"{self.minutes / 60:.0f} hours"
        mantissa, _, exponent = f"{self.flops:.1e}".partition("e")
        return f"about {time}" + (f", {mantissa}e{int(exponent)} FLOPs" if self.flops else "")


@cache
def protocols() -> dict[str, Protocol]:
    """By the name of the suite."""
    content = tomllib.loads((Path(__file__).parent / "protocols.toml").read_text(encoding="utf-8"))
    return {name: Protocol.model_validate(held) for name, held in content.items()}


def command(suite: str) -> str:
    """What a person types; the numbers are of test images."""
    return f"harness run {suite} --final"


def still_needed(rows: pd.DataFrame) -> list[str]:
    """The data sets that numbers without a comparable run are about, the commonest first."""
    tasks = [DISPLAYED.get(str(task), str(task)) for task in rows["task"] if task]
    return list(pd.Series(tasks, dtype=object).value_counts().index)


def on_offer(rows: pd.DataFrame) -> Sequence[tuple[str, Protocol, int]]:
    """Of rows without a comparable run: each suite that makes one, and how many numbers it makes comparable."""
    wanted = rows.drop_duplicates(["source", "what", "where"])["suite"]
    counts = wanted[wanted != ""].value_counts()
    known = protocols()
    return sorted(
        ((str(suite), known[str(suite)], int(n)) for suite, n in counts.items()), key=lambda one: one[1].minutes
    )
