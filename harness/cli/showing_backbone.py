"""What is known of a net before anything is spent on it? Size, cost, preprocessing, weights, and what can be pruned."""

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import click

from harness.core.errors import UserError
from harness.core.spec import Setting

if TYPE_CHECKING:
    from torch import nn

    from harness.compute.backbone import Backbone
    from strategies.bodies.structure.layouts import Reach

SIZES = (32, 64, 96, 128, 224)
"""Image sides in pixels at which a net is counted where none is asked for."""


@dataclass(frozen=True)
class Cost:
    """FLOPs an image of one side, without a head, forward and in training; ``refused`` says why there are none."""

    size: int
    forward: float = 0.0
    train: float = 0.0
    refused: str = ""


@dataclass(frozen=True)
class Weights:
    """What is known of a backbone's weights; ``sha256`` where they are here, else ``missing`` says how they are had.

    Attributes:
        pretraining: what ``harness pretrain`` wrote into the file.
        classes: of the classifier that the checkpoint brings for its own task; 0 where it brings none.
    """

    trained_on: str = ""
    source: str = ""
    licence: str = ""
    file: str = ""
    sha256: str = ""
    missing: str = ""
    pretraining: dict[str, Any] = field(default_factory=dict)
    classes: int = 0


@click.command("backbone")
@click.argument("name")
@click.option("--size", "sizes", multiple=True, type=click.IntRange(8, 1024), metavar="PX", help="Repeats.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def show_backbone(name: str, sizes: tuple[int, ...], as_json: bool) -> None:
    """A net: parameters, features, FLOPs, preprocessing, where its weights come from, and what can be pruned.

    Nothing is downloaded. What can be pruned is looked at with random weights, at the first size that the net takes,
    64 px if it may be.
    """
    from harness.compute.sizes import shape_only
    from harness.config.registry import make

    opened: Backbone = make("backbones", name)
    net = shape_only(lambda: opened.build(pretrained=False)).requires_grad_(True)
    costs = [_cost(net, size) for size in sizes or SIZES]
    taken = [cost.size for cost in costs if not cost.refused]
    at = Setting.size if Setting.size in taken else next(iter(taken), 0)
    facts: dict[str, Any] = {
        "name": opened.name,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "features": opened.num_features,
        "mean": list(opened.mean),
        "std": list(opened.std),
    }
    weights, pruning = _weights(opened), _pruning(opened, at) if at else []
    if as_json:
        facts |= {"weights": asdict(weights), "flops": [asdict(cost) for cost in costs]}
        click.echo(json.dumps({**facts, "pruning": {"size": at, "layouts": list(map(asdict, pruning))}}, indent=1))
        return
    click.echo(opened.name)
    click.echo(f"  parameters    {facts['parameters']:,}, without classifier")
    click.echo(f"  features      {opened.num_features:,}")
    click.echo(f"  images        (x - mean) / std, x in 0..255; mean {_row(opened.mean)}; std {_row(opened.std)}")
    for line in _said_of(weights):
        click.echo(line)
    click.echo(f"  FLOPs, an image {'forward':>8s}{'training':>14s}  without head")
    for cost in costs:
        counted = f"{cost.forward:10.4g}{cost.train:14.4g}"
        click.echo(f"    {cost.size:4d} px       {f'not taken: {cost.refused}' if cost.refused else counted}")
    if at:
        click.echo(f"  can be pruned, at {at} px")
    for reach in pruning:
        some = f"{reach.widths} widths {reach.what}, {reach.units:,} units: {', '.join(reach.bodies)}"
        click.echo(f"    {reach.layout:12s}{f'no: {reach.refused}' if reach.refused else some}")


def _row(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def _cost(net: "nn.Module", size: int) -> Cost:
    from harness.compute.flops import flops_forward, flops_train
    from harness.compute.sizes import takes

    if reason := takes(net, size):
        return Cost(size, refused=reason)
    shape = (2, 3, size, size)
    return Cost(size, flops_forward(net.eval(), *shape) / 2, flops_train(net.train(), *shape) / 2)


def _weights(backbone: "Backbone") -> Weights:
    """What is known of the weights without fetching any."""
    origin = backbone.find_origin()
    weights = Weights(
        trained_on=origin.trained_on or backbone.described,
        source=origin.source,
        licence=origin.licence,
        file=str(origin.file or ""),
    )
    here = origin.file.is_file() if origin.file else not origin.source
    if not here:
        return replace(weights, missing=f"not here: {origin.fetch}" if origin.fetch else "not here")
    try:
        sha256 = backbone.weights_hash
        head = backbone.find_classifier() if sha256 else None
        pretraining = dict(backbone.find_pretraining()) if sha256 else {}
    except UserError as error:
        return replace(weights, missing=str(error))
    if not sha256:
        return replace(weights, missing=f"random; {origin.fetch}" if origin.fetch else "random")
    return replace(weights, sha256=sha256, pretraining=pretraining, classes=head.out_features if head else 0)


def _said_of(weights: Weights) -> list[str]:
    own = f"tells {weights.classes:,} classes apart (learner as_trained)" if weights.classes else ""
    made = ", ".join(f"{key} {value}" for key, value in weights.pretraining.items() if not isinstance(value, dict))
    rows = {
        "weights": weights.missing or "here",
        "trained on": weights.trained_on,
        "pretraining": made,
        "from": weights.source,
        "licence": weights.licence or ("none stated" if weights.source else ""),
        "file": weights.file,
        "sha256": weights.sha256,
        "classifier": own,
    }
    return [f"  {what:14s}{text}" for what, text in rows.items() if text]


def _pruning(backbone: "Backbone", size: int) -> "list[Reach]":
    import torch

    from strategies.bodies.structure.layouts import reaches

    with torch.random.fork_rng(devices=[]):
        return reaches(backbone.build(pretrained=False), size)
