"""Make results readable: the page, published numbers beside ours, a file to share, and a recommendation."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.core.errors import UserError

if TYPE_CHECKING:
    from reports.boards.board import Unpaid

_RESULTS = click.argument("given", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
"""Result folders, or bundles of them; every command here takes both."""


_UNPAID = click.option(
    "--unpaid",
    type=click.Choice(["apart", "constant"]),
    default="apart",
    show_default=True,
    help="A task that a budget cannot pay for is left out, and who misses a fifth of them listed apart; or it counts "
    "with the error of the constant prediction.",
)


@click.command()
@_RESULTS
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where to write; DIR/report by default, FILE-report for a bundle."
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    metavar="FILE.md",
    help="Bring a text's marked numbers up to date.",
)
@click.option(
    "--picture", type=click.Path(path_type=Path), metavar="FILE.svg", help="Write the main figure, for a README, too."
)
@click.option(
    "--only",
    multiple=True,
    metavar="LABEL",
    help="Only this strategy, as the report calls it; may be repeated: for a page or figures of a few.",
)
@_UNPAID
def report(
    given: tuple[Path, ...], out: Path | None, results: Path | None, picture: Path | None, only: tuple[str, ...],
    unpaid: "Unpaid",
) -> None:  # fmt: skip
    """Make report.html, tables/*.csv, tables/*.tex and figures of results.

    DIR is a folder that 'harness run' wrote, or a FILE.tar.xz that 'harness export' did.

    \b
    A text marks its numbers with the table, column and row they come from:
      <!--= curves[error] strategy=finetune; budget=1ep -->0.312<!--/-->
    """
    from reports.boards.board import boards
    from reports.publishing.report import publish
    from reports.publishing.summary import text
    from reports.reading.frame import read
    from reports.reading.only import only_labels

    # Read once: page and terminal are about the same results, also while runs go on.
    with _seldom_collected():
        frames = only_labels(read(given), only)
        found = boards(frames, unpaid=unpaid)
        page = publish(frames, found, out or _beside(given[0]), results=results, picture=picture)
    click.echo(text(frames, found))
    click.echo(f"report: {page}", err=True)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Records stay to the end of a report: to look through all of them for cycles often took an eighth of its time."""
    thresholds = gc.get_threshold()
    gc.set_threshold(100_000, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def _beside(given: Path) -> Path:
    from reports.reading.bundle import SUFFIX

    if given.name.endswith(SUFFIX):
        return given.with_name(f"{given.name.removesuffix(SUFFIX)}-report")
    return given / "report"


@click.command()
@_RESULTS
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE")
def export(given: tuple[Path, ...], out: Path) -> None:
    """Results without weights, as one file.

    \b
    FILE.tar.xz  a bundle: every record of every run. report, compare, advise and
                 export read it wherever they read a DIR, and 'tar xf' makes it a
                 result folder again. Folders and machine names are not in it.
    FILE.toml    a baseline: the mean of each task, strategy and budget, with its
                 spread, n and cost; 'compare --baseline FILE.toml' reads it.
    """
    from reports.publishing.export import export as exported

    click.echo(str(exported(given, out)), err=True)


@click.command()
@_RESULTS
@click.option("--flops", metavar="B", help="What a task may cost, such as 2e12; every budget that was run by default.")
@click.option("--domain", metavar="D", help="Only the tasks of this domain.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@_UNPAID
def advise(given: tuple[Path, ...], flops: str | None, domain: str | None, as_json: bool, unpaid: "Unpaid") -> None:
    """The strategy that leads at a budget, and how sure that is.

    DIR is a result folder or a FILE.tar.xz that 'harness export' wrote.
    """
    from reports.tables.advise import advise as advised

    try:
        value = None if flops is None else float(flops.removesuffix("flops"))
    except ValueError as error:
        raise UserError(f"--flops {flops}: expected a number of FLOPs a task, such as 2e12") from error
    found = advised(given, value, domain, unpaid=unpaid)
    click.echo(json.dumps([one.plain() for one in found], indent=1) if as_json else "\n\n".join(map(str, found)))
