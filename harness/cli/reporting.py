"""Make results readable: the page, published numbers beside ours, a file to share, and a recommendation."""

import json
from pathlib import Path

import click

from harness.errors import UserError

_FOLDERS = click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")


@click.command()
@_FOLDERS
@click.option("--out", type=click.Path(path_type=Path), help="Where to write; DIR/report by default.")
def report(folders: tuple[Path, ...], out: Path | None) -> None:
    """Make report.html, tables/*.csv, tables/*.tex and figures of result folders."""
    from reports.report import write_report
    from reports.summary import summary

    page = write_report(list(folders), out or folders[0] / "report")
    click.echo(summary(folders))
    click.echo(f"report: {page}", err=True)


@click.command()
@_FOLDERS
@click.option("--baseline", "baselines", multiple=True, metavar="ID", help="An id, or a file that export wrote.")
def compare(folders: tuple[Path, ...], baselines: tuple[str, ...]) -> None:
    """Our numbers beside published ones, with the distance, or why a pair is not comparable."""
    from reports.compare import compare as compared
    from reports.tables import text

    click.echo(text(compared(folders, baselines)))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE.toml")
def export(folder: Path, out: Path) -> None:
    """Results without weights, as a baseline others can load."""
    from reports.export import export as exported

    click.echo(f"written: {exported(folder, out)}", err=True)


@click.command()
@_FOLDERS
@click.option("--flops", required=True, metavar="B", help="What a task may cost, such as 2e12.")
@click.option("--domain", metavar="D", help="Only the tasks of this domain.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def advise(folders: tuple[Path, ...], flops: str, domain: str | None, as_json: bool) -> None:
    """The best strategy at a budget, and how sure that is."""
    from reports.advise import advise as advised

    try:
        value = float(flops.removesuffix("flops"))
    except ValueError as error:
        raise UserError(f"--flops {flops}: expected a number of FLOPs a task, such as 2e12") from error
    found = advised(folders, value, domain)
    click.echo(json.dumps([one.plain() for one in found], indent=1) if as_json else "\n\n".join(map(str, found)))
