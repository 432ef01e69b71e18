"""Does fusing by optimal transport beat plain removal and the published scaling, right after pruning, without data?

All widths at once, and one at a time, of half-width VGG-11 and ResNet-18, several trained nets each; inside the blocks
of EfficientNet-Lite0; and how long fusing takes. ``make bench-fusion`` writes the tables to ``bench/FUSION.md``; it
trains ten small nets first, which takes an hour on one core and is done once; the rest takes a quarter of one.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import click
import torch
from torch import Tensor, nn

from bench.allocations import lite0_table
from bench.intervals import mean_and_half
from bench.nets import Data, fashion_mnist, trained
from harness.config.registry import make
from harness.core.environment import environment
from strategies.bodies.structure.groups import Group, channel_groups
from strategies.bodies.structure.pruning import Pruning, kept_units, prunable
from strategies.bodies.structure.removal import remove
from strategies.bodies.transport.fusion import Transport, fuse

# A net's own task: units are carried on whole. For other tasks see bench.transfer.
METHODS: dict[str, Transport | None] = {
    "plain removal": None,
    "published scaling": Transport(scale="published", metric="l1", discount="none"),
    "published scaling, plans of `variance`": Transport(scale="published", discount="depthwise"),
    "preserve": Transport(scale="preserve", discount="depthwise"),
    "**variance** (ours)": Transport(discount="depthwise"),
    "variance, no target mass": Transport(target_mass="free", discount="depthwise"),
}
PLAIN, PUBLISHED, SAME_PLANS, _, OURS, _ = METHODS
SPARSITIES = (50, 60)
NAMES = {"vgg11": "VGG-11", "resnet18": "ResNet-18"}
OUT = Path(__file__).parent / "FUSION.md"
TRANSFER = OUT.with_name("TRANSFER.md")

PAPER = {"vgg11": ("tables 10 and 11, 8 groups", 76.3, 80.3), "resnet18": ("tables 12 and 13, 11 groups", 86.8, 91.0)}
"""One group at a time at 50 %, CIFAR-10, L1: where it stands, plain and fused; means over groups are ours."""


@click.command()
@click.option("--nets", default=5, show_default=True, help="Trained nets of each kind.")
@click.option("--images", default=12000, show_default=True, help="Training images.")
@click.option("--cache", default=Path.home() / ".cache/nevis-harness/bench", type=click.Path(path_type=Path))
@click.option("--out", default=OUT, show_default="bench/FUSION.md", type=click.Path(path_type=Path))
@click.option("--skip", multiple=True, type=click.Choice(["vgg11", "resnet18", "lite0", "time"]))
def main(nets: int, images: int, cache: Path, out: Path, skip: tuple[str, ...]) -> None:
    """Write the tables; nothing is written where a part is skipped."""
    torch.set_num_threads(1)
    data = fashion_mnist(images, 1000)
    lines: list[str] = []
    for part in _parts(nets, images, data, cache, skip):
        print(part, flush=True)
        lines.append(part)
    if skip:
        print(f"not written, left out: {', '.join(skip)}")
        return
    out.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(f"written: {out}")


def _parts(nets: int, images: int, data: Data, cache: Path, skip: tuple[str, ...]) -> Iterator[str]:
    yield "# Fusing without data\n"
    yield (
        f"Measured with `make bench-fusion`, torch {environment()['packages']['torch']}, one thread. Accuracy in %, "
        "mean ± half\n"
        "the 95 % interval over nets (Student's t), n nets. Differences are paired: the same net, the same\n"
        "kept units. No data and no training but where batch norm is measured again, on 1,000 training images, for\n"
        "every method alike.\n"
    )
    for kind in ("vgg11", "resnet18"):
        if kind not in skip:
            sources = [trained(kind, seed, data, cache) for seed in range(nets)]
            with torch.no_grad():
                yield from _whole_nets(kind, sources, images, data)
                yield from _one_at_a_time(kind, sources, data)
    if "lite0" not in skip:
        with torch.no_grad():
            yield from lite0_table()
    if "time" not in skip:
        yield from _seconds()
    yield from other_tasks()


def _whole_nets(kind: str, sources: Sequence[nn.Module], images: int, data: Data) -> Iterator[str]:
    dense = mean_and_half([accuracy(net, data) for net in sources])
    yield f"## {NAMES[kind]}, half width, all widths at once\n"
    yield (
        f"Fashion-MNIST ({data.provenance}), {images:,} images, 4 epochs; {len(data.test):,} test images; "
        f"dense {dense}, n = {len(sources)}.\n"
    )
    raw: dict[tuple[str, int], list[float]] = {}
    again: dict[tuple[str, int], list[float]] = {}
    for name, transport in METHODS.items():
        for sparsity in SPARSITIES:
            nets = [smaller(net, 28, 1 - sparsity / 100, transport) for net in sources]
            raw[name, sparsity] = [accuracy(net, data) for net in nets]
            again[name, sparsity] = [accuracy(remeasured(net, data.train[:1000]), data) for net in nets]
    heads = [f"{s} %{what}" for s in SPARSITIES for what in ("", ", norm measured again")]
    yield from _header("right after pruning, sparsity", heads)
    for name in METHODS:
        cells = [mean_and_half(found[name, s]) for s in SPARSITIES for found in (raw, again)]
        yield _row(name, cells)
    for name in (PLAIN, PUBLISHED, SAME_PLANS):
        cells = [
            mean_and_half([a - b for a, b in zip(found[OURS, s], found[name, s], strict=True)], sign=True)
            for s in SPARSITIES
            for found in (raw, again)
        ]
        yield _row(f"*variance minus {name}*", cells)
    yield ""


def _one_at_a_time(kind: str, sources: Sequence[nn.Module], data: Data) -> Iterator[str]:
    """The paper's own experiment: one group is pruned by half, all others stay."""
    few = data._replace(test=data.test[:300], test_labels=data.test_labels[:300])
    where, plain, fused = PAPER[kind]
    names = [PLAIN, PUBLISHED, OURS]
    means: dict[str, list[float]] = {name: [] for name in names}
    won = 0
    groups = hidden(_wrapped(copy.deepcopy(sources[0])), 28)
    for net in sources[:3]:
        table = [[accuracy(smaller(net, 28, 0.5, METHODS[n], only=g.name), few) for g in groups] for n in names]
        won += sum(ours >= theirs for theirs, ours in zip(table[1], table[2], strict=True))
        for name, row in zip(names, table, strict=True):
            means[name].append(sum(row) / len(row))
    yield f"One group of {NAMES[kind]} at a time, 50 %, mean over its {len(groups)} groups; n = {len(sources[:3])},"
    yield "300 test images; beside it the published figures (their full-width nets on CIFAR-10, arXiv 2402.07839,"
    yield f"<https://arxiv.org/abs/2402.07839>, {where}; the mean over groups is ours).\n"
    yield from _header("one group at a time", ["here", "published"])
    for name, theirs in zip(names, (f"{plain}", f"{fused}", ""), strict=True):
        yield _row(name, [mean_and_half(means[name]), theirs])
    cases = len(groups) * len(sources[:3])
    yield f"\n`variance` is at least as good as the published scaling in {won} of {cases} cases.\n"


