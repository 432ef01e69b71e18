"""Own losses and averaged weights are a short file each, and charged like everything else."""

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from harness.compute.backbone import Classifier, zero_head
from harness.compute.flops import flops_forward, flops_train
from harness.config.registry import make
from harness.conformance.trial import Attempt, Trial
from harness.core.budget import Budget
from harness.core.spec import Setting
from harness.core.task import Split, Task
from strategies.learners.heads import ridge_flops

EXAMPLES = Path(__file__).parents[2] / "examples"
BACKBONE, SIZE = "timm:test_efficientnet(weights=none)", 32


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))


def net_of(one: Attempt) -> Any:
    """The net of a strategy that holds one."""
    return vars(one.strategy)["net"]


def attempt(spec: str, epochs: int) -> Attempt:
    setting = Setting(backbone=BACKBONE, size=SIZE)
    return Attempt(Trial(spec, tiny.bars(), make("backbones", BACKBONE), setting, Budget.parse(f"{epochs}ep")))


def task(number: int = 0) -> Task:
    return tiny.bars().tasks[number].for_learning()


@pytest.mark.parametrize("name", ["distilled", "averaged"])
def test_the_examples_are_short(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) < 50


def test_distillation_is_charged_what_teacher_and_student_take() -> None:
    one = attempt("distilled:Distilled", 4)
    work = one.learn(task())
    assert work.learnt
    assert work.charged == work.counted > 0.9 * work.cap
    student, width = net_of(one), one.ctx.backbone.num_features
    teacher = Classifier(one.ctx.body(), zero_head(width, 4))
    step = (flops_train(student, 16, 3, SIZE, SIZE) + flops_forward(teacher, 16, 3, SIZE, SIZE)) / 16
    solved = len(task().load(Split.TRAIN))
    before = solved * flops_forward(teacher.body, 2, 3, SIZE, SIZE) / 2 + ridge_flops(solved, width, 4)
    shown = one.ctx.meter.examples - solved
    assert work.charged == pytest.approx(before + shown * step, rel=0.02)
    assert one.ctx.trainings[-1].steps == -(-shown // 16)


def test_several_labels_an_image_are_distilled_too() -> None:
    assert attempt("distilled:Distilled", 4).learn(task(1)).learnt


def test_averaged_weights_lie_between_those_of_the_steps_and_cost_nothing_more() -> None:
    last, mean = (attempt(f"averaged:Averaged(share={share}, warmup=0.0)", 3) for share in (1e-9, 0.7))
    assert last.learn(task()).charged == mean.learn(task()).charged
    (a, b, start) = (net.state_dict() for net in (net_of(last).body, net_of(mean).body, mean.ctx.body()))
    moved, moved_less = (sum(float((net[name] - start[name]).float().norm()) for name in start) for net in (a, b))
    assert 0 < moved_less < moved
    assert all(torch.isfinite(value).all() for value in b.values())
