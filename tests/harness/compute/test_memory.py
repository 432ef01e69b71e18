"""Memory is flat along a stream: what was learnt and loaded for one task is gone at the next."""

import gc
from pathlib import Path

import pytest
import torch

from harness.config.options import flat
from harness.config.registry import make
from harness.core.budget import Budget
from harness.core.spec import RunSpec, Setting
from harness.running.messages import Message
from harness.running.runner import run

TASKS = 8


@pytest.mark.parametrize("strategy", ["finetune", "linear_probe", "knn", "tiny:Finetune", "finetune(init=previous)"])
def test_no_tensor_of_a_task_outlives_it(strategy: str, tmp_path: Path) -> None:
    stream, made = make("streams", f"tiny:bars(tasks={TASKS})"), make("strategies", strategy)
    setting, options = Setting(backbone="tiny:net", size=16), tuple(flat(made).items())
    budget = Budget.parse("1ep")
    spec = RunSpec(stream.name, stream.fingerprint(), strategy, options, made.version, budget, setting, seed=0)
    alive: list[int] = []

    def listen(message: Message) -> None:
        if message.record is not None:
            gc.collect()
            alive.append(sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()))

    run(spec, tmp_path, listener=listen)
    assert len(alive) == TASKS
    assert len(set(alive)) == 1, f"tensors alive after each task: {alive}"
