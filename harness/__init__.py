"""The engine: nouns, metering, running and storing. It knows no concrete stream or strategy.

The nouns are loaded on first use, so that ``harness --help`` does not pay for importing torch.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "Backbone": "backbone",
    "Budget": "budget",
    "BudgetExhausted": "meter",
    "Classifier": "backbone",
    "ComputeMeter": "meter",
    "Context": "context",
    "Examples": "task",
    "Kind": "task",
    "Phase": "task",
    "Provenance": "task",
    "Recipe": "training",
    "RunSpec": "spec",
    "RunStore": "store",
    "Setting": "spec",
    "Split": "task",
    "Strategy": "strategy",
    "Stream": "stream",
    "Task": "task",
    "UserError": "errors",
    "fit": "training",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(f"harness.{_HOME[name]}"), name)
