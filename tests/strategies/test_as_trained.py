"""A checkpoint is scored on its own task by its own classifier, for nothing; what makes no sense is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from harness.config.registry import make
from harness.conformance.promises import conformance
from harness.core.errors import UserError
from harness.core.task import Split
from strategies.backbones.cifar_resnet import CifarResNet


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    torch.manual_seed(0)
    torch.save(CifarResNet(3, 10).state_dict(), tmp_path / "net.pt")
    return f"cifar_resnet(weights={str(tmp_path / 'net.pt')!r})"


def test_logits_are_those_of_the_whole_net_and_nothing_is_spent(run: Any, checkpoint: str, tmp_path: Path) -> None:
    learnt = run("as_trained", epochs=1, backbone=checkpoint).learn()
    whole = CifarResNet(3, 10).eval()
    whole.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    images = learnt.ctx.inputs(learnt.task.load(Split.DEV), slice(0, 16))
    with torch.inference_mode():
        assert torch.allclose(learnt.strategy.predict(learnt.task, images), whole(images), atol=1e-5)
    assert learnt.meter.spent_flops == 0


def test_a_pruned_net_is_scored_right_after(run: Any, checkpoint: str) -> None:
    learnt = run("filter_pruned(flops=0.7, learner=as_trained)", epochs=1, backbone=checkpoint).learn()
    assert learnt.setup.spent_flops >= 0
    assert 0 <= learnt.accuracy() <= 1
    assert learnt.net.head.in_features == 64


@pytest.mark.parametrize(
    ("spec", "backbone", "why"),
    [
        ("as_trained", "efficientnet_lite0", "brings no classifier"),
        ("channel_pruned(flops=0.5, learner=as_trained)", "", "reads 64 features, channel_pruned leaves"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Any, checkpoint: str, spec: str, backbone: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        run(spec, epochs=1, backbone=backbone or checkpoint).learn()


def test_another_number_of_classes_is_refused(checkpoint: str) -> None:
    broken = [one.why for one in conformance("as_trained", stream="tiny:bars", backbone=checkpoint) if not one.holds]
    assert "it is for the task that the checkpoint was trained on" in broken[0]
    assert make("strategies", "as_trained").version == 1
