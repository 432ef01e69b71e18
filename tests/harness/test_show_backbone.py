"""What is known of a net is shown before anything is spent on it, and nothing is downloaded for it."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Harness

from harness.compute.flops import flops_forward, flops_train
from harness.config.registry import make
from strategies.backbones.cifar_resnet import CifarResNet
from strategies.backbones.weights import sha256_of


@pytest.fixture
def show(harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "cache"))
    monkeypatch.setattr(socket.socket, "connect", _no_network)

    def call(*arguments: object) -> Any:
        return json.loads(harness("show", "backbone", *arguments, "--json").stdout)

    return call


def _no_network(*_: object) -> None:
    raise AssertionError("something was to be downloaded")


def test_counts_are_those_that_runs_are_charged_with(show: Any) -> None:
    found = show("cifar_resnet", "--size", 32, "--size", 64)
    net = make("backbones", "cifar_resnet").build()
    assert found["parameters"] == sum(p.numel() for p in net.parameters())
    assert found["features"] == 64
    assert [cost["size"] for cost in found["flops"]] == [32, 64]
    for cost in found["flops"]:
        shape = (2, 3, cost["size"], cost["size"])
        assert cost["forward"] == flops_forward(net.eval(), *shape) / 2
        assert cost["train"] == flops_train(net.train(), *shape) / 2
    assert found["pruning"]["size"] == 64
    layouts = {one["layout"]: one for one in found["pruning"]["layouts"]}
    assert {name: one["widths"] for name, one in layouts.items()} == {"filter": 9, "channel": 10, "conv_in": 18}
    assert layouts["filter"]["units"] == 3 * (16 + 32 + 64), "one width inside each of nine blocks"
    assert found["weights"]["missing"].startswith("random; weights=FILE")


def test_weights_of_a_file_are_named_by_place_and_checksum(show: Any, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save(CifarResNet(3, 10).state_dict(), path)
    weights = show(f"cifar_resnet(weights={str(path)!r})", "--size", 8)["weights"]
    assert (weights["file"], weights["sha256"], weights["missing"]) == (str(path), sha256_of(path), "")
    assert weights["classes"] == 10, "its own classifier, for as_trained"


def test_weights_that_are_not_here_are_not_fetched_and_a_size_that_is_not_taken_says_why(show: Any) -> None:
    found = show("torchvision:squeezenet1_1", "--size", 8, "--size", 64)
    weights, (small, usual) = found["weights"], found["flops"]
    assert weights["source"].startswith("https://download.pytorch.org/models/squeezenet1_1")
    assert weights["licence"].startswith("none stated for the weights")
    assert weights["missing"] == "not here: torchvision downloads them at the first use"
    assert (weights["sha256"], weights["trained_on"]) == ("", "ImageNet-1K")
    assert small["refused"] and not usual["refused"]
    assert found["pruning"]["size"] == 64


def test_what_timm_knows_of_its_weights_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    origin = make("backbones", "timm:resnet18.a1_in1k").find_origin()
    assert (origin.licence, origin.trained_on) == ("apache-2.0", "a1_in1k, as timm's tag says")
    assert origin.source == "https://huggingface.co/timm/resnet18.a1_in1k"
    assert origin.file is not None and not origin.file.is_file()


def test_a_layout_that_can_take_nothing_says_why(harness: Harness) -> None:
    lines = harness("show", "backbone", "tiny:net", "--size", 16).stdout.splitlines()
    (refused,) = (line for line in lines if line.startswith("    filter"))
    assert "no: Net has no width that layout 'filter' could prune; it has no blocks: use layout channel" in refused
    (taken,) = (line for line in lines if line.startswith("    channel"))
    assert "1 widths everywhere, 8 units: channel_pruned, ot_fused(layout=channel)" in taken


@pytest.mark.parametrize("name", ["resnet50_half", "squeezenet1_1", "efficientnet_lite0"])
def test_published_weights_tell_what_they_are(name: str) -> None:
    backbone = make("backbones", name)
    origin = backbone.find_origin()
    assert origin.trained_on.startswith("ImageNet")
    assert backbone.described in ("", origin.trained_on)
    assert all((origin.source, origin.licence, origin.file, origin.fetch))
