"""What of a stream's images is on disk, what is missing, what is wrong with them, and fetch what can be fetched."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from streams.status import Status


@click.group()
def data() -> None:
    """What of a stream is on disk, whether it is sound, and fetch what can be fetched."""


@data.command("status")
@click.argument("stream")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def status_command(stream: str, as_json: bool) -> None:
    """For each task: ready, downloadable, manual (and from where), or emulated only."""
    from streams.status import status

    _show(status(stream), as_json)


@data.command("prepare")
@click.argument("stream")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def prepare_command(stream: str, as_json: bool) -> None:
    """Fetch and check what can be had; what is there already stays, nothing is left half-prepared."""
    from streams.status import prepare

    _show(prepare(stream, say=lambda line: click.echo(line, err=True)), as_json)


@data.command("check")
@click.argument("stream")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def check_command(stream: str, as_json: bool) -> int:
    """What would make results wrong: unreadable files, missing classes, images in two splits; exit 1 if any."""
    from streams.check import Checked, check

    def say(found: Checked) -> None:
        if as_json:
            return
        sizes = ", ".join(f"{split} {n}" for split, n in found.sizes.items())
        click.echo(f"{found.task}: {f'{found.num_classes} classes; {sizes}' if sizes else found.folder}")
        for line in found.lines():
            click.echo(f"    {line}")

    checked = check(stream, say=say)
    wrong = sum(found.wrong for found in checked)
    if as_json:
        click.echo(json.dumps([asdict(found) | {"wrong": found.wrong} for found in checked], indent=1))
    elif wrong:
        click.echo(
            f"{wrong} of {len(checked)} tasks would give wrong results; distinct(stream=..., near=True) is the stream "
            "without training images that lie in other splits",
            err=True,
        )
    return 1 if wrong else 0


@data.command("fetch")
@click.argument("backbone")
def fetch_command(backbone: str) -> None:
    """Bring the weights of BACKBONE here, such as resnet50_half; what is here already stays."""
    from harness.config.registry import make

    opened = make("backbones", backbone)
    if opened.fetch is not None:
        opened.fetch()
    sha256 = opened.weights_hash
    described = f" ({opened.described})" if opened.described else ""
    click.echo(
        f"{opened.name}{described}: weights are here, sha256 {sha256}" if sha256 else f"{opened.name}: no weights"
    )


def _show(found: "list[Status]", as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(row) for row in found], indent=1))
        return
    wide = max((len(row.task) for row in found), default=0)
    for row in found:
        click.echo(f"{row.task:{wide}}  {row.state:13s}  {row.detail}")
