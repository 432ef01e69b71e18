"""Do emulated tasks rank bodies and solved heads as the real ones do? On every pair at hand, trained by nobody.

    NEVIS_HARNESS_DATA=FOLDER python -m bench.fidelity_solved --measure     # what bench/fidelity_solved.csv lacks
    python -m bench.fidelity_solved                                         # the tables, from that file alone

A pair is a data set of NEVIS'22 of which real images are at hand, whole or partial, and its emulation. Both get as many
training images as the smaller one has, at most 300 or one a class, and are scored on as many of dev and dev_test, none
of which solved heads have seen. Generators may be changed by what :data:`DEVELOP` shows; other pairs are reported only.
Rank correlations are Spearman's over the strategies, by pair; their mean has Student's 95 % interval over pairs.
``halves`` correlates two halves of the real images that were scored: what is missing to 1 is noise of so few images.
"""

import argparse
import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from bench.intervals import mean_and_half
from harness.compute.backbone import Backbone
from harness.compute.meter import ComputeMeter
from harness.config.registry import make
from harness.config.suite import opened
from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from harness.core.spec import Setting
from harness.core.task import Examples, Provenance, Split, Task
from harness.learning.batches import Features, stratified
from harness.learning.context import Context
from strategies.learners.heads import ncm_head, ridge_head

FILE = Path(__file__).with_suffix(".csv")
NET, SIZE, SEED = "resnet50_half", 64, 3
"""Generators were tuned on seed 0 of the emulation, learning rates on 1, recipes on 5 and above."""

TRAIN, SCORED = 300, 200
DEVELOP = ("landsat", "caltech101", "german_tsr", "dtd", "semeion", "fashion_mnist", "covid_19_xray")
REPORT = (
    *("brodatz", "coil20", "coil100", "mpeg7", "mnist", "scenes15", "lfw", "cifar10", "oxford_iiit_pet", "chars74k"),
    *("cifar100", "mnist_m", "pacs", "melanoma", "not_mnist", "tiny_imagenet", "food101", "shanghai_tech"),
)
BODIES = (
    "dense",
    "filter_pruned(flops=0.5)",
    "filter_pruned(flops=0.25)",
    "channel_pruned(flops=0.5)",
    "ot_fused(flops=0.5)",
)
HEADS: dict[str, Callable[[Features, Task, Context], nn.Linear]] = {"ridge": ridge_head, "ncm": ncm_head}
DENSE = "dense, ridge"


class Row(NamedTuple):
    """Errors of one strategy on one side of a pair: of all images scored, and of every second one from the first."""

    task: str
    domain: str
    side: str
    strategy: str
    error: float
    even: float
    odd: float
    train: int
    scored: int


def read() -> list[Row]:
    """The rows of the file; none if it is not there."""
    if not FILE.is_file():
        return []
    with FILE.open(encoding="utf-8", newline="") as file:
        return [
            Row(*(kind(cell) for kind, cell in zip(Row.__annotations__.values(), line, strict=True)))
            for line in list(csv.reader(file))[1:]
        ]


def write(rows: Iterable[Row]) -> None:
    with FILE.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(Row._fields)
        out.writerows([f"{cell:.4f}" if isinstance(cell, float) else cell for cell in row] for row in rows)


def measure() -> None:
    """Measure the pairs that the file lacks and whose real images are at hand; the file grows pair by pair."""
    rows = read()
    backbone: Backbone = make("backbones", NET)
    nets = {spec: _body(spec, backbone) for spec in BODIES}
    for name in (*DEVELOP, *REPORT):
        if any(row.task == name for row in rows):
            continue
        try:
            (real,) = opened(f"nevis22(source=real, partial=allow, tasks=[{name}])")
        except UserError as error:
            print(f"{name}: {str(error)[:90]}", flush=True)
            continue
        (emulated,) = opened(f"nevis22(seed={SEED}, tasks=[{name}])")
        rows += _pair(real, emulated, nets, backbone)
        write(rows)
        print(f"{name}: {[round(row.error, 3) for row in rows if row.task == name]}", flush=True)


def _body(spec: str, backbone: Backbone) -> nn.Module:
    net: nn.Module = make("bodies", spec).adapted(backbone.build().eval(), SIZE)
    return net.eval().to(memory_format=torch.channels_last)


def _pair(real: Task, emulated: Task, nets: dict[str, nn.Module], backbone: Backbone) -> list[Row]:
    sides = {"real": real, "emulated": emulated}
    classes = max(task.num_classes for task in sides.values())
    train = min(max(TRAIN, classes), *(task.sizes[Split.TRAIN] for task in sides.values()))
    scored = min(SCORED, *(task.sizes[Split.DEV] + task.sizes[Split.DEV_TEST] for task in sides.values()))
    rows = []
    for side, task in sides.items():
        shown = _some(task, [Split.TRAIN], train)
        asked = _some(task, [Split.DEV, Split.DEV_TEST], scored)
        label = "partial" if task.provenance is Provenance.PARTIAL else side
        for strategy, wrong in _wrong(task, shown, asked, nets, backbone):
            error, even, odd = (float(part.mean()) for part in (wrong, wrong[::2], wrong[1::2]))
            rows.append(Row(real.name, real.domain, label, strategy, error, even, odd, len(shown), len(asked)))
    return rows


