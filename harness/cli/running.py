"""Which runs are there to do, what will they cost, and do them."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from harness.config.notation import Written, parse
from harness.config.registry import module_of, takes
from harness.config.suite import Suite, load_suite, made
from harness.core.errors import UserError, unknown
from harness.core.spec import RunSpec
from harness.storage.records import RunStatus
from harness.storage.run_folder import RunFolder


def suite_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that ``run`` and ``plan`` share."""
    options = [
        click.argument("suite"),
        click.option("--stream", "streams", multiple=True, metavar="S", help="Instead of the suite's streams."),
        click.option("--strategy", "strategies", multiple=True, metavar="SPEC", help="Instead of its strategies."),
        click.option(
            "--budget",
            "budgets",
            multiple=True,
            metavar="B",
            help="Instead of its budgets: 0.1ep, 60s.",
        ),
        click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="Seeds 0 to N-1."),
        click.option("--backbone", metavar="B", help="Instead of the suite's backbone."),
        click.option("--size", type=click.IntRange(8, 1024), metavar="PX", help="Image side in pixels."),
        click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Runs at a time; a core each by default."),
        click.option("--shard", metavar="I/N", help="Only every N-th run, beginning with the I-th (from 1)."),
        click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True),
        click.option("--skip-missing", is_flag=True, help="Leave out tasks whose real images are missing; in the key."),
        click.option("--final", is_flag=True, help="Score the test split, and the held-out tasks too: once."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def chosen(suite: str, options: dict[str, Any]) -> list[RunSpec]:
    """The specs of a suite with a person's options over it."""
    base = load_suite(suite)
    setting = replace(
        base.setting,
        backbone=options["backbone"] or base.setting.backbone,
        size=options["size"] or base.setting.size,
        scoring="test" if options["final"] else "dev_test",
    )
    asked: Suite = made(
        name=base.name,
        about=base.about,
        streams=[_skipping(name) if options["skip_missing"] else name for name in options["streams"] or base.streams],
        strategies=options["strategies"] or base.strategies,
        budgets=options["budgets"] or [str(budget) for budget in base.budgets],
        seeds=range(options["seeds"]) if options["seeds"] else base.seeds,
        setting=setting,
    )
    return shard_of(asked.specs(), options["shard"])


def _modules(suite: str, options: dict[str, Any]) -> list[str]:
    """The modules behind a suite's streams, strategies and backbone; nothing is imported."""
    base = load_suite(suite)
    return sorted(
        {module_of("streams", name) for name in options["streams"] or base.streams}
        | {module_of("strategies", name) for name in options["strategies"] or base.strategies}
        | {module_of("backbones", options["backbone"] or base.setting.backbone)}
    )


def _skipping(stream: str) -> str:
    """The stream without what is missing, where it can be opened so."""
    written = parse(stream)
    if not takes("streams", stream, "skip_missing"):
        return stream
    return str(Written(written.name, {**written.options, "skip_missing": True}))


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@click.command()
@suite_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def plan(as_json: bool, **options: Any) -> None:
    """Runs done and missing, FLOPs and hours, before anything is spent."""
    from harness.running.plan import price

    specs = chosen(options.pop("suite"), options)
    jobs = options["jobs"] or cores()
    done = [spec for spec in specs if _status(spec, options["out"]) is RunStatus.DONE]
    failed = [spec for spec in specs if _status(spec, options["out"]) is RunStatus.FAILED]
    ahead = [spec for spec in specs if spec not in done]
    cost = price(ahead)
    facts = {
        "runs": len(specs),
        "done": len(done),
        "missing": len(ahead),
        "failed": len(failed),
        "tasks": cost.tasks,
        "flops": cost.flops,
        "seconds_budgeted": cost.seconds,
        "flops_per_second": cost.speed,
        "jobs": jobs,
        "hours": cost.hours(jobs),
        "missing_runs": [{"folder": spec.folder, "key": spec.key} for spec in ahead],
    }
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    click.echo(f"{len(specs)} runs: {len(done)} done, {len(ahead)} missing ({len(failed)} of them failed before)")
    click.echo(f"at most {cost.flops:.3g} FLOPs of learning over {cost.tasks} tasks")
    click.echo(
        f"about {_clock(cost.hours(jobs))} with {jobs} jobs, at {cost.speed / 1e9:.1f} GFLOP/s a job "
        "(a training step of the dense net, measured now; scoring and start-up included roughly)"
    )


@click.command()
@suite_options
@click.option("--executor", default="local", show_default=True, metavar="local|ray", help="Who carries the runs out.")
@click.option("--cpus", type=click.FloatRange(min=0.01), default=1, metavar="SHARE", help="CPUs a run takes of Ray.")
@click.option("--gpus", type=click.FloatRange(min=0.01), metavar="SHARE", help="GPUs a run takes of Ray: 1 for cuda.")
@click.option("--device", default="cpu", show_default=True, metavar="D", help="cpu, cuda or cuda:0.")
@click.option("--retry-failed", is_flag=True, help="Try failed runs again.")
@click.option(
    "--patience",
    type=click.FloatRange(min=1),
    default=1800,
    show_default=True,
    metavar="SECONDS",
    help="Stop a run that gives no word for so long.",
)
@click.option("-v", "--verbose", is_flag=True, help="A line for each task.")
def run(
    executor: str,
    cpus: float,
    gpus: float | None,
    device: str,
    retry_failed: bool,
    patience: float,
    verbose: bool,
    **options: Any,
) -> int:
    """Carry out a suite; what is done already is not done again."""
    from harness.running.executor import missing, run_all, warm
    from harness.running.progress import watching
    from harness.running.ray import run_on_ray

    if executor not in ("local", "ray"):
        raise unknown("executor", executor, ["local", "ray"])
    out: Path = options["out"]
    suite = options.pop("suite")
    if executor == "local":
        # Both processes import torch; side by side they take the time of one.
        warm(_modules(suite, options))
        _check_device(device)
    specs = chosen(suite, options)
    todo = missing(specs, out, retry_failed=retry_failed)
    check_strategies(todo)
    if todo:
        _check_writable(out)
    jobs = min(options["jobs"] or cores(), max(1, len(todo)))
    where = f"{jobs} at a time" if executor == "local" else "on Ray"
    click.echo(f"{len(specs)} runs, {len(todo)} to do, {where}, results in {out}", err=True)
    with watching(todo, verbose=verbose) as watch:
        if executor == "local":
            outcomes = run_all(
                todo, out, jobs=jobs, watch=watch, device=device, retry_failed=retry_failed, patience=patience
            )
        else:
            outcomes = run_on_ray(
                todo,
                out,
                jobs=options["jobs"],
                watch=watch,
                device=device,
                cpus=cpus,
                gpus=gpus or float(device.startswith("cuda")),
                retry_failed=retry_failed,
                patience=patience,
            )
    reasons = {outcome.spec.key: outcome.reason for outcome in outcomes if outcome.status is not RunStatus.DONE}
    done = [spec for spec in specs if _status(spec, out) is RunStatus.DONE]
    for spec in specs:
        if spec not in done:
            reason = reasons.get(spec.key, "failed before; --retry-failed tries it again")
            click.echo(f"failed: {spec.strategy} {spec.budget} seed {spec.seed}: {reason}", err=True)
            if _status(spec, out) is RunStatus.FAILED:
                click.echo(f"        traceback in {out / spec.folder / 'run.json'}", err=True)
    failed = len(specs) - len(done)
    click.echo(f"{len(done)} of {len(specs)} runs done, {failed} failed; see: harness report {out}", err=True)
    return 1 if failed else 0


def _status(spec: RunSpec, out: Path) -> RunStatus | None:
    return RunFolder(out / spec.folder).status()


def shard_of(specs: list[RunSpec], shard: str | None) -> list[RunSpec]:
    if shard is None:
        return specs
    match = re.fullmatch(r"(\d+)/(\d+)", shard)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UserError(f"--shard {shard}: expected I/N with I from 1 to N, such as 1/4")
    return specs[int(match[1]) - 1 :: int(match[2])]


def _check_device(device: str) -> None:
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
        if type(strategy).adapted is not Strategy.adapted:
            try:
                strategy.adapted(make("backbones", name).build(pretrained=False), size)
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


def _clock(hours: float) -> str:
    minutes = hours * 60
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{hours:.1f} hours"
