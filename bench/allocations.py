"""Does fusing help EfficientNet-Lite0? Its features against the dense net's, at the best allocation of each cost.

Depthwise filters of different units have no meaningful mean, so no net is harder to fuse. Layout, allocation and score
are chosen on emulated tasks; what they give is told on the real tasks of nevis-mini, which chose no allocation.
The shares of FLOPs were set after a look at them: below 0.9 nothing is left to compare.
"""

import copy
from collections.abc import Iterator
from itertools import product
from statistics import mean
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bench.intervals import mean_and_half
from harness.compute.backbone import Backbone
from harness.config.registry import make
from harness.core.task import Split, Task
from harness.learning.batches import normalised
from strategies.backbones.efficientnet_lite import pretrained_classifier
from strategies.bodies.structure.allocation import Allocation
from strategies.bodies.structure.pruning import Layout, Pruning, kept_units, prunable
from strategies.bodies.structure.removal import remove
from strategies.bodies.structure.scores import Score
from strategies.bodies.transport.fusion import Transport, fuse

SIZE, IMAGES = 64, 64
FLOPS = (0.95, 0.9)
LAYOUTS: tuple[Layout, ...] = ("filter", "channel")
ALLOCATIONS: tuple[Allocation, ...] = ("layer", "global")
SCORES: tuple[Score, ...] = ("l1", "l2")
CHOOSING = "nevis22(source=emulated, seed=1)"
RIVALS: dict[str, Transport | None] = {
    "plain removal": None,
    "published scaling": Transport(scale="published", metric="l1", discount="none"),
    "variance": Transport(discount="depthwise"),
}
PLAIN, PUBLISHED, OURS = RIVALS
Choice = tuple[Layout, Allocation, Score]


class Sample(NamedTuple):
    """Normalised images of each task, and the dense net's centred features of them."""

    images: list[Tensor]
    dense: list[Tensor]


def lite0_table() -> Iterator[str]:
    """A table in Markdown, line by line."""
    backbone: Backbone = make("backbones", "efficientnet_lite0")
    body = pretrained_classifier(0)
    body.reset_classifier(0)  # type: ignore[operator]
    emulated = _seen(body, backbone, list(make("streams", CHOOSING))[::20])
    real = _seen(body, backbone, list(make("streams", "nevis-mini")))
    yield "## EfficientNet-Lite0, pretrained on ImageNet, features not pruned\n"
    yield "Cosine between the centered features of the smaller and of the dense net, right after pruning; mean ± half"
    yield f"the 95 % interval over the {len(real.images)} tasks of nevis-mini, {IMAGES} images each, {SIZE} px. Bold:"
    yield f"the best of all layouts, allocations and scores ({', '.join(SCORES)}) for either method, chosen on"
    yield f"{len(emulated.images)} emulated tasks; below it the defaults.\n"
    yield (
        "| FLOPs | layout, allocation, score | "
        + " | ".join(RIVALS)
        + " | *variance minus plain* | *minus published* |"
    )
    yield "| --- " * (4 + len(RIVALS)) + "|"
    default: Choice = ("filter", "layer", "l1")
    for flops in FLOPS:
        best = chosen(body, flops, emulated)
        for choice in dict.fromkeys([best, default]):
            rows = alike(body, choice, flops, real)
            cells = [mean_and_half(row, digits=3) for row in rows.values()]
            for other in (PLAIN, PUBLISHED):
                gains = [a - b for a, b in zip(rows[OURS], rows[other], strict=True)]
                cells.append(mean_and_half(gains, digits=3, sign=True))
            name = ", ".join(choice)
            yield f"| {flops} | {f'**{name}**' if choice == best else name} | " + " | ".join(cells) + " |"
    yield ""


def chosen(body: nn.Module, flops: float, seen: Sample) -> Choice:
    """The choice under which the better of plain removal and ours is best."""
    choices: list[Choice] = list(product(LAYOUTS, ALLOCATIONS, SCORES))

    def worth(choice: Choice) -> float:
        found = alike(body, choice, flops, seen)
        return max(mean(found[PLAIN]), mean(found[OURS]))

    return max(choices, key=worth)


def alike(body: nn.Module, choice: Choice, flops: float, seen: Sample) -> dict[str, list[float]]:
    """By method: for each task, how like the dense net's features those of the smaller one are."""
    layout, allocation, score = choice
    groups = [group for group in prunable(body, SIZE, layout) if not group.output]
    kept = kept_units(body, SIZE, groups, Pruning(flops=flops, allocation=allocation, score=score))
    found = {}
    for name, transport in RIVALS.items():
        net = copy.deepcopy(body)
        if transport is None:
            remove(net, groups, kept)
        else:
            fuse(net, groups, kept, SIZE, transport)
        found[name] = [
            float(torch.cosine_similarity(centered(net(part)), wanted, dim=1).mean())
            for part, wanted in zip(seen.images, seen.dense, strict=True)
        ]
    return found


def _seen(body: nn.Module, backbone: Backbone, tasks: list[Task]) -> Sample:
    images = [normalised(task.load(Split.DEV_TEST).images[:IMAGES], backbone, size=SIZE) for task in tasks]
    return Sample(images, [centered(body(part)) for part in images])


def centered(features: Tensor) -> Tensor:
    return features - features.mean(dim=0)
