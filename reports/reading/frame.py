"""What was run, and what came out? Runs become three tidy frames; every row that goes in comes out."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.core.budget import Budget
from harness.core.errors import UserError
from harness.core.schema import (
    EvalRecord,
    LearnRecord,
    Record,
    RunFile,
    RunStatus,
    TaskFacts,
    parse_record,
    parse_run,
    score_of,
)
from harness.storage.records import parse_log
from reports.reading.agreement import PREDICTED, with_agreement
from reports.reading.impersonal import without_folders, without_release
from reports.reading.labels import labelled
from reports.reading.sources import sources
from reports.reading.unrecorded import constant_error, family, pretrained_on, recipe_of, with_recipe

MISSING = "missing"
"""Status of a task that its run has not come to."""

UNREADABLE = "unreadable"
"""Status of a run whose ``run.json`` says nothing that can be used."""

SPLITS = ("train", "dev", "dev_test", "test")


class Frames(NamedTuple):
    """Results of many runs.

    Attributes:
        runs: a row for each run folder, the unreadable ones too. ``board`` numbers what can be compared: the same
            stream content and setting. ``used`` is false for unreadable runs and for second copies of one run.
        tasks: a row for each planned task of each readable run, in stream order: the task's facts, its ``learn``
            record, and its ``error`` right after it was learnt. Status ``missing`` where the run did not get there.
        evals: a row for each evaluation on record, with ``index`` of the task after which it was made.
        notes: what was wrong with folders and files, a sentence each.
    """

    runs: pd.DataFrame
    tasks: pd.DataFrame
    evals: pd.DataFrame
    notes: tuple[str, ...]


def read(given: Sequence[Path]) -> Frames:
    """All runs in the folders and bundles ``given``.

    Raises:
        UserError: one of them does not exist, is neither folder nor bundle, or is a damaged bundle.
    """
    runs: list[dict[str, Any]] = []
    tasks: list[dict[str, Any]] = []
    evals: list[dict[str, Any]] = []
    notes: list[str] = []
    places: list[str] = []
    for path, found in sources(given):
        for source in found:
            number, folder, place = len(runs), source.name, source.place
            try:
                if source.run is None:
                    raise ValueError(source.trouble)
                run = parse_run(source.run)
            except ValueError as error:
                runs.append({"run": number, "folder": folder, "status": UNREADABLE, "error": str(error), "used": False})
                places.append(str(place))
                notes.append(f"{place}: {error}; the run is counted and not used")
                continue
            records, damage, _ = parse_log(source.events, f"{place}/events.jsonl")
            if damage:
                notes.append(f"{damage}; that task and all after it count as not done")
            mine, its_evals, odd = _tasks(run, records)
            tasks += [{"run": number, **row} for row in mine]
            evals += [{"run": number, **row} for row in its_evals]
            notes += [f"{place}: {sentence}" for sentence in odd]
            done = sum(row["status"] != MISSING for row in mine)
            runs.append({"run": number, "folder": folder, **_facts(run), "done": done, "used": True})
            places.append(str(place))
        if not found and not (path.is_dir() and any(path.rglob("run.json"))):
            notes.append(f"{path}: no run in it")
    notes += _copies_aside(runs, tasks, places)
    return _frames(runs, tasks, evals, notes)


def _copies_aside(runs: list[dict[str, Any]], tasks: list[dict[str, Any]], places: list[str]) -> list[str]:
    """Of each run the copy that got furthest stays used; a sentence on each other, and where it differs.

    Furthest is by tasks, then the finished one, then the first: an interrupted copy does not hide the whole one.
    """
    copies: dict[str, list[int]] = {}
    for number, run in enumerate(runs):
        if run["used"]:
            copies.setdefault(run["key"], []).append(number)
    copies = {key: numbers for key, numbers in copies.items() if len(numbers) > 1}
    errors: dict[int, list[object]] = {number: [] for numbers in copies.values() for number in numbers}
    for row in tasks:
        if row["run"] in errors:
            error = row.get("error", math.nan)
            errors[row["run"]].append((row["task"], row["status"], None if math.isnan(error) else error))
    notes = []
    for numbers in copies.values():
        best = max(numbers, key=lambda n: (runs[n]["done"], runs[n]["status"] == RunStatus.DONE.value, -n))
        for number in numbers:
            if number == best:
                continue
            runs[number]["used"] = False
            text = f"{places[number]}: the same run as {places[best]}; counted and not used a second time"
            if (fewer := runs[number]["done"]) != runs[best]["done"]:
                text += f": it has {fewer} tasks of the other's {runs[best]['done']}"
            elif errors[number] != errors[best]:
                text += ": its results differ"
            notes.append(text)
    return notes


def _facts(run: RunFile) -> dict[str, Any]:
    spec, setting = run.spec, run.spec.setting
    return {
        "key": run.key,
        "stream": spec.stream,
        "fingerprint": spec.fingerprint,
        "strategy": with_recipe(spec.strategy, spec.options),
        "recipe": recipe_of(spec.options),
        "family": spec.strategy.partition("(")[0],
        "options": spec.options,
        "strategy_version": spec.strategy_version,
        "source": spec.sources.get("strategy", ""),
        "around": " ".join(f"{what} {spec.sources[what]}" for what in ("stream", "backbone") if what in spec.sources),
        "budget": spec.budget,
        "seed": spec.seed,
        **setting.model_dump(),
        "status": run.status.value,
        "attempts": run.attempts,
        "error": without_folders(run.error or ""),
        "started": run.started or "",
        "finished": run.finished or "",
        "planned": len(run.tasks),
        "commit": str(run.code.get("commit") or "unknown"),
        "dirty": bool(run.code.get("dirty", False)),
        "packages": run.packages,
        "hardware": run.hardware | {"system": without_release(str(run.hardware.get("system", "unknown")))},
        "threads": run.threads,
        "pretrained_on": pretrained_on(setting.weights_hash, run.pretraining.stream or ""),
    }


def _tasks(run: RunFile, records: list[Record]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """The planned tasks with what was learnt of them, all evaluations, and what did not fit."""
    learnt: dict[int, dict[str, Any]] = {}
    evals: list[dict[str, Any]] = []
    pending: list[EvalRecord] = []
    odd: list[str] = []
    for content in records:
        try:
            record = parse_record(content)
        except ValueError as error:
            what = f"{content.get('event')} record of task {content.get('task')!r}"
            odd.append(f"the {what} is none of this schema ({error}); not used")
            pending = [] if content.get("event") == "learn" else pending
            continue
        if isinstance(record, EvalRecord):
            pending.append(record)
            continue
        index, name = record.index, record.task
        if index >= len(run.tasks) or run.tasks[index].name != name:
            odd.append(f"a record of task {name!r} at place {index!r}, which run.json does not name; not used")
        else:
            learnt[index] = _other_metrics(name, pending) | _costs(record) | _own(name, pending)
            evals += [{"index": index, **e.model_dump(include=_EVAL_KEYS)} for e in pending]
        pending = []
    rows = [
        {"index": index, **_task_facts(task), "status": MISSING, **learnt.get(index, {})}
        for index, task in enumerate(run.tasks)
    ]
    return rows, evals, odd


def _own(task: str, evals: list[EvalRecord]) -> dict[str, Any]:
    """Error (for multilabel tasks 1 - mean average precision) and n of the task's own test."""
    score = score_of(evals, task)
    if score is None:
        return {"error": math.nan, "n": 0}
    return {"error": score.error, "n": score.n, PREDICTED: score.predicted}


