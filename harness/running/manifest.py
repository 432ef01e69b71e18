"""What does ``run.json`` tell of a run before it begins? Its spec, its tasks, and on what it runs."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from harness.compute.backbone import Backbone
from harness.compute.caps import dense_flops
from harness.core.environment import environment
from harness.core.spec import SCHEMA_VERSION, RunSpec
from harness.core.stream import Stream
from harness.core.task import Task

PRETRAINING = (
    "stream", "fingerprint", "tasks", "images", "examples", "size", "budget", "seed", "loss", "flops", "seconds",
)  # fmt: skip
"""What a run tells of the making of its backbone, where that is known."""


def manifest(spec: RunSpec, stream: Stream, tasks: list[Task], backbone: Backbone) -> Mapping[str, Any]:
    """What ``run.json`` tells of a run before it begins."""
    return {
        "schema_version": SCHEMA_VERSION,
        "key": spec.key,
        "spec": {
            "stream": stream.title,
            "fingerprint": spec.fingerprint,
            "strategy": spec.strategy,
            "options": dict(spec.options),
            "strategy_version": spec.strategy_version,
            "budget": str(spec.budget),
            "setting": asdict(spec.setting),
            "seed": spec.seed,
        },
        "stream": {"name": stream.title, "version": stream.version},
        "pretraining": {key: value for key, value in backbone.find_pretraining().items() if key in PRETRAINING},
        "tasks": [
            {**task.facts(), "dense_flops": dense_flops(backbone, task.num_classes, spec.setting.size)}
            for task in tasks
        ],
        **environment(),
        "threads": torch.get_num_threads(),
    }
