"""What did a person ask for, and is it done? A suite with what they want otherwise, carried out by whom they name."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.notation import Written, parse
from harness.config.registry import module_of, takes
from harness.config.suite import Suite, build_suite, load_suite
from harness.core.errors import UserError, unknown
from harness.core.schema import RunStatus
from harness.core.spec import RunSpec
from harness.storage.run_folder import RunFolder

if TYPE_CHECKING:
    from harness.running.executor import Outcome, Watch


@dataclass(frozen=True)
class Request:
    """A suite, and what is to be otherwise; None or empty leaves what the suite says.

    Attributes:
        suite: its name, or the path of a TOML file.
        seeds: so many seeds, from 0.
        shard: ``I/N``: only every N-th run, beginning with the I-th.
        skip_missing: leave out tasks whose real images are missing.
        final: score the test split, and the held-out tasks too.
    """

    suite: str
    streams: Sequence[str] = ()
    strategies: Sequence[str] = ()
    budgets: Sequence[str] = ()
    seeds: int | None = None
    backbones: Sequence[str] = ()
    size: int | None = None
    shard: str | None = None
    skip_missing: bool = False
    final: bool = False

    @cached_property
    def _base(self) -> Suite:
        return load_suite(self.suite)

    def specs(self) -> list[RunSpec]:
        """The runs, exactly.

        Raises:
            UserError: a part of what was asked for cannot be had.
        """
        base = self._base
        setting = replace(
            base.setting,
            size=self.size or base.setting.size,
            scoring="test" if self.final else "dev_test",
        )
        suite = build_suite(
            name=base.name,
            about=base.about,
            streams=[_skipping(name) if self.skip_missing else name for name in self.streams or base.streams],
            strategies=self.strategies or base.strategies,
            budgets=self.budgets or [str(budget) for budget in base.budgets],
            seeds=range(self.seeds) if self.seeds else base.seeds,
            backbones=self.backbones or base.backbones,
            setting=setting,
        )
        return shard_of(suite.specs(), self.shard)

    def modules(self) -> list[str]:
        """The modules behind streams, strategies and backbones; nothing is imported."""
        base = self._base
        return sorted(
            {module_of("streams", name) for name in self.streams or base.streams}
            | {module_of("strategies", name) for name in self.strategies or base.strategies}
            | {module_of("backbones", name) for name in self.backbones or base.backbones}
        )


@dataclass(frozen=True)
class Crew:
    """Who carries runs out, and how.

    Attributes:
        executor: ``local``: processes of this machine; ``ray``: a Ray cluster.
        jobs: runs at a time; a core each, or what the cluster has room for, if None.
        cpus, gpus: what a run takes of a Ray node; None: a GPU where the device is one.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        patience: seconds that a run may be silent before it is stopped.
        verbose: a line for each task.
    """

    executor: str = "local"
    jobs: int | None = None
    cpus: float = 1.0
    gpus: float | None = None
    device: str = "cpu"
    retry_failed: bool = False
    patience: float = 1800.0
    verbose: bool = False


@dataclass(frozen=True)
class StudyStatus:
    """How the runs that were asked for stand: all of them, and those that are not done."""

    specs: list[RunSpec]
    failed: list[RunSpec]


def carry_out(request: Request, out: Path, crew: Crew, *, say: Callable[[str], None]) -> StudyStatus:
    """Do what of ``request`` is not done below ``out``. Progress goes to standard error, sentences to ``say``.

    Raises:
        UserError: a part cannot be had, the device cannot be used, or ``out`` cannot be written.
        KeyboardInterrupt: after every run was told to leave.
    """
    from harness.running.executor import missing, warm
    from harness.running.progress import watching
    from harness.running.regime import regimes

    if crew.executor not in ("local", "ray"):
        raise unknown("executor", crew.executor, ["local", "ray"])
    if crew.executor == "local":
        # Both processes import torch; side by side they take the time of one.
        warm(request.modules())
        check_device(crew.device)
    specs = request.specs()
    todo = missing(specs, out, retry_failed=crew.retry_failed)
    check_strategies(todo)
    if todo:
        _check_writable(out)
    jobs = min(crew.jobs or cores(), max(1, len(todo)))
    where = f"{jobs} at a time" if crew.executor == "local" else "on Ray"
    say(f"{len(specs)} runs, {len(todo)} to do, {where}, results in {out}")
    if left := _of_other_code(todo, out):
        say(f"{left} earlier runs of another version of the code are left alone; the report keeps them apart")
    for regime in regimes(todo):
        say(str(regime))
    with watching(todo, verbose=crew.verbose) as watch:
        outcomes = _carried_out(todo, out, crew, jobs, watch)
    reasons = {outcome.spec.key: outcome.reason for outcome in outcomes if outcome.status is not RunStatus.DONE}
    failed = [spec for spec in specs if status(spec, out) is not RunStatus.DONE]
    for spec in failed:
        reason = reasons.get(spec.key, "failed before; --retry-failed tries it again")
        say(f"failed: {spec.strategy} {spec.budget} seed {spec.seed}: {reason}")
        if status(spec, out) is RunStatus.FAILED:
            say(f"        traceback in {out / spec.folder / 'run.json'}")
    say(f"{len(specs) - len(failed)} of {len(specs)} runs done, {len(failed)} failed; see: harness report {out}")
    return StudyStatus(specs, failed)


def _carried_out(todo: list[RunSpec], out: Path, crew: Crew, jobs: int, watch: "Watch") -> "list[Outcome]":
    from harness.running.executor import run_all
    from harness.running.ray import run_on_ray

    shared: dict[str, Any] = {
        "watch": watch, "device": crew.device, "retry_failed": crew.retry_failed, "patience": crew.patience,
    }  # fmt: skip
    if crew.executor == "local":
        return run_all(todo, out, jobs=jobs, **shared)
    gpus = crew.gpus or float(crew.device.startswith("cuda"))
    return run_on_ray(todo, out, jobs=crew.jobs, cpus=crew.cpus, gpus=gpus, **shared)


def status(spec: RunSpec, out: Path) -> RunStatus | None:
    """How a run stands below ``out``; None if it was never begun."""
    return RunFolder(out / spec.folder).status()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shard_of(specs: list[RunSpec], shard: str | None) -> list[RunSpec]:
    """Every N-th of ``specs``, beginning with the I-th, for ``I/N``; all for None.

    Raises:
        UserError: ``shard`` has another form.
    """
    if shard is None:
        return specs
    match = re.fullmatch(r"(\d+)/(\d+)", shard)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UserError(f"--shard {shard}: expected I/N with I from 1 to N, such as 1/4")
    return specs[int(match[1]) - 1 :: int(match[2])]


def _of_other_code(specs: list[RunSpec], out: Path) -> int:
    """The runs below ``out`` that differ from one of ``specs`` only in the code behind them, or in its defaults."""
    found = set[Path]()
    for spec in specs:
        own = out / spec.folder
        asked = (spec.strategy, spec.fingerprint, str(spec.budget), spec.seed, spec.setting.backbone, spec.setting.size)
        for folder in own.parent.glob(f"seed{spec.seed}-*"):
            there = RunFolder(folder).describe().get("spec") if folder != own else None
            if isinstance(there, dict) and isinstance(there.get("setting"), dict):
                mine = [there.get(name) for name in ("strategy", "fingerprint", "budget", "seed")]
                mine += [there["setting"].get(name) for name in ("backbone", "size")]
                same = all(there["setting"].get(name) == getattr(spec.setting, name) for name in _NO_CODE)
                if tuple(mine) == asked and same:
                    found.add(folder)
    return len(found)


_NO_CODE = ("weights_hash", "precision", "scoring")
"""Facts of the setting that a change of code leaves as they are."""


def _skipping(stream: str) -> str:
    """The stream without what is missing, where it can be opened so."""
    written = parse(stream)
    if not takes("streams", stream, "skip_missing"):
        return stream
    return str(Written(written.name, {**written.options, "skip_missing": True}))


def check_device(device: str) -> None:
    """Refuse a device that cannot be used.

    Raises:
        UserError: with the reason.
    """
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"--device {device} cannot be used here: {reason}; expected cpu, cuda or cuda:N") from error


def check_strategies(specs: list[RunSpec]) -> None:
    """Refuse nets that do not take the image size, and what cannot be made of a net, before any run begins."""
    from harness.compute.sizes import check_size
    from harness.config.registry import make
    from harness.learning.strategy import Strategy

    for name, size in sorted({(s.setting.backbone, s.setting.size) for s in specs}):
        check_size(make("backbones", name), size)
    for text, name, size in sorted({(s.strategy, s.setting.backbone, s.setting.size) for s in specs}):
        strategy: Strategy = make("strategies", text)
        try:
            strategy.check(make("backbones", name).build(pretrained=False), size)
        except UserError as error:
            raise UserError(f"{text} cannot be made of {name} at {size} px: {error}") from None


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write results to {out}: {error.strerror}; choose another folder with --out") from error
