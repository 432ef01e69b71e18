"""Which nets of published results can be trained whole in minutes? Two perceptrons and a small convnet, for 28 px.

``small_mlp`` and ``small_convnet`` are of Fashion-MNIST's own list, in the data set's README,
https://github.com/zalandoresearch/fashion-mnist; ``split_mlp`` is the net of the numbers on Split-MNIST in
https://github.com/ContinualAI/continual-learning-baselines. They are for one channel and learn from nothing; of three
equal channels they read the mean.
"""

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from harness.compute.backbone import Backbone
from strategies.backbones.checkpoint import Checkpoint

SIDE = 28
Normalised = tuple[tuple[float, float, float], tuple[float, float, float]]
_UNIT = ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
"""Pixels in 0..1, without normalisation."""

_MNIST = ((0.1307 * 255,) * 3, (0.3081 * 255,) * 3)
"""Mean and standard deviation of MNIST's training images, as Avalanche's SplitMNIST takes them."""


def small_mlp(*, weights: str = "none") -> Backbone:
    """A perceptron of 784-256-128-100 rectified units for images of 28 px; ``weights``: a file, or none."""
    return _checkpoint("small_mlp", Perceptron, 100, weights).backbone()


def split_mlp(*, weights: str = "none") -> Backbone:
    """A perceptron of 784-256-256 rectified units for MNIST's images of 28 px; ``weights``: a file, or none.

    ``MultiHeadMLP`` of continual-learning-baselines; a head for each task is added by who learns.
    """
    return _checkpoint("split_mlp", SplitPerceptron, 256, weights, normalised=_MNIST).backbone()


def small_convnet(*, weights: str = "none") -> Backbone:
    """Two convolutions of 5 x 5 with pooling, then 1,024 units with dropout, for 28 px; ``weights``: a file, or none.

    The net of ``benchmark/convnet.py`` in the data set's repository, there from TensorFlow's guide to its layers.
    """
    return _checkpoint("small_convnet", Convnet, 1024, weights).backbone()


def _checkpoint(
    name: str, net: type[nn.Module], features: int, weights: str, *, normalised: Normalised = _UNIT
) -> Checkpoint:
    mean, std = normalised
    return Checkpoint(
        name=name, net=net, classifier="classifier", weights=weights, num_features=features, mean=mean, std=std
    )


class Perceptron(nn.Module):
    """Images (n, 3, 28, 28) to logits (n, 10)."""

    widths: ClassVar[tuple[int, ...]] = (256, 128, 100)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        for inputs, outputs in pairwise((SIDE**2, *self.widths)):
            self.layers.extend([nn.Linear(inputs, outputs), nn.ReLU()])
        self.classifier = nn.Linear(self.widths[-1], 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.layers(_grey(images).flatten(1)))
        return logits


class SplitPerceptron(Perceptron):
    """A perceptron of two layers of equal width."""

    widths = (256, 256)


class Convnet(nn.Module):
    """Images (n, 3, 28, 28) to logits (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.dense = nn.Sequential(nn.Linear(64 * (SIDE // 4) ** 2, 1024), nn.ReLU(), nn.Dropout(0.4))
        self.classifier = nn.Linear(1024, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.dense(self.features(_grey(images)).flatten(1)))
        return logits


def _grey(images: Tensor) -> Tensor:
    return images.mean(dim=1, keepdim=True)
