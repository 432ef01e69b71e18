"""How are results handed on? Every mean with its n, spread and cost, without weights, as a baseline others can load."""

import datetime
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UserError
from reports.board import Board, boards
from reports.frame import read
from reports.style import shortened


def export(folder: Path, out: Path) -> Path:
    """Write the results below ``folder`` to the TOML file ``out``; ``harness compare --baseline OUT`` reads it.

    One number a task, strategy and budget: the mean over seeds, its standard deviation as spread, n, FLOPs, seconds. In
    ``why`` of a comparison stand the differences of setting; the same setting is comparable.

    Raises:
        UserError: the folder does not exist, holds no result, or ``out`` is no ``.toml`` file.
    """
    if out.suffix != ".toml":
        raise UserError(f"cannot export to {str(out)!r}: expected a file that ends in .toml")
    frames = read([folder])
    numbers = [number for board in boards(frames) for number in _numbers(board)]
    if not numbers:
        raise UserError(f"nothing to export: {str(folder)!r} holds no result yet; see 'harness report {folder}'")
    used = frames.runs[frames.runs["used"]]
    head = {
        "id": out.stem,
        "title": f"Results of {shortened(folder.resolve().name)}",
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
    return out


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
