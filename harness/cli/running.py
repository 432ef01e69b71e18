"""Which runs are there to do, what will they cost, and do them."""

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

import click

from harness.core.schema import RunStatus
from harness.running.study import Crew, Request, carry_out, cores, status


def suite_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that ``run`` and ``plan`` share."""
    options = [
        click.argument("suite"),
        click.option(
            "--stream", "streams", multiple=True, metavar="S", help="Instead of the suite's streams; may be repeated."
        ),
        click.option(
            "--strategy",
            "strategies",
            multiple=True,
            metavar="SPEC",
            help="Instead of its strategies; may be repeated.",
        ),
        click.option(
            "--budget",
            "budgets",
            multiple=True,
            metavar="B",
            help="Instead of its budgets: 0.1ep, 2e12flops, 60s; may be repeated.",
        ),
        click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="Seeds 0 to N-1."),
        click.option(
            "--backbone", "backbones", multiple=True, metavar="B", help="Instead of the suite's; each a board. Repeats."
        ),
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


def request_from(options: dict[str, Any]) -> Request:
    """What a person asked for with the options that ``run`` and ``plan`` share, which are taken out of ``options``."""
    return Request(**{field.name: options.pop(field.name) for field in fields(Request)})


@click.command()
@suite_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def plan(as_json: bool, **options: Any) -> None:
    """Runs done and missing, FLOPs and hours, before anything is spent."""
    from harness.running.plan import price
    from harness.running.regime import regimes

    specs = request_from(options).specs()
    jobs = options["jobs"] or cores()
    done = [spec for spec in specs if status(spec, options["out"]) is RunStatus.DONE]
    failed = [spec for spec in specs if status(spec, options["out"]) is RunStatus.FAILED]
    ahead = [spec for spec in specs if spec not in done]
    cost, shown = price(ahead), regimes(specs)
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
        "budgets": [asdict(regime) for regime in shown],
        "missing_runs": [{"folder": spec.folder, "key": spec.key} for spec in ahead],
    }
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    click.echo(f"{len(specs)} runs: {len(done)} done, {len(ahead)} missing ({len(failed)} of them failed before)")
    click.echo(f"at most {cost.flops:.3g} FLOPs of learning over {cost.tasks} {'task' if cost.tasks == 1 else 'tasks'}")
    click.echo(
        f"about {_clock(cost.hours(jobs))} with {jobs} jobs, at {cost.speed / 1e9:.1f} GFLOP/s a job "
        "(a training step of the dense net, measured now; scoring and start-up included roughly)"
    )
    for regime in shown:
        click.echo(str(regime))


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
def run(**options: Any) -> int:
    """Carry out a suite; what is done already is not done again."""
    what, out = request_from(options), options.pop("out")
    stand = carry_out(what, out, Crew(**options), say=partial(click.echo, err=True))
    return 1 if stand.failed else 0


def _clock(hours: float) -> str:
    minutes = hours * 60
    if minutes < 2:
        return f"{max(1, round(minutes * 60))} seconds"
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{hours:.1f} hours"
