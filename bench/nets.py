"""Which trained nets is fusion compared on? Half-width VGG-11 and ResNet-18 with batch norm, four epochs each."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet

from harness.config.registry import make
from harness.core.seeding import named_seed
from harness.core.task import Split
from streams.data.idx import read_idx

FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's ``dataset-fashion-mnist`` lies."""


class Data(NamedTuple):
    """Images float32 (n, 1, 28, 28) and labels, and whether they are real."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    provenance: str


def fashion_mnist(train: int, test: int) -> Data:
    """Fashion-MNIST where Debian's package is installed, else the emulated task of that name in ``nevis22``."""
    if FASHION.is_dir():
        parts = [part for name, n in (("train", train), ("t10k", test)) for part in _real(name, n)]
        return Data(parts[0], parts[1], parts[2], parts[3], "real")
    task = next(task for task in make("streams", "nevis22") if task.name == "fashion_mnist")
    parts = []
    for split, n in ((Split.TRAIN, train), (Split.TEST, test)):
        examples = task.load(split)[:n]
        gray = torch.from_numpy(examples.images[..., :1].copy()).permute(0, 3, 1, 2).float()
        parts += [functional.interpolate(_normalised(gray), (28, 28)), torch.from_numpy(np.asarray(examples.labels))]
    return Data(parts[0], parts[1], parts[2], parts[3], "emulated")


def _real(name: str, n: int) -> tuple[Tensor, Tensor]:
    images = read_idx(FASHION / f"{name}-images-idx3-ubyte.gz", 3)[:n, None]
    labels = read_idx(FASHION / f"{name}-labels-idx1-ubyte.gz", 1)[:n]
    return _normalised(torch.from_numpy(images.copy()).float()), torch.from_numpy(labels.astype(np.int64))


def _normalised(pixels: Tensor) -> Tensor:
    return (pixels - 73) / 90


def vgg11() -> nn.Sequential:
    """Half the widths of VGG-11 with batch norm; body and head."""
    layers: list[nn.Module] = []
    width = 1
    for item in (32, "M", 64, "M", 128, 128, "M", 256, 256, "M", 256, 256):
        if isinstance(item, int):
            layers += [nn.Conv2d(width, item, 3, padding=1, bias=False), nn.BatchNorm2d(item), nn.ReLU(inplace=True)]
            width = item
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(width, 10))


def resnet18() -> nn.Sequential:
    """Half the widths of ResNet-18 with the stem for small images; body and head."""

    def block(inside: int, planes: int, *rest: object, **options: object) -> resnet.BasicBlock:
        return resnet.BasicBlock(inside, planes, *rest, **options)

    widths = (32, 64, 128, 256)
    layers: list[nn.Module] = [nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True)]
    inside = 32
    for stage, width in enumerate(widths):
        for index in range(2):
            stride = 2 if stage > 0 and index == 0 else 1
            shortcut = None
            if stride > 1:
                shortcut = nn.Sequential(nn.Conv2d(inside, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            layers.append(block(inside, width, stride, shortcut))
            inside = width
    return nn.Sequential(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(inside, 10))


def trained(kind: str, seed: int, data: Data, cache: Path, *, epochs: int = 4) -> nn.Sequential:
    """A net trained for ``epochs`` with SGD; taken from ``cache`` where it is there."""
    net = {"vgg11": vgg11, "resnet18": resnet18}[kind]
    torch.manual_seed(named_seed(seed, kind))
    made = net().to(memory_format=torch.channels_last)
    path = cache / f"{kind}-{seed}-{len(data.train)}x{epochs}-{data.provenance}.pt"
    if path.is_file():
        made.load_state_dict(torch.load(path, weights_only=True))
        return made.eval()
    batch, steps = 64, len(data.train) // 64 * epochs
    optimiser = torch.optim.SGD(made.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.05, total_steps=steps, cycle_momentum=False)
    for _ in range(epochs):
        for index in torch.randperm(len(data.train))[: len(data.train) // batch * batch].view(-1, batch):
            images = data.train[index].contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = made(images)
            optimiser.zero_grad()
            functional.cross_entropy(logits.float(), data.train_labels[index]).backward()
            optimiser.step()
            schedule.step()
    cache.mkdir(parents=True, exist_ok=True)
    torch.save(made.state_dict(), path)
    return made.eval()
