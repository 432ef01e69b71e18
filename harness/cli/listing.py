"""What is there? Names with one line each."""

import json

import click

from harness.config.registry import Group, entries, summary
from harness.config.suites import about, suites
from harness.core.errors import unknown

_KINDS = ("streams", "strategies", "bodies", "learners", "backbones", "suites", "baselines")


def rows(kind: str) -> list[dict[str, str]]:
    """``name`` and ``about`` of everything of that kind."""
    if kind == "suites":
        return [{"name": name, "about": about(path), "file": str(path)} for name, path in suites().items()]
    if kind == "baselines":
        from reports.published.baselines import listing

        return listing()
    group: Group = kind  # type: ignore[assignment]
    return [{"name": name, "about": summary(entry), "place": entry.value} for name, entry in entries(group).items()]


@click.command("list")
@click.argument("kind", metavar="|".join(_KINDS))
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def list_command(kind: str, as_json: bool) -> None:
    """What there is, a line each."""
    if kind not in _KINDS:
        raise unknown("kind of thing to list", kind, _KINDS)
    found = rows(kind)
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    width = max((len(row["name"]) for row in found), default=0)
    for row in found:
        click.echo(f"{row['name']:{width}}  {row['about']}".rstrip())
