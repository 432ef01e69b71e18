"""What does a person see while runs go? Live bars on a terminal, one aligned line a run elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from harness.core.schema import RunStatus
from harness.core.spec import RunSpec
from harness.running.executor import Outcome

if TYPE_CHECKING:
    from harness.running.messages import Message


class Lines:
    """One line for each run that ended; with ``verbose`` one for each task too."""

    def __init__(self, specs: list[RunSpec], console: Console, *, verbose: bool) -> None:
        self.console = console
        self.verbose = verbose
        self.total = len(specs)
        self.ended_count = 0
        # What all runs share need not stand in every line.
        self.streams = len({spec.stream for spec in specs}) > 1
        self.backbones = len({spec.setting.backbone for spec in specs}) > 1
        names = [self._names(spec) for spec in specs]
        self.widths = [max([len(text) for text in column], default=0) for column in zip(*names, strict=True)]
        self.begun: dict[str, float] = {}
        self.errors: dict[str, list[float]] = {}
        self.flops: dict[str, float] = {}
        self.resumed: set[str] = set()

    def began(self, spec: RunSpec) -> None:
        self.begun[spec.key] = time.monotonic()

    def received(self, spec: RunSpec, message: "Message") -> None:
        if message.note:
            self._print(f"note: {message.note}")
        if message.record is None:
            return
        if spec.key not in self.flops and message.index:
            self.resumed.add(spec.key)
        self.flops[spec.key] = self.flops.get(spec.key, 0) + message.record.flops
        if message.error is not None:
            self.errors.setdefault(spec.key, []).append(message.error)
        if self.verbose:
            error = "-" if message.error is None else f"{message.error:.3f}"
            place = f"{message.index + 1:3d}/{message.tasks}"
            self._print(
                f"  {place}  {message.task:28s} {error:>6s}  {message.record.flops:.2e} FLOPs  {message.record.status}"
            )

    def ended(self, outcome: Outcome) -> None:
        self.ended_count += 1
        spec, key = outcome.spec, outcome.spec.key
        count = f"[{self.ended_count:{len(str(self.total))}d}/{self.total}]"
        name = "  ".join(text.ljust(width) for text, width in zip(self._names(spec), self.widths, strict=True))
        took = time.monotonic() - self.begun.get(key, time.monotonic())
        clock = f"{int(took) // 60:02d}:{int(took) % 60:02d}"
        if outcome.status is RunStatus.DONE:
            errors = self.errors.get(key, [])
            which = f"{len(errors)} {'task' if len(errors) == 1 else 'tasks'}"
            which = f"the last {which} (resumed)" if key in self.resumed else which
            mean = f"mean error {sum(errors) / len(errors):.3f} over {which}" if errors else "no task scored"
            self._print(f"{count} {name}  {mean}  {self.flops.get(key, 0):.2e} FLOPs  {clock}")
        else:
            self._print(f"{count} {name}  {outcome.status.upper()}: {outcome.reason}")

    def _names(self, spec: RunSpec) -> tuple[str, ...]:
        stream = (spec.stream,) if self.streams else ()
        backbone = (spec.setting.backbone,) if self.backbones else ()
        return (*stream, *backbone, spec.strategy, str(spec.budget), f"seed {spec.seed}")

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class Live(Lines):
    """Bars for all runs and for the task of each run that is going, above the lines of those that ended."""

    def __init__(self, specs: list[RunSpec], console: Console, progress: Progress, *, verbose: bool) -> None:
        super().__init__(specs, console, verbose=verbose)
        self.progress = progress
        self.all = progress.add_task("all runs", total=max(1, len(specs)), what="")
        self.bars: dict[str, TaskID] = {}

    def began(self, spec: RunSpec) -> None:
        super().began(spec)
        self.bars[spec.key] = self.progress.add_task(" ".join(self._names(spec)), total=1.0, what="starting")

    def received(self, spec: RunSpec, message: "Message") -> None:
        super().received(spec, message)
        share = (message.index + (message.share if message.record is None else 1)) / message.tasks
        what = f"{message.index + 1}/{message.tasks} {message.task}, {message.share:.0%} of its budget"
        self.progress.update(self.bars[spec.key], completed=share, what=what)

    def ended(self, outcome: Outcome) -> None:
        super().ended(outcome)
        self.progress.remove_task(self.bars.pop(outcome.spec.key))
        self.progress.advance(self.all)


@contextmanager
def watching(specs: list[RunSpec], *, verbose: bool = False) -> Iterator[Lines]:
    """The watch that fits where the output goes."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield Lines(specs, console, verbose=verbose)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[what]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield Live(specs, console, progress, verbose=verbose)
