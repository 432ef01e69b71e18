"""How do results of many people come together? Hand one's own in, and make a board of what was handed in."""

from pathlib import Path

import click


@click.command()
@click.argument("given", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="BUNDLE", help="Ends in .tar.xz.")
@click.option("--name", default="", metavar="TEXT", help="What the entry is called; the bundle's name by default.")
@click.option("--by", default="", metavar="TEXT", help="Who hands it in.")
@click.option("--about", default="", metavar="TEXT", help="What it is, in a sentence or two.")
@click.option("--address", default="", metavar="HTTPS", help="Where its code or paper is found.")
def submit(given: tuple[Path, ...], out: Path, name: str, by: str, about: str, address: str) -> int:
    """Check results against the board's rules; if they are kept, write the bundle and the text of the hand-in.

    DIR is a result folder or a bundle. What is missing is said with the command that makes it; the exit code is 1 then.
    """
    from reports.publishing.board.submission import submit as submitted

    found = submitted(given, out, name=name, by=by, about=about, address=address)
    for remark in found.remarks:
        click.echo(f"note: {remark}", err=True)
    for sentence in found.missing:
        click.echo(f"missing: {sentence}")
    if found.written is None:
        click.echo("nothing written: run what is missing, and hand in again", err=True)
        return 1
    click.echo(str(found.written), err=True)
    click.echo(found.text)
    return 0


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="BUNDLE...")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A new folder.")
@click.option(
    "--rerun",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Runs that were made here: entries with equal records are marked as re-run. May be repeated.",
)
def board(bundles: tuple[Path, ...], out: Path, rerun: tuple[Path, ...]) -> None:
    """Make a static site of many people's bundles: leaderboards, provenance, a page an entry.

    Bundles are read as data: nothing in them is run, what they may hold is bounded, and results of different protocol
    versions are never mixed. A bundle that cannot be taken is listed with the reason.
    """
    from reports.publishing.board.site import write_site

    click.echo(f"board: {write_site(bundles, out, rerun=rerun)}", err=True)
