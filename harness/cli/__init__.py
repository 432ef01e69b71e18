"""What can a person ask for? The command line, the one place that sees streams, strategies and reports together."""

import os
import sys
from importlib import import_module
from typing import Any

import click

from harness.core.errors import UserError, unknown

_COMMANDS = {
    "list": ("harness.cli.listing:list_command", "What there is: streams, strategies, backbones, suites, baselines."),
    "show": ("harness.cli.showing:show", "One suite, stream, task, strategy, recipe or backbone in full."),
    "data": ("harness.cli.data:data", "What of a stream is on disk, and fetch what can be fetched."),
    "plan": ("harness.cli.running:plan", "Runs done and missing, FLOPs and hours, before anything is spent."),
    "run": ("harness.cli.running:run", "Carry out a suite; what is done already is not done again."),
    "decide": ("harness.cli.deciding:decide_command", "Is A better than B? Runs pairs until it is known."),
    "report": ("harness.cli.reporting:report", "Make the page, tables and figures of result folders."),
    "compare": ("harness.cli.comparing:compare", "Our numbers beside published ones, with the distance."),
    "export": ("harness.cli.reporting:export", "Results without weights as one file: every record, or a baseline."),
    "advise": ("harness.cli.reporting:advise", "The best strategy at a budget, and how sure that is."),
    "submit": ("harness.cli.sharing:submit", "Check results against a board's rules and write what is handed in."),
    "board": ("harness.cli.sharing:board", "A static site of many people's bundles: who leads, and how is it known."),
    "pretrain": ("harness.cli.pretraining:pretrain", "Make a backbone checkpoint from a stream, its cost recorded."),
    "strategies": ("harness.cli.starting:strategies", "Begin a strategy of your own: a file to change."),
    "check": ("harness.cli.checking:check", "Does a strategy keep the contract?"),
}


class _Lazy(click.Group):
    """Commands are imported when they are called, so that help costs nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            raise unknown("command", name, _COMMANDS)
        module, _, attribute = _COMMANDS[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nevis-harness")
def harness() -> None:
    """Error against compute: which way of adapting a pretrained vision model to the next task is best?"""


def main(arguments: list[str] | None = None) -> Any:
    """The console script: 0 all well, 1 some run failed, 2 the command or a file was wrong, 130 interrupted."""
    _fill_closed_streams()
    try:
        # A plugin written as module:Class is looked for where the command was given, as python -m would.
        if (here := _here()) not in sys.path:
            sys.path.insert(0, here)
        code = harness.main(args=arguments, standalone_mode=False)
    except (UserError, click.ClickException) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        click.echo(f"error: {' '.join(message.split())}", err=True)
        code = 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted: what is done is kept; the same command goes on from here", err=True)
        code = 130
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def _fill_closed_streams() -> None:
    """Lead a standard stream that was closed, as by cron or a daemon, nowhere: else the next file takes its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", closefd=False))


def _here() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError as error:
        raise UserError("the folder in which this was called is gone; go to one that is there") from error
