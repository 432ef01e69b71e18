"""Does fusing by optimal transport beat plain removal and the published scaling, right after pruning, without data?

All widths of half-width VGG-11 and ResNet-18, several trained nets each; inside the blocks of EfficientNet-Lite0; and
how long fusing takes. ``make bench-fusion`` runs it; it trains six small nets first, which takes a while on one core.
"""

import copy
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean, stdev

import click
import torch
from nets import Data, fashion_mnist, trained
from scipy.stats import t as student
from torch import Tensor, nn

from harness.backbone import Backbone
from harness.batches import normalised
from harness.registry import make
from harness.task import Split
from strategies.backbones.efficientnet_lite import pretrained_classifier
from strategies.structure.groups import channel_groups
from strategies.structure.pruning import Pruning, kept_units, prunable
from strategies.structure.removal import remove
from strategies.transport.fusion import Transport, fuse

METHODS: dict[str, Transport | None] = {
    "plain": None,
    "published": Transport(scale="published", metric="l1", discount="none"),
    "variance": Transport(),
    "published, L2": Transport(scale="published"),
    "variance, L1": Transport(metric="l1"),
    "variance, free": Transport(target_mass="free"),
}

PUBLISHED = """\
The paper prunes one group at a time (arXiv 2402.07839, tables 10 to 13; means over groups are ours), CIFAR-10, 50 %:
VGG-11 plain 76.3, fused 80.3; ResNet-18 plain 86.8, fused 91.0. Data-free figures for whole nets were not published."""


@click.command()
@click.option("--nets", default=3, show_default=True, help="Trained nets of each kind.")
@click.option("--images", default=12000, show_default=True, help="Training images.")
@click.option("--cache", default=Path.home() / ".cache/nevis-harness/bench", type=click.Path(path_type=Path))
@click.option("--skip", multiple=True, type=click.Choice(["vgg11", "resnet18", "lite0", "time"]))
def main(nets: int, images: int, cache: Path, skip: tuple[str, ...]) -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    data = fashion_mnist(images, 4000)
    for kind in ("vgg11", "resnet18"):
        if kind not in skip:
            accuracies(kind, nets, data, cache)
    if "lite0" not in skip:
        agreement()
    if "time" not in skip:
        seconds()


@torch.no_grad()
def accuracies(kind: str, nets: int, data: Data, cache: Path) -> None:
    """Accuracy of all widths pruned or fused at once, and in brackets after batch norm is measured on 1000 images."""
    with torch.enable_grad():
        sources = [trained(kind, seed, data, cache) for seed in range(nets)]
    dense = [accuracy(net, data) for net in sources]
    print(f"\n{kind}, half width, Fashion-MNIST ({data.provenance}), {nets} nets, dense {interval(dense)}")
    print(f"{'':16s}" + "".join(f"{f'{s}%':>30s}" for s in (30, 50, 60, 70)))
    cells: dict[str, list[str]] = {name: [] for name in METHODS}
    for keep in (0.7, 0.5, 0.4, 0.3):
        for name, transport in METHODS.items():
            adapted = [smaller(net, 28, keep, transport) for net in sources]
            raw = [accuracy(net, data) for net in adapted]
            again = [accuracy(remeasured(net, data.train[:1000]), data) for net in adapted]
            cells[name].append(f"{interval(raw)} ({interval(again)})")
    for name, row in cells.items():
        print(f"{name:16s}" + "".join(f"{cell:>30s}" for cell in row))
    print(PUBLISHED)


def smaller(net: nn.Module, size: int, keep: float, transport: Transport | None) -> nn.Module:
    """A copy with all widths but the logits pruned, or fused."""
    body = net[0] if isinstance(net, nn.Sequential) else net
    stem = next(module for module in body.modules() if isinstance(module, nn.Conv2d))
    wide = copy.deepcopy(net)
    probe = nn.Sequential(nn.Conv2d(3, stem.in_channels, 1), wide)  # The groups are found with images of 3 channels.
    groups = [group for group in channel_groups(probe, size) if not group.output and group.name != "0"]
    kept = kept_units(probe, size, groups, Pruning(keep=keep))
    if transport is None:
        remove(probe, groups, kept)
    else:
        fuse(probe, groups, kept, size, transport)
    return wide


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
    logits = torch.cat([net(part.contiguous(memory_format=torch.channels_last)) for part in data.test.split(500)])
    return 100 * float((logits.argmax(dim=1) == data.test_labels).float().mean())


def interval(values: list[float]) -> str:
    """Mean and half the width of the 95 % interval over nets."""
    if len(values) < 2:
        return f"{mean(values):.1f}"
    half = student.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{mean(values):.1f} ±{half:.1f}"


@torch.no_grad()
def agreement() -> None:
    """EfficientNet-Lite0: how like the dense net's features are those of the smaller one, on real images, 64 px."""
    backbone: Backbone = make("backbones", "efficientnet_lite0")
    tasks = list(make("streams", "nevis-mini"))
    parts = [normalised(task.load(Split.DEV_TEST).images[:64], backbone, size=64) for task in tasks]
    images = torch.cat(parts)
    body = pretrained_classifier(0)
    body.reset_classifier(0)  # type: ignore[operator]
    wanted = centered(body(images))
    print(f"\nefficientnet_lite0, inside blocks, {len(images)} images of nevis-mini: cosine of centered features")
    print("(in brackets after batch norm is measured on them); keep 0.95, 0.9, 0.8, 0.5")
    lite: dict[str, Transport | None] = {**METHODS, "variance, no discount": Transport(discount="none")}
    groups = prunable(body, 64, "filter")
    for name, transport in lite.items():
        cells = []
        for keep in (0.95, 0.9, 0.8, 0.5):
            kept = kept_units(body, 64, groups, Pruning(keep=keep))
            net = copy.deepcopy(body)
            if transport is None:
                remove(net, groups, kept)
            else:
                fuse(net, groups, kept, 64, transport)
            again = remeasured(net, images)
            reference = centered(remeasured(body, images)(images))
            cells.append(f"{alike(net(images), wanted):.3f} ({alike(again(images), reference):.3f})")
        print(f"{name:24s}" + "".join(f"{cell:>18s}" for cell in cells))


def centered(features: Tensor) -> Tensor:
    return features - features.mean(dim=0)


def alike(features: Tensor, wanted: Tensor) -> float:
    return float(torch.cosine_similarity(centered(features), wanted, dim=1).mean())


def seconds() -> None:
    """CPU seconds to find plans for all widths at 50 % and to fuse, on one core; the groups are found before."""
    print("\nCPU seconds to fuse all widths at 50 %, one core, best of 3")
    for name in ("resnet18", "resnet50"):
        body = make("backbones", f"torchvision:{name}(weights=none)").build().eval()
        groups = prunable(body, 64, "channel")
        kept = kept_units(body, 64, groups, Pruning(keep=0.5))
        for metric in ("l2", "l1"):
            work = partial(fuse, groups=groups, kept=kept, size=64, transport=Transport(metric=metric))
            best = min(timed(partial(work, copy.deepcopy(body))) for _ in range(3))
            print(f"{name} {metric}: {best:.2f}")


def timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