def _costs(record: LearnRecord) -> dict[str, Any]:
    """All that the record tells; a name that means something else in the frame of tasks is left out."""
    return {name: value for name, value in record.record().items() if name not in _TAKEN}


def _other_metrics(task: str, evals: list[EvalRecord]) -> dict[str, Any]:
    """All that was measured of ``task`` besides, by name of the metric; a name that is taken is left to ``evals``."""
    return {one.metric: one.value for one in evals if one.task == task and one.metric not in _TAKEN}


def _task_facts(task: TaskFacts) -> dict[str, Any]:
    dense = math.nan if task.dense_flops is None else task.dense_flops
    return {
        "task": task.name,
        **task.model_dump(mode="json", include={"year", "domain", "kind", "num_classes", "provenance", "phase"}),
        **{split: task.sizes.get(split, 0) for split in SPLITS},
        "dense_flops": dense,
        "epoch_flops": dense * task.sizes.get("train", 0),
        "chance": constant_error(task),
        "cluster": family(task),
    }


# fmt: off
_RUN_TEXT = ["key", "stream", "fingerprint", "strategy", "recipe", "family", "source", "around", "budget",
             "backbone", "weights_hash", "precision", "scoring", "commit", "started", "finished", "pretrained_on"]
_RUN_COUNTS = ["strategy_version", "seed", "size", "protocol_version", "attempts", "planned", "done", "threads"]
_TASK_FACTS = ["run", "index", "task", "year", "domain", "kind", "num_classes", "provenance", "phase", "train", "dev",
               "dev_test", "test", "dense_flops", "epoch_flops", "chance", "cluster", "status"]