def _some(task: Task, splits: list[Split], count: int) -> Examples:
    """At most ``count`` examples of ``splits`` together, the classes in turn, in a drawn order."""
    parts = [task.load(split) for split in splits]
    labels = np.concatenate([part.labels for part in parts])
    draws = numpy_generator(0, task.name, *map(str, splits))
    chosen = draws.permutation(stratified(labels, min(count, len(labels)), draws))
    return Examples(np.concatenate([part.images for part in parts])[chosen], labels[chosen])


@torch.inference_mode()
def _wrong(
    task: Task, shown: Examples, asked: Examples, nets: dict[str, nn.Module], backbone: Backbone
) -> Iterable[tuple[str, np.ndarray]]:
    """For each strategy, which of the images asked are predicted wrongly."""
    ctx = Context(backbone, Setting(backbone=NET, size=SIZE, precision="bf16"), 0, ComputeMeter())
    for name, net in nets.items():
        known, new = (ctx.features(net, data, name=task.name) for data in (shown, asked))
        for head, solve in HEADS.items():
            if head == "ridge" or name == "dense":
                scores: Tensor = solve(known, task, ctx)(new.values)
                yield f"{name}, {head}", scores.argmax(dim=1).numpy() != new.labels


def agreement(rows: list[Row], task: str) -> tuple[float, float]:
    """Spearman's rank correlation over the strategies: real with emulated, and half with half of the real images."""
    mine = [row for row in rows if row.task == task]
    ours = {row.strategy: row.error for row in mine if row.side == "emulated"}
    theirs = [row for row in mine if row.side != "emulated"]
    both = spearmanr([row.error for row in theirs], [ours[row.strategy] for row in theirs]).statistic
    halves = spearmanr([row.even for row in theirs], [row.odd for row in theirs]).statistic
    return float(both), float(halves)


def lines(rows: list[Row]) -> list[str]:
    """The tables, in Markdown."""
    tasks = list(dict.fromkeys(row.task for row in rows))
    found = {task: agreement(rows, task) for task in tasks}
    domain = {row.task: row.domain for row in rows}
    partial = {row.task for row in rows if row.side == "partial"}
    error = {(row.task, row.side == "emulated", row.strategy): row.error for row in rows}
    out = ["| pair | domain | role | error, real | emulated | rank correlation | halves |", "|" + " --- |" * 7]
    for task in tasks:
        role = "develop" if task in DEVELOP else "report"
        hard = [f"{error[task, emulated, DENSE]:.2f}" for emulated in (False, True)]
        named = f"{task} (partial)" if task in partial else task
        ranks = [f"{rank:+.2f}" for rank in found[task]]
        out.append(f"| {' | '.join([named, domain[task], role, *hard, *ranks])} |")
    groups = {
        "all": tasks,
        "develop": [task for task in tasks if task in DEVELOP],
        "report": [task for task in tasks if task not in DEVELOP],
        "whole data sets": [task for task in tasks if task not in partial],
        **{f"domain {one}": [t for t in tasks if domain[t] == one] for one in dict.fromkeys(domain.values())},
    }
    out += ["", "| pairs | n | mean rank correlation | halves |", "|" + " --- |" * 4]
    for name, some in groups.items():
        means = [_mean([found[task][k] for task in some if np.isfinite(found[task][k])]) for k in (0, 1)]
        out.append(f"| {name} | {len(some)} | {' | '.join(means)} |")
    strategies = list(dict.fromkeys(row.strategy for row in rows))
    out += [
        "",
        "| strategy | mean error, real | emulated | difference to the dense net, real | emulated |",
        "|" + " --- |" * 5,
    ]
    for one in strategies:
        here, there = (mean(error[t, emulated, one] for t in tasks) for emulated in (False, True))
        gaps = [
            mean_and_half([100 * (error[t, emulated, one] - error[t, emulated, DENSE]) for t in tasks], sign=True)
            for emulated in (False, True)
        ]
        out.append(f"| {one} | {here:.3f} | {there:.3f} | {' | '.join(gaps)} |")
    dense = [[error[t, emulated, DENSE] for t in tasks] for emulated in (False, True)]
    apart = [b - a for a, b in zip(*dense, strict=True)]
    same = spearmanr(*dense).statistic
    out += [
        "",
        f"Difficulty, error of the dense net with a ridge head: rank correlation over {len(tasks)} pairs {same:+.2f}; "
        f"emulated minus real {mean_and_half([100 * x for x in apart], sign=True)} points, "
        f"absolute {mean(map(abs, apart)) * 100:.0f} points in the mean.",
    ]
    return out


def _mean(values: list[float]) -> str:
    """With its interval from five values on: of fewer it says nothing."""
    return mean_and_half(values, digits=2, sign=True) if len(values) >= 5 else f"{mean(values):+.2f}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--measure", action="store_true", help="measure the pairs at hand that the file lacks")
    if parser.parse_args(arguments).measure:
        torch.set_num_threads(1)
        measure()
    print("\n".join(lines(read())))


if __name__ == "__main__":
    main()
