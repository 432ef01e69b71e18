"""What stands in the files of a run? One versioned schema, for those who write them and those who read them.

``run.json`` is a :class:`RunFile`; a line of ``events.jsonl`` is an :class:`EvalRecord` or a :class:`LearnRecord`.

A field that files before it lack has a default, and a record that has nothing to say there leaves it out: such a field
needs no new version. Where a field changes its form or its meaning, :data:`SCHEMA_VERSION` is raised, and
:data:`MIGRATIONS` says how a run of the version before becomes one of the next.

The JSON Schema beside this file, ``schema.json``, is what the models give: ``python -m harness.core.schema`` writes it.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.core.task import Kind, Phase, Provenance

SCHEMA_VERSION = 1
"""Version of the files in a run folder."""

Record = dict[str, Any]
"""A line of ``events.jsonl`` as JSON has it: flat, its values texts, numbers, truths and None."""

MIGRATIONS: dict[int, Callable[[Record], Record]] = {}
"""By the version of a ``run.json``: what makes of it one of the next version. Version 1 is the first and the newest."""


class RunStatus(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class TaskStatus(StrEnum):
    """How learning a task ended: by itself, at a limit, or without an answer."""

    DONE = "done"
    FLOPS = "flops"
    SECONDS = "seconds"
    INFEASIBLE = "infeasible"
    DIVERGED = "diverged"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


# run.json


class TaskFacts(_Part):
    """One task of the stream, as the run met it."""

    name: str
    """Name of the task, unique in its stream."""
    year: int
    """Place in the stream, as NEVIS'22 orders by year."""
    domain: str
    """What its images show: ``OCR``, ``face``, ``texture``."""
    kind: Kind
    """Whether an image has one of several classes, one of two, or any number of labels."""
    num_classes: int
    """Classes, or for a multilabel task labels."""
    provenance: Provenance
    """Whether its images are real or were generated."""
    phase: Phase
    """Held-out tasks are scored only where the test split is."""
    sizes: dict[str, int]
    """Images of each split."""
    dense_flops: float | None = None
    """FLOPs of one training step of the dense net with this task's head, an image: what ``1ep`` is made of."""
    family: str = ""
    """Data set family: tasks of one share images or are made of the same things, and count as one cluster."""


class SettingFacts(_Part):
    """What all runs of a suite share."""

    backbone: str
    """Written form of the backbone."""
    weights_hash: str = ""
    """SHA-256 of its weights; empty for random ones."""
    size: int
    """Image side in pixels."""
    precision: str
    """Number format: ``fp32`` or ``bf16``."""
    scoring: str
    """The split that is scored: ``dev_test`` or ``test``."""
    protocol_version: int
    """Version of the engine's answers: splits, metering, evaluation, schedule."""


class SpecFacts(_Part):
    """What the run was of: all that changes its answer."""

    stream: str
    """Written form of the stream."""
    fingerprint: str
    """Names the stream's content."""
    strategy: str
    """Written form of the strategy, with the options that are not its defaults."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Every option of the strategy, defaults included."""
    strategy_version: int = 1
    """Version of the strategy's class."""
    sources: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the source of plugins, by what they define: ``strategy``, ``stream``, ``backbone``; nothing for what
    is built in."""
    budget: str
    """Written form of the budget, such as ``0.1ep``."""
    setting: SettingFacts
    """What all runs of the suite share."""
    seed: int
    """All randomness is named and drawn from it."""


class StreamFacts(_Part):
    """The stream as it names itself."""

    name: str
    """Its written form."""
    version: str
    """Version of its content."""


class Pretraining(_Part):
    """The making of the backbone's weights, where ``harness pretrain`` made them."""

    stream: str | None = None
    """Written form of the stream it was trained on."""
    fingerprint: str | None = None
    """Names that stream's content."""
    tasks: int | None = None
    """Tasks it was trained on."""
    images: int | None = None
    """Different images it was trained on."""
    examples: int | None = None
    """Images shown, with repetitions."""
    size: int | None = None
    """Image side in pixels."""
    budget: str | None = None
    """Written form of the budget."""
    seed: int | None = None
    """Seed of its randomness."""
    loss: float | None = None
    """Loss at the end, as a share of that of knowing nothing."""
    flops: float | None = None
    """FLOPs spent."""
    seconds: float | None = None
    """Seconds spent."""


