"""Make results readable: the page, and the summary a person sees first."""

from pathlib import Path

import click


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write; DIR/report by default.")
def report(folders: tuple[Path, ...], out: Path | None) -> None:
    """Make report.html, tables/*.csv, tables/*.tex and figures of result folders."""
    from reports.report import write_report

    page = write_report(list(folders), out or folders[0] / "report")
    click.echo(f"report: {page}", err=True)
