"""What does ``run.json`` hold? Its schema, checked where it is read, so that all that follows can trust it."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

KNOWN_SCHEMA = 1
"""Newest version of the run folder that this report can read."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TaskFacts(_Part):
    """One task of the stream, as the run met it. ``dense_flops`` is the dense net's training FLOPs an image."""

    name: str
    year: int
    domain: str
    kind: str
    num_classes: int
    provenance: str
    phase: str
    sizes: dict[str, int]
    dense_flops: float | None = None
    family: str = ""


class Setting(_Part):
    backbone: str
    weights_hash: str = ""
    size: int
    precision: str
    scoring: str
    protocol_version: int


class Spec(_Part):
    stream: str
    fingerprint: str
    strategy: str
    options: dict[str, Any] = Field(default_factory=dict)
    strategy_version: int = 1
    budget: str
    setting: Setting
    seed: int


class Pretraining(_Part):
    """What is known of the making of the backbone, where ``harness pretrain`` made it."""

    stream: str = ""


class RunFile(_Part):
    """Everything about a run but its records."""

    schema_version: int
    key: str
    spec: Spec
    status: str
    attempts: int = 1
    error: str | None = None
    started: str | None = None
    finished: str | None = None
    tasks: list[TaskFacts] = Field(default_factory=list)
    code: dict[str, Any] = Field(default_factory=dict)
    packages: dict[str, str] = Field(default_factory=dict)
    hardware: dict[str, Any] = Field(default_factory=dict)
    threads: int | None = None
    pretraining: Pretraining = Field(default_factory=Pretraining)


def parse_run(content: bytes) -> RunFile:
    """The run that the ``content`` of a ``run.json`` describes.

    Raises:
        ValueError: it describes none; one line that says why.
    """
    try:
        found = json.loads(content.decode())
        version = found.get("schema_version") if isinstance(found, dict) else None
        if isinstance(version, int) and version > KNOWN_SCHEMA:
            raise ValueError(f"written in schema {version}, this report reads up to {KNOWN_SCHEMA}: update the harness")
        return RunFile.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{place}: {first['msg']}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