class RunFile(_Part):
    """``run.json``: everything about a run but its records."""

    schema_version: int
    """Version of this schema that the run was written in."""
    key: str
    """SHA-256 over all that changes the answer: equal keys mean equal records, clocks apart."""
    spec: SpecFacts
    """What the run was of."""
    stream: StreamFacts | None = None
    """The stream as it names itself."""
    described: str = ""
    """What the backbone's weights were trained on, where its name does not say it."""
    pretraining: Pretraining = Pretraining()
    """The making of the backbone's weights, where it is known."""
    tasks: list[TaskFacts] = Field(default_factory=list)
    """The tasks that are met, in order."""
    code: dict[str, Any] = Field(default_factory=dict)
    """``commit`` of the harness and whether the tree was changed (``dirty``); None where it is not known."""
    packages: dict[str, str] = Field(default_factory=dict)
    """Versions of the packages that decide numbers."""
    hardware: dict[str, Any] = Field(default_factory=dict)
    """``cpu``, ``cores``, ``memory_bytes``, ``gpu`` and ``system``."""
    python: str | None = None
    """Version of Python."""
    threads: int | None = None
    """Threads of one run."""
    started: str | None = None
    """When it first began: ISO 8601, UTC."""
    finished: str | None = None
    """When it last ended."""
    attempts: int = 1
    """How often it was begun or gone on with."""
    status: RunStatus
    """How it stands."""
    error: str | None = None
    """Why it failed: a traceback or a sentence."""
    events_sha256: str | None = None
    """SHA-256 of ``events.jsonl``, once the run is done."""


# events.jsonl

_UNREPEATED: dict[str, Any] = {"repeats": False}
"""Marks what differs between two executions of one spec."""

Clock = Annotated[float, Field(json_schema_extra=_UNREPEATED)]


class _Line(_Part):
    """A line of ``events.jsonl``. What a record of another version holds besides is kept."""

    model_config = ConfigDict(extra="allow")

    event: str
    """Tells the kinds of line apart."""
    crc32: int | None = Field(default=None, json_schema_extra=_UNREPEATED)
    """Checksum of the line's JSON without this field. Stands in files only: it is checked and taken off in reading."""

    def record(self) -> Record:
        """Flat JSON: whole numbers whole, None for what is not finite, and without what has nothing to say."""
        content = self.model_dump(mode="json", exclude_defaults=True)
        return {"event": self.event, **{name: number(value) for name, value in content.items()}}


class EvalRecord(_Line):
    """One metric of one task's scored split."""

    event: Literal["eval"] = "eval"
    """Tells a line about a score."""
    after: str
    """The task after which it was measured; another than ``task`` where an earlier task is tested again."""
    task: str
    """The task that was tested."""
    split: str
    """The split that was looked at."""
    n: int
    """Images that were looked at."""
    metric: str
    """``error`` (top-1) or ``mean_average_precision``, the score; ``cross_entropy``, ``worst_class_error``,
    ``calibration_error``; ``error_before`` training, where the strategy can tell."""
    value: float | None
    """None where it is not a finite number."""
    predicted: str | None = None
    """With ``error``: predicted classes of the first images, base64 of little-endian uint16."""

    @property
    def error(self) -> float | None:
        """The score as an error; None for all metrics but the score."""
        return None if self.value is None else as_error(self.metric, self.value)


class LearnRecord(_Line):
    """What learning one task has cost, and how it ended. It closes the records of its task: then the task is done.

    FLOPs: a multiply-add is 2. What was spent before the stream is charged to the first task.
    """

    event: Literal["learn"] = "learn"
    """Tells the line that closes a task."""
    task: str
    """The task that was learnt."""
    index: int
    """Its place in the stream, from 0."""
    status: TaskStatus
    """How learning ended."""
    flops: float
    """FLOPs charged: all phases but ``evaluate``."""
    seconds: Clock
    """Wall seconds charged: all phases but ``evaluate``."""
    flops_train: float
    """FLOPs of training steps, and of all that was put under no other phase."""
    flops_validate: float
    """FLOPs of looking at dev images."""
    flops_search: float
    """FLOPs of trials."""
    flops_prune: float
    """FLOPs of choosing and removing weights."""
    flops_fuse: float
    """FLOPs of transport plans and of moving weights by them."""
    flops_extract: float
    """FLOPs of extracting features."""
    flops_recalibrate: float
    """FLOPs of measuring batch-norm statistics anew."""
    flops_evaluate: float
    """FLOPs of scoring, which is free; over ``n`` it is what one prediction costs."""
    seconds_train: Clock
    """Seconds of ``train``."""
    seconds_validate: Clock
    """Seconds of ``validate``."""
    seconds_search: Clock
    """Seconds of ``search``."""
    seconds_prune: Clock
    """Seconds of ``prune``."""
    seconds_fuse: Clock
    """Seconds of ``fuse``."""
    seconds_extract: Clock
    """Seconds of ``extract``."""
    seconds_recalibrate: Clock
    """Seconds of ``recalibrate``."""
    seconds_evaluate: Clock
    """Seconds of ``evaluate``."""
    setup_flops: float
    """Part of ``flops`` that was spent once, before the stream."""
    budget_flops: float | None
    """What might be spent; None without a limit."""
    cpu_seconds: Clock
    """Processor seconds of learning."""
    steps: int
    """Metered steps."""
    examples: int
    """Images or features that the steps were over, with repetitions."""
    parameters: int
    """Parameters of the nets that predict, each tensor once."""
    peak_bytes: int = Field(json_schema_extra=_UNREPEATED)
    """Peak memory: of the GPU's allocator, or resident memory of the process."""
    latency_seconds: float | None = Field(json_schema_extra=_UNREPEATED)
    """Median seconds of one prediction for a single image; None where nothing was learnt."""
    loss_first: float | None = None
    """Mean training loss of the first steps: eight, or half of all where those are fewer."""
    loss_last: float | None = None
    """Mean training loss of as many last steps."""
    loss_max: float | None = None
    """Largest training loss of any step."""
    grad_norm_first: float | None = None
    """Norm of the gradient of all trained parameters in the first step, before clipping."""
    grad_norm_max: float | None = None
    """Largest such norm in any step."""
    prepared: str = ""
    """Names the body that was made before the first task, by its shapes and values: its first task's record has it."""
    chosen: str | None = None
    """Which weights were kept, where the recipe chooses: those at the ``end``, the ``start``, or their ``average``."""


