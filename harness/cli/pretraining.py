"""Make a backbone checkpoint from a stream: trained from random weights, its cost recorded."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.core.errors import UserError
from harness.core.spec import Setting

if TYPE_CHECKING:
    from harness.core.spec import Precision
    from harness.learning.pretraining import Progress

LINE_SECONDS = 30.0
"""Where there is no terminal, a line so often."""


@click.command()
@click.argument("stream")
@click.option("--backbone", required=True, metavar="B", help="Its net; its weights, if any, are not used.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.pt")
@click.option("--budget", default="10ep", show_default=True, metavar="B", help="Passes (10ep), FLOPs or seconds.")
@click.option("--images", type=click.IntRange(min=2), metavar="N", help="At most so many images of a task.")
@click.option("--size", default=Setting.size, show_default=True, type=click.IntRange(8, 1024), metavar="PX")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), metavar="K")
@click.option("--batch-size", default=64, show_default=True, type=click.IntRange(min=2), metavar="N")
@click.option("--precision", default="fp32", show_default=True, type=click.Choice(["fp32", "bf16"]))
@click.option("--lr", default=1e-3, show_default=True, type=click.FloatRange(min=0, min_open=True), metavar="X")
@click.option("--device", default="cpu", show_default=True, metavar="D", help="cpu, cuda or cuda:0.")
def pretrain(
    stream: str,
    backbone: str,
    out: Path,
    budget: str,
    images: int | None,
    size: int,
    seed: int,
    batch_size: int,
    precision: "Precision",
    lr: float,
    device: str,
) -> None:
    """Train a backbone from random weights on all development tasks of STREAM at once.

    Held-out tasks are not touched. Interrupted, the same command goes on from FILE.pt.part.
    """
    from harness.compute.memory import keep_freed_memory
    from harness.config.notation import Written, parse
    from harness.config.registry import make, takes
    from harness.config.suite import opened
    from harness.core.budget import Budget
    from harness.learning.pretraining import Pretraining
    from harness.learning.pretraining import pretrain as pretrained

    if out.suffix != ".pt":
        raise UserError(f"--out {out}: expected a file that ends in .pt")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}")
    if not takes("backbones", backbone, "weights"):
        raise UserError(f"backbone {backbone}: it has no option weights, so nothing could use the checkpoint")
    written = parse(backbone)
    plan = Pretraining(
        opened(stream),
        make("backbones", str(Written(written.name, {**written.options, "weights": "none"}))),
        size=size,
        budget=Budget.parse(budget),
        seed=seed,
        images=images,
        lr=lr,
        batch_size=batch_size,
        precision=precision,
    )
    keep_freed_memory()
    with _watching() as on_progress:
        made = pretrained(plan, out, device=device, on_progress=on_progress)
    used = Written(written.name, {**written.options, "weights": str(out)})
    click.echo(
        f"{out}: {made['flops']:.4g} FLOPs, {made['seconds']:.0f} s, {made['examples']} examples of {made['images']} "
        f"images of {made['tasks']} tasks, loss {made['loss']:.3f} of ignorance; stream {made['stream']} "
        f"({made['fingerprint'][:12]}), seed {made['seed']}"
    )
    click.echo(f"use it as: {used}", err=True)


@contextmanager
def _watching() -> "Iterator[Callable[[Progress], None]]":
    """A bar on a terminal, a line now and then elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console, last = Console(stderr=True), time.monotonic()

    def lines(at: "Progress") -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            click.echo(f"{at.share:6.1%}  {_said(at)}", err=True)

    if not console.is_terminal:
        yield lines
        return
    columns = (BarColumn(), TextColumn("{task.percentage:.1f}%  {task.fields[what]}"), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("", total=1.0, what="reading images")
        yield lambda at: bars.update(bar, completed=at.share, what=_said(at))


def _said(at: "Progress") -> str:
    return f"loss {at.loss:.3f} of ignorance  {at.examples} examples  {at.flops:.2e} FLOPs  {at.seconds:.0f} s"
