"""The engine: nouns, metering, running and storing. It knows no concrete stream or strategy.

The nouns are loaded on first use, so that ``harness --help`` does not pay for importing torch.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "Backbone": "compute.backbone",
    "Budget": "core.budget",
    "BudgetExhausted": "compute.meter",
    "Classifier": "compute.backbone",
    "ComputeMeter": "compute.meter",
    "Context": "learning.context",
    "Examples": "core.task",
    "Kind": "core.task",
    "Phase": "core.task",
    "Provenance": "core.task",
    "Recipe": "learning.training",
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
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(f"harness.{_HOME[name]}"), name)
