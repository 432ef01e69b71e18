"""How do results stand beside what others published, and beside the results that come along?"""

from pathlib import Path

import click


@click.command()
@click.argument("given", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="ID",
    help="Only this: an id, a .toml of numbers, or a bundle (.tar.xz). May be repeated.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Every number: comparable or why not, and what would change that.",
)
def compare(given: tuple[Path, ...], baselines: tuple[str, ...], everything: bool) -> None:
    """Results beside published numbers and beside the reference results, with the distance.

    DIR is a result folder or a FILE.tar.xz that 'harness export' wrote. What can be compared comes first; what cannot
    is one line, with the commands that would change it.
    """
    from reports.published.comparison import comparison

    found = comparison(given, baselines)
    click.echo(found.every_number() if everything else found.answer(named=" ".join(map(str, given))))
