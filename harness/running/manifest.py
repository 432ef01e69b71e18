"""What does ``run.json`` tell of a run before it begins? Its spec, its tasks, and on what it runs."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from harness.compute.backbone import Backbone
from harness.compute.caps import dense_flops
from harness.core.environment import environment
from harness.core.schema import SCHEMA_VERSION, Pretraining
from harness.core.spec import RunSpec
from harness.core.stream import Stream
from harness.core.task import Task


def manifest(spec: RunSpec, stream: Stream, tasks: list[Task], backbone: Backbone) -> Mapping[str, Any]:
    """What ``run.json`` tells of a run before it begins: the fields of :class:`RunFile` that are known by then."""
    making = backbone.find_pretraining()
    return {
        "schema_version": SCHEMA_VERSION,
        "key": spec.key,
        "spec": {
            "stream": stream.title,
            "fingerprint": spec.fingerprint,
            "strategy": spec.strategy,
            "options": dict(spec.options),
            "strategy_version": spec.strategy_version,
            **({"sources": dict(spec.sources)} if spec.sources else {}),
            "budget": str(spec.budget),
            "setting": asdict(spec.setting),
            "seed": spec.seed,
        },
        "stream": {"name": stream.title, "version": stream.version},
        "described": backbone.described,
        "pretraining": {name: making[name] for name in Pretraining.model_fields if name in making},
        "tasks": [
            {**task.facts(), "dense_flops": dense_flops(backbone, task.num_classes, spec.setting.size)}
            for task in tasks
        ],
        **environment(),
        "threads": torch.get_num_threads(),
    }