def hidden(net: nn.Module, size: int) -> list[Group]:
    """All widths but the features, which the head reads, and the images' own."""
    return [group for group in channel_groups(net, size) if not group.output and group.name != "0"]


def _wrapped(net: nn.Module) -> nn.Module:
    """A net that takes images of 3 channels, with which groups are found; ``net`` itself is its second part."""
    stem = next(module for module in net.modules() if isinstance(module, nn.Conv2d))
    return nn.Sequential(nn.Conv2d(3, stem.in_channels, 1), net)


def smaller(net: nn.Module, size: int, keep: float, transport: Transport | None, *, only: str = "") -> nn.Module:
    """A copy with all widths but the logits pruned, or fused; or ``only`` one of them."""
    copied = copy.deepcopy(net)
    whole = _wrapped(copied)
    groups = [group for group in hidden(whole, size) if only in ("", group.name)]
    kept = kept_units(whole, size, groups, Pruning(keep=keep))
    if transport is None:
        remove(whole, groups, kept)
    else:
        fuse(whole, groups, kept, size, transport)
    return copied


def remeasured(net: nn.Module, images: Tensor) -> nn.Module:
    """A copy whose batch-norm statistics are the means over batches of 100 ``images``."""
    net = copy.deepcopy(net)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    net.train()
    for batch in images.split(100):
        net(batch)
    return net.eval()


def accuracy(net: nn.Module, data: Data) -> float:
    # In the number format that the nets were trained in.
    with torch.autocast("cpu", torch.bfloat16):
        logits = torch.cat([net(part.contiguous(memory_format=torch.channels_last)) for part in data.test.split(500)])
    return 100 * float((logits.argmax(dim=1) == data.test_labels).float().mean())


def _seconds() -> Iterator[str]:
    """CPU seconds to find plans for all widths at 50 % and to fuse, on one core; the groups are found before."""
    yield "## Time\n\nCPU seconds to fuse all widths at 50 %, full width, one core, best of 5.\n"
    yield from _header("net", ["L2 cost (default)", "L1 cost, as published"])
    for name in ("resnet18", "resnet50"):
        body = make("backbones", f"torchvision:{name}(weights=none)").build().eval()
        groups = prunable(body, 64, "channel")
        kept = kept_units(body, 64, groups, Pruning(keep=0.5))
        cells = []
        for transport in (Transport(), Transport(metric="l1")):
            work = partial(fuse, groups=groups, kept=kept, size=64, transport=transport)
            cells.append(f"{min(timed(partial(work, copy.deepcopy(body))) for _ in range(5)):.2f}")
        yield _row(name, cells)


def other_tasks() -> Iterator[str]:
    """What ``bench.transfer`` found, in short: a row a net and share of the FLOPs, differences to plain removal."""
    methods = ("transport, discount=all (default)", "plan=function")
    yield "\n## Other tasks than the net's own\n"
    yield "Points of error of a ridge head less those after plain removal of the same units, right after; below 0"
    yield "fusing is ahead. From [TRANSFER.md](TRANSFER.md), which names the tasks; trained: [FUSED.md](FUSED.md).\n"
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    net, roles = "", list[str]()
    for line in TRANSFER.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("## "):
            net = line.removeprefix("## ").partition(":")[0]
        elif line.startswith("| FLOPs"):
            roles = [cell.partition(":")[0] for cell in cells[2::2]]
        elif len(cells) > 2 and cells[1] in methods:
            found.setdefault((net, cells[0]), {})[cells[1]] = cells[3::2]
    yield from _header("net, share of FLOPs", [f"{method}, {role}" for method in methods for role in roles])
    for (name, share), by_method in found.items():
        yield _row(f"{name}, {share}", [cell for method in methods for cell in by_method[method]])
    yield ""


def timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _header(first: str, rest: list[str]) -> Iterator[str]:
    yield _row(first, rest)
    yield _row("---", ["---"] * len(rest))


def _row(first: str, rest: list[str]) -> str:
    return f"| {first} | " + " | ".join(rest) + " |"


if __name__ == "__main__":
    main()