Line = EvalRecord | LearnRecord

UNREPEATED = frozenset(
    name
    for line in (EvalRecord, LearnRecord)
    for name, field in line.model_fields.items()
    if field.json_schema_extra == _UNREPEATED
)
"""Fields that differ between two executions of one spec: clocks, memory, and the checksum over them."""


def as_error(metric: str, value: float) -> float | None:
    """A score as an error, top-1 error or 1 - mean average precision; None for a metric that is no score."""
    return {"error": value, "mean_average_precision": 1 - value}.get(metric)


def score_of(records: Iterable[Line], task: str) -> EvalRecord | None:
    """The record by which ``task`` is scored right after it was learnt, whatever stands around it."""
    own = (one for one in records if isinstance(one, EvalRecord) and one.task == one.after == task)
    return next((one for one in own if one.error is not None), None)


def number(value: Any) -> Any:
    """For a float a JSON number, whole where it is whole, None where it is infinite or not a number; else itself."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def packed(classes: "np.ndarray[Any, Any]") -> str:
    """Predicted classes, (n,), as the field ``predicted`` holds them."""
    return base64.b64encode(classes.astype("<u2").tobytes()).decode()


def unpacked(text: object) -> "np.ndarray[tuple[int], np.dtype[np.uint16]] | None":
    """The predicted classes that :func:`packed` made ``text`` of; None if it is no such text."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype="<u2") if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        return None


# Reading


def parse_run(content: bytes) -> RunFile:
    """The run that the ``content`` of a ``run.json`` of this or an earlier version describes.

    Raises:
        ValueError: it describes none; one line that says why.
    """
    try:
        found = json.loads(content.decode())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    version = found.get("schema_version") if isinstance(found, dict) else None
    if isinstance(version, int):
        if not 1 <= version <= SCHEMA_VERSION:
            raise ValueError(f"written in schema {version}, this harness reads 1 to {SCHEMA_VERSION}: update it")
        for step in range(version, SCHEMA_VERSION):
            found = {**MIGRATIONS[step](found), "schema_version": step + 1}
    try:
        return RunFile.model_validate(found)
    except ValidationError as error:
        raise ValueError(_first(error, "the file")) from error


def parse_record(record: Mapping[str, Any]) -> Line:
    """The record that a line of ``events.jsonl`` holds.

    Raises:
        ValueError: it is none of this schema; one line that says why.
    """
    try:
        return _lines().validate_python(record)
    except ValidationError as error:
        raise ValueError(_first(error, "the record")) from error


@cache
def _lines() -> TypeAdapter[Line]:
    return TypeAdapter(Annotated[Line, Field(discriminator="event")])


def _first(error: ValidationError, whole: str) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("eval", "learn")) or whole
    return f"{place}: {first['msg']}"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of ``run.json`` and of a line of ``events.jsonl``; ``$defs`` holds each by its name."""
    from pydantic.json_schema import models_json_schema

    models = (RunFile, EvalRecord, LearnRecord)
    references, schema = models_json_schema([(model, "validation") for model in models])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Files of a run of nevis-harness, schema {SCHEMA_VERSION}",
        "description": "run.json is a RunFile; a line of events.jsonl is an EvalRecord or a LearnRecord.",
        "anyOf": [references[model, "validation"] for model in models],
        **schema,
    }


SCHEMA_FILE = Path(__file__).with_name("schema.json")
"""The JSON Schema as it ships."""

if __name__ == "__main__":
    SCHEMA_FILE.write_text(json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
