"""One suite, stream, task, strategy, recipe or backbone in full."""

import copy
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from harness.cli.showing_backbone import show_backbone
from harness.core.errors import UserError, unknown
from harness.core.spec import Setting

HEAD_CLASSES = 1000


@click.group()
def show() -> None:
    """One suite, stream, task, strategy, recipe or backbone in full."""


show.add_command(show_backbone)


@show.command("suite")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def show_suite(name: str, as_json: bool) -> None:
    """What a suite runs: streams, strategies, budgets, seeds and setting."""
    from harness.config.suite import load_suite

    suite = load_suite(name)
    facts: dict[str, Any] = {
        "name": suite.name, "about": suite.about, "streams": list(suite.streams), "strategies": list(suite.strategies),
        "budgets": list(map(str, suite.budgets)), "seeds": list(suite.seeds), "backbones": list(suite.backbones),
        "size": suite.setting.size, "precision": suite.setting.precision,
    }  # fmt: skip
    parts = (suite.streams, suite.strategies, suite.budgets, suite.seeds, suite.backbones)
    facts["runs"] = math.prod(map(len, parts))
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    for key, value in facts.items():
        for place, line in enumerate(value if isinstance(value, list) and key != "seeds" else [value]):
            text = ", ".join(map(str, line)) if isinstance(line, list) else line
            click.echo(f"{'' if place else key:12s} {text}")


@show.command("stream")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("--sheet", type=click.Path(path_type=Path), metavar="OUT.png", help="Also draw samples of every task.")
def show_stream(name: str, as_json: bool, sheet: Path | None) -> None:
    """The tasks of a stream, in order."""
    from harness.config.suite import opened

    stream = opened(name)
    if sheet is not None:
        from streams.sheet import write_sheet

        write_sheet(stream, sheet)
    if as_json:
        facts = {"name": stream.name, "version": stream.version, "fingerprint": stream.fingerprint()}
        click.echo(json.dumps({**facts, "tasks": [task.facts() for task in stream]}, indent=1))
        return
    click.echo(f"{stream.name}, version {stream.version}, {len(stream)} tasks, fingerprint {stream.fingerprint()[:16]}")
    wide = max(len(task.name) for task in stream)
    wide_domain = max(len(task.domain) for task in stream)
    for number, task in enumerate(stream, start=1):
        sizes = "/".join(str(n) for n in task.sizes.values())
        click.echo(
            f"{number:4d}  {task.year}  {task.name:{wide}}  {task.domain:{wide_domain}}  {task.kind:10s}  "
            f"{task.num_classes:5d} classes  {task.provenance:8s}  {task.phase:11s}  {sizes}"
        )


@show.command("task")
@click.argument("place", metavar="STREAM/TASK")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("--sheet", type=click.Path(path_type=Path), metavar="OUT.png", help="Also draw its sample images.")
def show_task(place: str, as_json: bool, sheet: Path | None) -> None:
    """One task of a stream."""
    from harness.config.suite import opened
    from harness.core.stream import Stream

    name, slash, wanted = place.rpartition("/")
    if not slash:
        raise UserError(f"cannot read {place!r}: expected STREAM/TASK, such as nevis-mini/digits")
    stream = opened(name)
    found = {task.name: task for task in stream}
    if wanted not in found:
        raise unknown(f"task of stream {name}", wanted, found)
    task = found[wanted]
    if sheet is not None:
        from streams.sheet import write_sheet

        write_sheet(Stream(stream.name, stream.version, (task,)), sheet)
    if as_json:
        click.echo(json.dumps(task.facts(), indent=1))
        return
    for key, value in task.facts().items():
        text = ", ".join(f"{split} {n}" for split, n in value.items()) if key == "sizes" else value
        click.echo(f"{key:12s} {text}")


