"""What do old records not say of the tasks and nets that ship with the harness? A small table, read once."""

import math
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harness.config.notation import Written, parse
from harness.core.errors import UserError
from harness.core.schema import TaskFacts
from reports.statistics.metrics import chance_error


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "unrecorded.toml").read_text(encoding="utf-8"))


def family(task: TaskFacts) -> str:
    """The data set family on record; for older records that of the table, else the task's own name."""
    if task.family and task.family != task.name:
        return task.family
    return family_of(task.name)


def family_of(name: str) -> str:
    """The data set family of a task that ships with the harness, by its name; ``brodatz-2`` is ``brodatz`` again."""
    dataset = re.sub(r"-\d$", "", name)
    return str(_table()["family"].get(dataset, dataset))


def constant_error(task: TaskFacts) -> float:
    """Error of the best constant prediction where the run did not record it: by the table, else of equal classes."""
    known = _table()["constant_error"].get(task.name, math.nan)
    return float(known) if not math.isnan(known) else chance_error(task.kind, task.num_classes)


def pretrained_on(weights_hash: str, recorded: str) -> str:
    """The stream that a net was pretrained on, in words of the notation; empty where nobody wrote it down."""
    return recorded or str(_table()["pretraining"].get(weights_hash, ""))


FIRST = "v1"
"""The recipe by which everything trained before recipes had names; runs of it do not record the name."""


def recipe_of(options: Mapping[str, Any]) -> str:
    """The recipe that a run with these options trained by; empty where it trains by none that has a name."""
    return str(options.get("recipe", FIRST if "head_init" in options else ""))


def with_recipe(strategy: str, options: Mapping[str, Any]) -> str:
    """``strategy`` as it is written today for a run with these options: the first recipe by its name."""
    if recipe_of(options) != FIRST or "recipe=" in strategy:
        return strategy
    try:
        written = parse(strategy)
    except UserError:
        return strategy
    return str(Written(written.name, {"recipe": FIRST, **written.options}))
