"""Which nets of Fashion-MNIST's own list of results can be trained whole in minutes? A perceptron and a small convnet.

The list stands in the data set's README, https://github.com/zalandoresearch/fashion-mnist. Both are for one channel of
28 px and learn from nothing; of three equal channels they read the mean. Pixels lie in 0..1, without normalisation.
"""

from itertools import pairwise

from torch import Tensor, nn

from harness.compute.backbone import Backbone
from strategies.backbones.checkpoint import Checkpoint

SIDE = 28
_UNIT = ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))


def small_mlp(*, weights: str = "none") -> Backbone:
    """A perceptron of 784-256-128-100 rectified units for images of 28 px; ``weights``: a file, or none."""
    return _checkpoint("small_mlp", Perceptron, 100, weights).backbone()


def small_convnet(*, weights: str = "none") -> Backbone:
    """Two convolutions of 5 x 5 with pooling, then 1,024 units with dropout, for 28 px; ``weights``: a file, or none.

    The net of ``benchmark/convnet.py`` in the data set's repository, there from TensorFlow's guide to its layers.
    """
    return _checkpoint("small_convnet", Convnet, 1024, weights).backbone()


def _checkpoint(name: str, net: type[nn.Module], features: int, weights: str) -> Checkpoint:
    mean, std = _UNIT
    return Checkpoint(
        name=name, net=net, classifier="classifier", weights=weights, num_features=features, mean=mean, std=std
    )


class Perceptron(nn.Module):
    """Images (n, 3, 28, 28) to logits (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (SIDE**2, 256, 128, 100)
        self.layers = nn.Sequential()
        for inputs, outputs in pairwise(widths):
            self.layers.extend([nn.Linear(inputs, outputs), nn.ReLU()])
        self.classifier = nn.Linear(100, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.layers(_grey(images).flatten(1)))
        return logits


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
