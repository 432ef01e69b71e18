"""Does a strategy keep the contract? A line for each promise."""

import click


@click.command()
@click.argument("spec")
@click.option("--stream", metavar="S", help="Instead of two small emulated tasks.")
@click.option("--backbone", metavar="B", help="Instead of a net so small that a check takes seconds.")
@click.option("--size", type=click.IntRange(8, 1024), metavar="PX", help="Image side in pixels; 32 by default.")
@click.option("--budget", metavar="B", help="What a task may spend; 0.5ep by default.")
@click.option("--device", metavar="D", help="cpu (default), cuda or cuda:0.")
def check(spec: str, **instead: str | int | None) -> int:
    """Try every promise of a strategy on real runs of small tasks. Exit code 1 where one is broken."""
    from harness.conformance.promises import conformance
    from harness.running.study import check_device

    if instead.get("device"):
        check_device(str(instead["device"]))
    answers = conformance(spec, **{name: value for name, value in instead.items() if value is not None})  # type: ignore[arg-type]
    for answer in answers:
        why = f": {answer.why}" if answer.why else ""
        click.echo(f"{'kept  ' if answer.holds else 'BROKEN'}  {answer.promise}{why}")
    broken = sum(not answer.holds for answer in answers)
    click.echo(f"{spec}: {f'{broken} broken' if broken else 'keeps the contract'}", err=True)
    return 1 if broken else 0