_TASK_NUMBERS = ["error", "cross_entropy", "n", "flops", "seconds", "setup_flops", "cpu_seconds", "steps", "examples",
                 "parameters", "peak_bytes", "latency_seconds", "budget_flops", "flops_evaluate"]
_RUN_COLUMNS = ["run", "folder", "status", "error", "used", *_RUN_TEXT, *_RUN_COUNTS, "options", "dirty", "packages",
                "hardware"]
_EVAL_COLUMNS = ["run", "index", "after", "task", "split", "metric", "value", "n"]
# fmt: on
_EVAL_KEYS = set(_EVAL_COLUMNS) - {"run", "index"}

REFERENCE = "finetune"
"""The strategy that others are measured against: full finetuning of the dense net, no option changed."""

# fmt: off
BOARD = ["stream", "fingerprint", "backbone", "weights_hash", "size", "precision", "scoring", "protocol_version",
         "around"]
# fmt: on
"""Runs that agree in these can be compared."""

CARRIED = ["folder", "board", "label", "strategy", "family", "budget", "seed", "used"]
"""Facts of the run that stand beside each of its tasks."""

_OURS = {"error", "n", "mean_average_precision", "agreement", PREDICTED, "event", "task"}
_TAKEN = {*_TASK_FACTS, *CARRIED, *_OURS} - {"status"}
"""Names that mean something else in the frame of tasks than they could in a record."""


def _frames(runs: list[Any], tasks: list[Any], evals: list[Any], notes: list[str]) -> Frames:
    r = pd.DataFrame(runs).reindex(columns=_with(runs, _RUN_COLUMNS))
    r[_RUN_TEXT] = r[_RUN_TEXT].astype(object).where(r[_RUN_TEXT].notna(), "")
    for column in _RUN_COUNTS:
        r[column] = pd.to_numeric(r[column]).astype("Int64")
    r["used"] = r["used"].astype(bool)
    known = r["status"] != UNREADABLE
    r["board"] = -1
    r.loc[known, "board"] = r[known].groupby(BOARD, sort=False, dropna=False).ngroup()
    r["label"], apart = labelled(r)
    notes = [*notes, *apart]
    t = pd.DataFrame(tasks).reindex(columns=_with(tasks, [*_TASK_FACTS, *_TASK_NUMBERS]))
    for column in t.columns.difference(
        ["task", "domain", "kind", "provenance", "phase", "cluster", "status", "prepared", "chosen", PREDICTED]
    ):
        t[column] = pd.to_numeric(t[column], errors="coerce")
    t = t.merge(r[["run", *CARRIED]], on="run", how="left", validate="many_to_one")
    t = with_agreement(t, reference=REFERENCE)
    e = pd.DataFrame(evals).reindex(columns=_with(evals, _EVAL_COLUMNS))
    e["value"] = pd.to_numeric(e["value"], errors="coerce")
    return Frames(r, t, e.merge(r[["run", *CARRIED]], on="run", how="left"), tuple(dict.fromkeys(notes)))


def _with(rows: list[dict[str, Any]], first: list[str]) -> list[str]:
    """``first``, then every other column that some row has: nothing on record is left out."""
    return list(dict.fromkeys([*first, *(key for row in rows for key in row)]))


def budget_order(text: str) -> tuple[str, str, float]:
    """Sorts written budgets by scope, unit and size; what cannot be read comes last."""
    try:
        budget = Budget.parse(text)
    except UserError:
        return ("~", text, math.inf)
    for unit, value in (("ep", budget.epochs), ("flops", budget.flops), ("s", budget.seconds)):
        if value != math.inf:
            return (str(budget.scope), unit, value)
    return ("~", text, math.inf)
