"""Does a strategy keep the contract? A line for each promise."""

import click

from harness.spec import Setting


@click.command()
@click.argument("spec")
@click.option("--stream", default="nevis-mini(tasks=[texture_patches, lfw_faces])", show_default=True, metavar="S")
@click.option("--backbone", default=Setting.backbone, show_default=True, metavar="B")
@click.option("--size", default=32, show_default=True, type=click.IntRange(8, 1024), metavar="PX")
def check(spec: str, stream: str, backbone: str, size: int) -> int:
    """Try every promise of a strategy on real runs of small tasks. Exit code 1 where one is broken."""
    from harness.conformance import conformance

    broken = 0
    for answer in conformance(spec, stream=stream, backbone=backbone, size=size):
        broken += not answer.kept
        why = f": {answer.why}" if answer.why else ""
        click.echo(f"{'kept  ' if answer.kept else 'BROKEN'}  {answer.promise}{why}")
    click.echo(f"{spec}: {f'{broken} broken' if broken else 'keeps the contract'}", err=True)
    return 1 if broken else 0
