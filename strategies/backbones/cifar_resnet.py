"""Which published nets can be trained whole in minutes? The ResNets of CIFAR, section 4.2 of their paper.

He et al., arXiv 1512.03385: three stages of widths 16, 32 and 64 on images of 32 px; shortcuts between stages skip
every other pixel and add channels of zeros (option A), so they have no weights. Layers are named as in the checkpoints
of akamaster/pytorch_resnet_cifar10 (BSD-2-Clause), whose test errors on CIFAR-10 are 8.27, 7.37 and 6.61 % at depths
20, 32 and 56; those want images normalised by the means and deviations of ImageNet.

``harness run smoke --final --size 32 --strategy as_trained --stream "folder(name='cifar10.toml', side=32)"`` with
``--backbone "cifar_resnet(depth=56, weights='FILE')"`` gives the same three numbers on the 10,000 test images.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from harness.compute.backbone import Backbone
from strategies.backbones.checkpoint import Checkpoint
from strategies.backbones.torchvision_zoo import IMAGENET_MEAN, IMAGENET_STD

Depth = Literal[20, 32, 44, 56, 110]


def cifar_resnet(*, depth: Depth = 20, weights: str = "none") -> Backbone:
    """ResNet for images of 32 px, 64 features; ``weights``: a file, with its classifier or without, or none."""
    return checkpoint(depth, weights).backbone()


def checkpoint(depth: Depth, weights: str, *, classes: int = 10) -> Checkpoint:
    """The net with its classifier."""
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    return Checkpoint(
        name="cifar_resnet",
        options=() if depth == 20 else (("depth", depth),),
        net=lambda: CifarResNet((depth - 2) // 6, classes),
        classifier="linear",
        weights=weights,
        offered="weights=FILE: those of github.com/akamaster/pytorch_resnet_cifar10 fit (CIFAR-10, BSD-2-Clause)",
        num_features=64,
        mean=(255 * mean[0], 255 * mean[1], 255 * mean[2]),
        std=(255 * std[0], 255 * std[1], 255 * std[2]),
    )


class CifarResNet(nn.Module):
    """``blocks`` blocks of two convolutions in each of three stages; images (n, 3, h, w) to logits (n, classes)."""

    def __init__(self, blocks: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*[_Block(16, 16) for _ in range(blocks)])
        self.layer2 = nn.Sequential(_Block(16, 32), *[_Block(32, 32) for _ in range(blocks - 1)])
        self.layer3 = nn.Sequential(_Block(32, 64), *[_Block(64, 64) for _ in range(blocks - 1)])
        self.linear = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        maps = functional.relu(self.bn1(self.conv1(images)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        logits: Tensor = self.linear(maps.mean(dim=(2, 3)))
        return logits


class _Block(nn.Module):
    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.stride = 2 if out > width else 1
        self.conv1 = nn.Conv2d(width, out, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.zeros = (out - width) // 2

    def forward(self, maps: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(maps)))))
        if self.stride > 1:
            maps = functional.pad(maps[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.zeros, self.zeros))
        return functional.relu(maps + residual)
