"""What do the runs of one suite save each other? The same runs in one suite, and each as a suite of its own."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.pairs import Line, in_turn
from harness.config.registry import Group, module_of
from harness.config.suite import load_suite
from harness.core.spec import RunSpec
from harness.running.executor import Outcome, run_all, warm
from harness.running.messages import Message

STRATEGIES = ("finetune", "filter_pruned(flops=0.5)", "linear_probe")


def rows(pairs: int) -> Iterator[Line]:
    suite = replace(load_suite("default"), streams=load_suite("smoke").streams, seeds=(0,))
    parts: dict[Group, tuple[str, ...]] = {
        "streams": suite.streams,
        "strategies": STRATEGIES,
        "backbones": suite.backbones,
    }
    warm(module_of(kind, name) for kind, names in parts.items() for name in names)
    budgets = ", ".join(map(str, suite.budgets))
    for strategy in STRATEGIES:
        specs = replace(suite, strategies=(strategy,)).specs()
        ratio = in_turn(Suites([specs]), Suites([[spec] for spec in specs]), pairs=pairs, clock=time.perf_counter)
        yield Line("memo", f"runs apart / in one suite, {strategy} at {budgets}, two tasks", ratio)


class Suites:
    """Suites to carry out one after the other, one job each, in a folder of their own; nobody looks on."""

    def __init__(self, suites: list[list[RunSpec]]) -> None:
        self.suites = suites

    def __call__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for specs in self.suites:
                run_all(specs, Path(folder), jobs=1, watch=self)

    def began(self, spec: RunSpec) -> None: ...

    def received(self, spec: RunSpec, message: Message) -> None: ...

    def ended(self, outcome: Outcome) -> None:
        if outcome.reason:
            raise SystemExit(f"bench memo: {outcome.spec.folder}: {outcome.reason}")
