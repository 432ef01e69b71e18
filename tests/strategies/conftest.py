"""Small nets that hold every kind of layer, and a real task that loads in no time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.compute.backbone import Backbone, Classifier
from harness.compute.caps import dense_flops
from harness.compute.meter import ComputeMeter
from harness.config.registry import make
from harness.core.spec import Setting
from harness.core.task import Examples, Kind, Phase, Provenance, Split, Task
from harness.learning.context import Context
from harness.learning.strategy import nets

SIZE = 16


class Bottleneck(nn.Module):
    """1x1, grouped or depthwise 3x3, 1x1, with squeeze and excitation, and a shortcut where widths agree."""

    def __init__(self, width: int, inner: int, out: int, *, groups: int = 1, excite: bool = False) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, groups=groups, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.conv3, self.norm3 = nn.Conv2d(inner, out, 1, bias=False), nn.BatchNorm2d(out)
        self.squeeze = nn.Conv2d(inner, 4, 1) if excite else None
        self.gate = nn.Conv2d(4, inner, 1) if excite else None
        self.shortcut = width == out

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        y = torch.relu(self.norm2(self.conv2(y)))
        if self.squeeze is not None and self.gate is not None:
            y = y * torch.sigmoid(self.gate(torch.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        y = self.norm3(self.conv3(y))
        return y + x if self.shortcut else y


class SmallNet(nn.Module):
    """Stem, two or three bottlenecks, and a linear layer behind a flatten that gives the features."""

    def __init__(
        self, *, width: int = 8, inner: int = 12, groups: int = 1, excite: bool = False, blocks: int = 2
    ) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, width, 3, stride=4, padding=1, bias=False), nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(
            *[Bottleneck(width, inner, width, groups=groups, excite=excite) for _ in range(blocks)],
            Bottleneck(width, inner, 2 * width, groups=groups, excite=excite),
        )
        self.pool = nn.MaxPool2d(2)
        self.last = nn.Linear(2 * width * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        return self.last(self.pool(torch.relu(self.blocks(x))).flatten(1))


def lively(net: nn.Module, seed: int) -> nn.Module:
    """Weights and norm statistics as training leaves them: no norm is an identity any more."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for entry, low, high in (("weight", 0.5, 1.5), ("bias", -0.5, 0.5), ("running_mean", -0.5, 0.5)):
                getattr(module, entry).data.uniform_(low, high, generator=generator)
            assert module.running_var is not None
            module.running_var.uniform_(0.5, 2.0, generator=generator)
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            module.weight.data.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
            if module.bias is not None:
                module.bias.data.uniform_(-0.3, 0.3, generator=generator)
    return net.eval()


@pytest.fixture(scope="session")
def small_net() -> Callable[..., nn.Module]:
    """Makes a small net: options of ``SmallNet``, and ``seed``."""

    def made(*, seed: int = 0, **options: Any) -> nn.Module:
        return lively(SmallNet(**options), seed)

    return made


@pytest.fixture(scope="session")
def images() -> Tensor:
    """Ten random images for small nets."""
    return torch.randn(10, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(7))


@pytest.fixture(scope="session")
def digits() -> Task:
    """The real digits of scikit-learn, 32 x 32 px."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pictures = np.repeat((data.images * 255 / 16).astype(np.uint8)[..., None], 3, axis=3)
    pictures = pictures.repeat(4, axis=1).repeat(4, axis=2)
    shuffled = np.random.default_rng(0).permutation(len(pictures))
    pictures, labels = pictures[shuffled], data.target[shuffled].astype(np.int64)
    parts = {
        Split.TRAIN: slice(0, 400), Split.DEV: slice(400, 500),
        Split.DEV_TEST: slice(500, 700), Split.TEST: slice(700, 900),
    }  # fmt: skip
    return Task(
        name="digits",
        year=1998,
        domain="ocr",
        kind=Kind.MULTICLASS,
        num_classes=10,
        provenance=Provenance.REAL,
        phase=Phase.DEVELOPMENT,
        load=lambda split: Examples(pictures[parts[split]], labels[parts[split]]),
        sizes={split: part.stop - part.start for split, part in parts.items()},
    )


class Run:
    """One strategy on one task under a budget in epochs of the dense net, as the runner does it."""

    def __init__(
        self, spec: str, task: Task, *, epochs: float, backbone: str = "efficientnet_lite0", size: int = 32
    ) -> None:
        self.task = task
        self.strategy = make("strategies", spec)
        opened: Backbone = make("backbones", backbone)
        self.setup = ComputeMeter()
        self.ctx = Context(backbone=opened, setting=Setting(backbone=backbone, size=size), seed=0, meter=self.setup)
        with self.setup:
            self.strategy.prepare(self.ctx)
        self.ctx.dense_flops = dense_flops(opened, task.num_classes, size)
        self.meter = ComputeMeter(flops=epochs * self.ctx.dense_flops * task.sizes[Split.TRAIN])

    @property
    def net(self) -> Classifier:
        """The net that predicts."""
        (net,) = nets(self.strategy)
        assert isinstance(net, Classifier)
        return net

    def learn(self) -> "Run":
        self.ctx.meter = self.meter
        with self.meter:
            self.strategy.learn(self.task.for_learning(), self.ctx)
        return self

    def accuracy(self) -> float:
        examples = self.task.load(Split.DEV_TEST)
        with torch.inference_mode():
            logits = self.strategy.predict(self.task, self.ctx.inputs(examples))
        return float((logits.argmax(dim=1).numpy() == examples.labels).mean())


@pytest.fixture
def run(digits: Task) -> Callable[..., Run]:
    """Prepares a strategy for the digits: ``run("finetune", epochs=1).learn().accuracy()``."""
    return lambda spec, **options: Run(spec, digits, **options)
