"""Do the nets whose files we read ourselves compute what their checkpoints say, and can they be made smaller?"""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.compute.backbone import feature_width
from harness.compute.flops import flops_forward
from harness.config.registry import make
from harness.core.errors import UserError
from strategies.backbones import cifar_resnet, squeezenet
from strategies.bodies.structure.pruning import Layout

PALACE = 698
"""Among the 1,000 classes of ImageNet."""


def test_a_checkpoint_of_a_cifar_resnet_brings_its_own_classifier(tmp_path: Path) -> None:
    """As akamaster's files hold it: in ``state_dict``, every name behind ``module.``."""
    torch.manual_seed(0)
    net = cifar_resnet.CifarResNet(3, 10).eval()
    path = tmp_path / "net.th"
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}, "best_prec1": 91.73}, path)
    backbone = make("backbones", f"cifar_resnet(weights={str(path)!r})")
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(backbone.find_classifier()(backbone.build()(images)), net(images))


def test_a_checkpoint_of_another_depth_is_refused(tmp_path: Path) -> None:
    torch.save(cifar_resnet.CifarResNet(3, 10).state_dict(), tmp_path / "net.pt")
    backbone = make("backbones", f"cifar_resnet(depth=32, weights={str(tmp_path / 'net.pt')!r})")
    with pytest.raises(UserError, match="belong to another net"):
        backbone.build()


@pytest.mark.parametrize(("depth", "parameters"), [(20, 0.27), (32, 0.46), (56, 0.85)])
def test_cifar_resnets_have_the_sizes_of_their_paper(depth: int, parameters: float) -> None:
    """Table 6 of arXiv 1512.03385, in millions."""
    net = cifar_resnet.CifarResNet((depth - 2) // 6, 10)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(parameters, abs=0.005)


def test_squeezenet_knows_a_palace() -> None:
    """Its authors publish no outputs; a right answer, shows layers and their order."""
    pytest.importorskip("h5py", reason="comes with the extra 'dev'")
    from sklearn.datasets import load_sample_image

    whole, body = squeezenet.checkpoint(), make("backbones", "squeezenet1_1").build()
    photograph = torch.tensor(load_sample_image("china.jpg")[50:400, 100:450]).permute(2, 0, 1).float()[None]
    images = nn.functional.interpolate(photograph, (227, 227), mode="bilinear") - torch.tensor(whole.mean).view(3, 1, 1)
    images = images / torch.tensor(whole.std).view(3, 1, 1)
    with torch.inference_mode():
        logits = whole.whole()(images)
        assert torch.equal(body(images), nn.functional.adaptive_avg_pool2d(body.features(images), 1).flatten(1))
    assert int(logits.argmax()) == PALACE


def test_weights_of_torchvision_are_read_with_its_own_normalisation(tmp_path: Path) -> None:
    from torchvision.models import squeezenet1_1

    net = squeezenet1_1(weights=None).eval()
    path = tmp_path / "net.pth"
    torch.save(net.state_dict(), path)
    backbone = make("backbones", f"squeezenet1_1(weights={str(path)!r})")
    assert torch.equal(backbone.build().features[0].weight, net.features[0].weight)
    assert backbone.mean[0] == pytest.approx(123.675) and backbone.described == ""


@pytest.mark.parametrize(
    ("name", "layout", "size"),
    [("resnet50_half(weights=none)", "filter", 64), ("squeezenet1_1(weights=none)", "filter", 64),
     ("squeezenet1_1(weights=none)", "channel", 64), ("cifar_resnet", "filter", 32), ("cifar_resnet", "channel", 32)],
)  # fmt: skip
def test_half_the_flops_is_half_within_two_percent(name: str, layout: Layout, size: int) -> None:
    torch.manual_seed(0)
    body = make("backbones", name).build().eval()
    smaller = make("strategies", f"{layout}_pruned(flops=0.5)").adapted(copy.deepcopy(body), size)
    share = flops_forward(smaller, 1, 3, size, size) / flops_forward(body, 1, 3, size, size)
    assert share == pytest.approx(0.5, abs=0.01)
    assert smaller(torch.zeros(2, 3, size, size)).shape == (2, feature_width(smaller, size))