@show.command("recipe")
@click.argument("name", required=False)
@click.option("--backbone", default=Setting.backbone, show_default=True, metavar="B", help="The net it is for.")
@click.option("--body", default="dense", show_default=True, metavar="BODY", help="What is made of the net.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def show_recipe(name: str | None, backbone: str, body: str, as_json: bool) -> None:
    """What a learner trains by, for each band of budgets: learning rates, schedule, batch, head start.

    Without NAME, the recipe of a learner that names none: the last one that is for the net.
    """
    from harness.config.notation import parse
    from harness.config.registry import make
    from harness.core.band import BANDS
    from harness.core.regime import WORDS
    from harness.learning.recipe import AUTO, LearnerRecipe
    from strategies.learners.recipes import in_force, named_recipe

    net = make("backbones", backbone).name
    recipe = in_force(LearnerRecipe(recipe=name or AUTO), net)
    named, holds = named_recipe(recipe, net), make("bodies", body).statistics_hold
    found: dict[str, dict[str, Any]] = {}
    for band in BANDS:
        entry = named.entry(net=net, body=parse(body).name, band=band) if named else None
        hold = holds or recipe.starts_head(entry)
        found[band] = asdict(recipe.settled(statistics_hold=hold, entry=entry))
    if as_json:
        click.echo(json.dumps({"recipe": recipe.recipe, "backbone": backbone, "body": body, "bands": found}, indent=1))
        return
    click.echo(f"{recipe.recipe} on {backbone}, {body}; budgets by training images that they could show the dense net")
    click.echo(f"{'':14s}" + "".join(f"{WORDS[band]:>22s}" for band in BANDS))
    for key in found[BANDS[0]]:
        click.echo(f"{key:14s}" + "".join(f"{found[band][key]!s:>22s}" for band in BANDS))


@dataclass(frozen=True)
class Counts:
    """A net with its head, counted; FLOPs are for one image."""

    parameters: int
    flops_forward: float
    train_flops_per_image: float


@show.command("strategy")
@click.argument("spec")
@click.option("--backbone", default=Setting.backbone, show_default=True, metavar="B")
@click.option("--size", default=Setting.size, show_default=True, type=click.IntRange(8, 1024), metavar="PX")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def show_strategy(spec: str, backbone: str, size: int, as_json: bool) -> None:
    """What a strategy removes from the backbone: parameters, FLOPs and widths before and after.

    Counts depend on shapes alone, so weights are read only where they decide the shapes. The head has 1000 classes.
    """
    from harness.compute.backbone import Backbone
    from harness.compute.sizes import check_size
    from harness.config.registry import make
    from harness.learning.strategy import Strategy

    strategy: Strategy = make("strategies", spec)
    opened: Backbone = make("backbones", backbone)
    check_size(opened, size)
    dense = opened.build(pretrained=strategy.shapes_from_weights)
    try:
        adapted = strategy.adapted(copy.deepcopy(dense), size)
    except UserError as error:
        raise UserError(f"{spec} cannot be made of {backbone} at {size} px: {error}") from None
    counts = {"dense": _count(dense, size), "adapted": _count(adapted, size)}
    changed = _widths(dense, adapted)
    if as_json:
        facts: dict[str, Any] = {"strategy": spec, "backbone": backbone, "size": size, "head_classes": HEAD_CLASSES}
        facts |= {name: asdict(count) for name, count in counts.items()}
        click.echo(json.dumps({**facts, "widths": changed}, indent=1))
        return
    click.echo(f"{spec} on {backbone} at {size} px, head of {HEAD_CLASSES} classes")
    click.echo(f"{'':24s}{'dense':>12s}{'adapted':>12s}{'ratio':>8s}")
    for name, before in asdict(counts["dense"]).items():
        after = asdict(counts["adapted"])[name]
        click.echo(f"{name:24s}{before:12.4g}{after:12.4g}{after / before:8.3f}")
    for row in changed:
        click.echo(f"  {row['layer']:48s} {row['before']} -> {row['after']}")


def _count(body: Any, size: int) -> Counts:
    from harness.compute.backbone import Classifier, feature_width, zero_head
    from harness.compute.flops import flops_forward, flops_train

    net = Classifier(body, zero_head(feature_width(body, size), HEAD_CLASSES))
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    shape = (2, 3, size, size)
    forward = flops_forward(net.eval(), *shape) / 2
    return Counts(sum(p.numel() for p in net.parameters()), forward, flops_train(net.train(), *shape) / 2)


def _widths(before: Any, after: Any) -> list[dict[str, Any]]:
    """Layers whose weight has another shape."""
    old = {name: tuple(p.shape) for name, p in before.named_parameters() if name.endswith("weight") and p.ndim > 1}
    new = {name: tuple(p.shape) for name, p in after.named_parameters() if name in old}
    return [
        {"layer": name.removesuffix(".weight"), "before": list(shape), "after": list(new[name])}
        for name, shape in old.items()
        if name in new and new[name] != shape
    ]
