"""The engine: nouns, metering, running and storing. It knows no concrete stream or strategy.

The names are loaded on first use, so that ``harness --help`` does not pay for importing torch; ``__init__.pyi`` tells
type checkers what they are.
"""

import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

_HOME = {
    "Backbone": "compute.backbone",
    "Body": "learning.body",
    "Budget": "core.budget",
    "BudgetExhausted": "compute.meter",
    "Classifier": "compute.backbone",
    "ComputeMeter": "compute.meter",
    "Context": "learning.context",
    "Decision": "cli.deciding",
    "Examples": "core.task",
    "Kind": "core.task",
    "Learner": "learning.strategy",
    "Phase": "core.task",
    "Provenance": "core.task",
    "Recipe": "learning.recipe",
    "Results": "notebook",
    "RunSpec": "core.spec",
    "RunFolder": "storage.run_folder",
    "Setting": "core.spec",
    "Split": "core.task",
    "Strategy": "learning.strategy",
    "Stream": "core.stream",
    "Task": "core.task",
    "UserError": "core.errors",
    "decide": "cli.deciding",
    "fit": "learning.training",
    "load": "notebook",
    "run": "notebook",
}

__all__ = list(_HOME)


def _claim(name: str) -> None:
    """Take the package ``name`` from beside this one: a file of that name may lie where the command was given."""
    spec = PathFinder.find_spec(name, [str(Path(__file__).parents[1])])
    if name not in sys.modules and spec is not None and spec.loader is not None:
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])


for _name in ("streams", "strategies", "reports"):
    _claim(_name)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(f"harness.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
