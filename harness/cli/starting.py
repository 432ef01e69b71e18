"""How does one begin a strategy of one's own? With a file that keeps the contract already, to be changed."""

import keyword
import re
from importlib.resources import files
from pathlib import Path

import click

from harness.core.errors import UserError

KINDS = {
    "finetune": "finetuning with a piece of your own: here, a moving average of the weights",
    "loop": "a training loop of your own, with your own loss",
    "body": "what is made of the net before the tasks, without data",
}


@click.group()
def strategies() -> None:
    """Begin a strategy of your own."""


@strategies.command("new")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    default="finetune",
    show_default=True,
    help="; ".join(f"{kind}: {about}" for kind, about in KINDS.items()) + ".",
)
def new(name: str, kind: str) -> None:
    """Write NAME.py here: a strategy that passes 'harness check', to change into yours."""
    file = Path(f"{name}.py")
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UserError(f"cannot call a file {name!r}: expected small letters, digits and _, such as moving_average")
    if file.exists():
        raise UserError(f"{file} is here already; choose another name, or move it away")
    title = "".join(part.capitalize() for part in name.split("_")) or "Mine"
    text = (files("harness.cli") / "templates" / f"{kind}.py.txt").read_text(encoding="utf-8")
    file.write_text(text.replace("{class}", title).replace("{module}", name), encoding="utf-8")
    spec = f"{name}:{title}"
    click.echo(f"{file}: {KINDS[kind]}. Next:")
    click.echo(f'  harness check "{spec}"')
    click.echo(f'  harness run smoke --strategy "{spec}" --strategy finetune --out mine')
    click.echo("  harness report mine")
