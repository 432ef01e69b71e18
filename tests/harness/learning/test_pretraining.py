"""A pretrained checkpoint knows its stream, has seen no held-out task, and comes out the same when interrupted."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from command import Harness

from harness.compute.backbone import Classifier, zero_head
from harness.compute.flops import flops_train
from harness.config.registry import make
from harness.core.budget import Budget
from harness.core.errors import UserError
from harness.core.task import Examples, Phase, Split, Task
from harness.learning import pretraining
from harness.learning.pretraining import Pretraining, Progress, pretrain, pretraining_of


def plan(budget: str = "4ep", **changed: Any) -> Pretraining:
    return replace(Pretraining(tiny.bars(), tiny.net(), size=16, budget=Budget.parse(budget)), **changed)


def test_the_loss_falls_and_the_checkpoint_tells_what_it_cost(tmp_path: Path) -> None:
    made = pretrain(plan("15ep", batch_size=8), tmp_path / "a.pt")
    assert made["loss"] < 0.8
    assert (made["tasks"], made["images"], made["examples"]) == (3, 144, 15 * 144)
    # One multiply-add is two operations; heads have four, three and two classes.
    each = [flops_train(Classifier(tiny.Net(), zero_head(32, n)), 2, 3, 16, 16) / 2 for n in (4, 3, 2)]
    assert made["flops"] == pytest.approx(15 * 48 * sum(each), rel=1e-6)
    assert made["fingerprint"] == tiny.bars().fingerprint()
    assert pretraining_of(tmp_path / "a.pt") == made
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_only_train_splits_of_development_tasks_are_read(tmp_path: Path) -> None:
    read: list[tuple[str, Split]] = []

    def watched(task: Task) -> Task:
        def load(split: Split) -> Examples:
            read.append((task.name, split))
            return task.load(split)

        return replace(task, load=load)

    stream = tiny.bars()
    stream = replace(stream, tasks=tuple(watched(task) for task in stream))
    pretrain(plan("1ep", stream=stream), tmp_path / "a.pt")
    assert read == [("bars0", Split.TRAIN), ("bars1", Split.TRAIN), ("bars2", Split.TRAIN)]


@pytest.mark.parametrize("budget", ["3ep", "2e7flops"])
def test_an_interrupted_pretraining_ends_with_the_same_weights(
    budget: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretraining, "CHECKPOINT_SECONDS", 0.0)
    mine = plan(budget, batch_size=16)
    whole = pretrain(mine, tmp_path / "whole.pt")

    def stop(at: Progress) -> None:
        if at.steps == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(mine, tmp_path / "a.pt", on_progress=stop)
    assert (tmp_path / "a.pt.part").is_file()
    resumed = pretrain(mine, tmp_path / "a.pt")
    assert resumed["steps"] == whole["steps"] > 7
    assert resumed["flops"] == whole["flops"]
    one, other = (torch.load(tmp_path / name)["state_dict"] for name in ("whole.pt", "a.pt"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_budget_of_flops_is_not_exceeded_by_more_than_a_step(tmp_path: Path) -> None:
    made = pretrain(plan("2e7flops"), tmp_path / "a.pt")
    assert 0.95 * 2e7 < made["flops"] <= 2e7 * 1.01


def test_a_cap_on_images_keeps_every_class(tmp_path: Path) -> None:
    task = plan().tasks()[0]
    some = pretraining._mapped(task, tmp_path / "0.npy", plan(images=8))
    assert sorted(some.labels.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert pretrain(plan("1ep", images=8), tmp_path / "a.pt")["images"] == 24


def test_a_file_of_another_pretraining_is_not_taken_for_this_one(tmp_path: Path) -> None:
    made = pretrain(plan("1ep"), tmp_path / "a.pt")
    assert pretrain(plan("1ep"), tmp_path / "a.pt") == made
    with pytest.raises(UserError, match="seed 0, this one has 1"):
        pretrain(plan("1ep", seed=1), tmp_path / "a.pt")
    (tmp_path / "b.pt.part").write_bytes(b"torn")
    with pytest.raises(UserError, match="remove it to begin again"):
        pretrain(plan("1ep"), tmp_path / "b.pt")


def test_a_stream_without_development_tasks_is_refused(tmp_path: Path) -> None:
    stream = tiny.bars()
    held_out = tuple(task for task in stream if task.phase is Phase.HELD_OUT)
    with pytest.raises(UserError, match="no development task"):
        pretrain(plan(stream=replace(stream, tasks=held_out)), tmp_path / "a.pt")


def test_what_the_command_made_is_a_backbone(harness: Harness, tmp_path: Path) -> None:
    command = ("pretrain", "tiny:bars", "--backbone", "timm:test_resnet", "--size", 16, "--budget", "1ep")
    said = harness(*command, "--out", "net.pt")
    assert "FLOPs" in said.stdout
    assert "use it as: timm:test_resnet(weights='net.pt')" in said.stderr
    backbone = make("backbones", "timm:test_resnet(weights='net.pt')")
    weights = torch.load(tmp_path / "net.pt", weights_only=True)["state_dict"]
    assert len(backbone.weights_hash) == 64
    assert all(torch.equal(value, weights[name]) for name, value in backbone.build().state_dict().items())
    assert backbone.find_pretraining()["stream"] == "tiny:bars"


def test_a_run_tells_what_its_backbone_has_cost(harness: Harness, tmp_path: Path) -> None:
    net = tmp_path / "net.pt"
    torch.save({"state_dict": make("backbones", "timm:test_resnet(weights=none)").build().state_dict()}, net)
    assert make("backbones", f"timm:test_resnet(weights={str(net)!r})").find_pretraining() == {}
    harness("pretrain", "tiny:bars", "--backbone", "timm:test_resnet", "--size", 16, "--budget", "1ep", "--out", "a.pt")
    backbone = "timm:test_resnet(weights='a.pt')"
    harness("run", "smoke", "--stream", "tiny:bars(tasks=1)", "--strategy", "ncm", "--budget", "1ep", "--seeds", 1,
            "--backbone", backbone, "--size", 16)  # fmt: skip
    (run,) = tmp_path.glob("results/*/*/*/*/run.json")
    assert json.loads(run.read_text())["pretraining"]["flops"] == pretraining_of(tmp_path / "a.pt")["flops"]


def test_the_command_says_what_it_cannot_do(harness: Harness) -> None:
    for wrong, why in (
        (("--backbone", "tiny:net", "--out", "a.pt"), "no option weights"),
        (("--backbone", "timm:test_resnet", "--out", "a.safetensors"), "ends in .pt"),
        (("--backbone", "timm:test_resnet", "--out", "nowhere/a.pt"), "no folder nowhere"),
    ):
        assert why in harness("pretrain", "tiny:bars", *wrong, code=2).stderr
