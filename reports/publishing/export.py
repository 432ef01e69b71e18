"""How are results handed on? Without weights: every record as a bundle, or the means as a baseline others can load."""

import datetime
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.core.errors import UserError
from harness.core.schema import parse_run
from harness.core.spec import path_safe
from harness.storage.records import Log, parse_log
from reports.boards.board import Board, boards
from reports.figures.style import shortened
from reports.reading.bundle import SUFFIX, Packed, run_text, write_bundle
from reports.reading.frame import read
from reports.reading.impersonal import impersonal
from reports.reading.sources import Source, sources


class Exported(NamedTuple):
    """What was written: the file, how many runs and task records are in it, and what was left out, in words."""

    file: Path
    runs: int
    records: int
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        size = self.file.stat().st_size
        shown = f"{size / 1e6:.2f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"
        lines = [f"written: {self.file}, {self.runs:,} runs, {self.records:,} task records, {shown}"]
        return "\n".join([*lines, *(f"left out: {line}" for line in self.left_out)])


def export(given: Sequence[Path], out: Path) -> Exported:
    """Write the results in ``given`` (folders and bundles) to ``out``; its suffix says in which form.

    ``.tar.xz``: a bundle, every record of every run, which the report reads like a folder (see ``reading.bundle``).
    ``.toml``: a baseline, one number a task, strategy and budget: the mean over seeds, its standard deviation as
    spread, n, FLOPs, seconds; ``harness compare --baseline OUT`` reads it. In ``why`` of a comparison stand the
    differences of setting; the same setting is comparable.

    Raises:
        UserError: one of ``given`` does not exist or is damaged, there is no result, or ``out`` has another suffix.
    """
    if out.name.endswith(SUFFIX):
        return _bundle(given, out)
    if out.suffix == ".toml":
        return _baseline(given, out)
    raise UserError(
        f"cannot export to {str(out)!r}: expected a file that ends in {SUFFIX} (every record, for the report) or in "
        ".toml (means, for 'harness compare')"
    )


def _bundle(given: Sequence[Path], out: Path) -> Exported:
    packed: dict[str, Packed] = {}
    best: dict[str, tuple[int, Source, Log]] = {}
    specs: dict[str, str] = {}
    left_out: list[str] = []
    records = 0
    for source in (one for _, found in sources(given) for one in found):
        try:
            if source.run is None:
                raise ValueError(source.trouble)
            key = parse_run(source.run).key
        except ValueError as error:
            left_out.append(f"{source.place}: {error}")
            continue
        log = parse_log(source.events, source.place)
        learnt = sum(record["event"] == "learn" for record in log.records)
        other = best.get(key)
        # An interrupted copy does not take the place of the one that got further.
        if other is not None and other[0] >= learnt:
            left_out.append(f"{source.place}: the same run as {other[1].place}")
            continue
        if other is not None:
            left_out.append(f"{other[1].place}: the same run as {source.place}")
        best[key] = learnt, source, log
    for key, (learnt, source, log) in best.items():
        assert source.run is not None
        if log.damage:
            left_out.append(f"{log.damage}, and all after it")
        content = impersonal(json.loads(source.run))
        told = str(run_text(content["spec"]))
        if told in specs:
            raise UserError(
                f"{specs[told]} and {source.place} differ only in a folder that their spec names, and folders are not "
                "handed on: export them to two bundles"
            )
        specs[told] = source.place
        name = _folder(content["spec"], key)
        packed[name] = Packed(name, run_text(content), source.events[: log.length])
        records += learnt
    if not packed:
        raise UserError(f"nothing to export: no run in {', '.join(map(str, given))}; 'harness run default' makes some")
    write_bundle([packed[name] for name in sorted(packed)], out)
    return Exported(out, len(packed), records, tuple(left_out))


def _folder(spec: Mapping[str, Any], key: str) -> str:
    """Where ``harness run`` puts the run, so that a bundle unpacks to what it came from."""
    parts = (path_safe(str(spec[name])) for name in ("stream", "strategy", "budget"))
    return "/".join([*parts, f"seed{spec['seed']}-{key[:8]}"])


def _baseline(given: Sequence[Path], out: Path) -> Exported:
    frames = read(given)
    numbers = [number for board in boards(frames) for number in _numbers(board)]
    named = " ".join(map(str, given))
    if not numbers:
        raise UserError(f"nothing to export: {named} holds no result yet; see 'harness report {named}'")
    used = frames.runs[frames.runs["used"]]
    head = {
        "id": out.stem,
        "title": f"Results of {', '.join(shortened(path.resolve().name) for path in given)}",
        "citation": f"nevis-harness, commit {', '.join(sorted({f'{c:.10}' for c in used['commit']}))}",
        "address": f"exported {datetime.date.today().isoformat()}, {len(used)} runs",
        "read": "export",
    }
    lines = ["# Written by 'harness export'. Compare with: harness compare DIR --baseline THIS_FILE"]
    lines += [f"{key} = {_toml(value)}" for key, value in head.items()]
    for number in numbers:
        lines += ["", "[[numbers]]", *(f"{key} = {_toml(value)}" for key, value in number.items())]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Exported(out, len(used), int(frames.tasks["error"].notna().sum()))


def _numbers(board: Board) -> list[dict[str, Any]]:
    setting = board.setting
    fixed = {
        "metric": "error", "stream": setting["stream"], "fingerprint": setting["fingerprint"],
        "backbone": setting["backbone"], "weights_hash": setting["weights_hash"], "size": setting["size"],
        "precision": setting["precision"], "split": setting["scoring"], "protocol_version": setting["protocol_version"],
    }  # fmt: skip
    found = []
    for label, budget in board.cells:
        tables = {column: board.values(label, budget, column) for column in ("error", "flops", "seconds")}
        for place, task in enumerate(board.tasks["task"]):
            errors = tables["error"][place][~np.isnan(tables["error"][place])]
            if not errors.size:
                continue
            found.append({
                "what": f"{task}: {label} at {budget}", "strategy": label, "task": str(task), "budget": budget,
                "value": float(errors.mean()), "spread": float(errors.std(ddof=1)) if errors.size > 1 else None,
                "n": int(errors.size), "where": "run folders", **fixed,
                **{cost: _mean(tables[cost][place]) for cost in ("flops", "seconds")},
            })  # fmt: skip
    return [{key: value for key, value in number.items() if value is not None} for number in found]


def _mean(values: Any) -> float | None:
    mean = float(np.nanmean(values)) if not np.isnan(values).all() else math.nan
    return None if math.isnan(mean) else mean


def _toml(value: Any) -> str:
    """A TOML value: JSON's text, numbers and lists are TOML's too, but for two characters that JSON leaves bare."""
    if isinstance(value, (np.integer, np.floating)):
        value = value.item()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
