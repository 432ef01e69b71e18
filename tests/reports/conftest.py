"""Run folders as the engine writes them, made up: small, deterministic, with learning curves that look real."""

import fcntl
import hashlib
import json
import math
import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.config.notation import parse
from harness.core.budget import Budget
from harness.core.spec import path_safe
from harness.storage.records import line_of

PHASES = ["train", "validate", "search", "prune", "fuse", "extract", "recalibrate", "evaluate"]

TASKS: list[dict[str, Any]] = [
    {"name": name, "year": year, "domain": domain, "kind": kind, "num_classes": classes, "provenance": provenance,
     "phase": "development", "sizes": {"train": train, "dev": train // 5, "dev_test": train // 5, "test": train // 4}}
    for name, year, domain, kind, classes, provenance, train in [
        ("uci_digits", 1998, "ocr", "multiclass", 10, "real", 1000),
        ("photo_textures", 1998, "texture", "multiclass", 17, "real", 900),
        ("mnist_5k", 1998, "ocr", "multiclass", 10, "real", 3000),
        ("faces", 2007, "face", "binary", 2, "real", 120),
        ("font_glyphs", 2009, "ocr", "multiclass", 62, "real", 2500),
        ("solar_cell_grade", 2018, "industrial", "multiclass", 8, "real", 1500),
        ("solar_cell_defect", 2018, "industrial", "binary", 2, "real", 1500),
        ("attributes", 2019, "object", "multilabel", 12, "emulated", 800),
    ]
]  # fmt: skip
STRATEGIES = ["finetune", "linear_probe", "channel_pruned(keep=0.663)", "filter_pruned(keep=0.5)", "ot_fused(keep=0.5)",
              "finetune(init=scratch)", "filter_pruned(keep=0.5, score=random)"]  # fmt: skip
BUDGETS = ["0.1ep", "0.3ep", "1ep"]

# Final error relative to the task's best, how fast it is reached, training FLOPs an image relative to the dense net's.
SHAPES = {"finetune": (1.0, 1.0, 1.0), "linear_probe": (1.9, 8.0, 0.33), "channel_pruned": (1.35, 2.0, 0.45),
          "filter_pruned": (1.15, 2.2, 0.45), "ot_fused": (1.08, 2.6, 0.45)}  # fmt: skip


def _random(*names: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(names).encode()))


def write_run(
    out: Path,
    strategy: str,
    budget: str,
    seed: int,
    *,
    stream: str = "nevis-mini",
    tasks: Sequence[dict[str, Any]] = TASKS,
    status: str = "done",
    error: str | None = None,
    stop_after: int | None = None,
    infeasible: Sequence[str] = (),
    error_of: Callable[[str, int, str, int], float] | None = None,
    **changes: Any,
) -> Path:
    """One run folder, as ``harness run`` leaves it; ``changes`` replace top-level entries of ``run.json``.

    ``error_of(strategy, task's index, budget, seed)`` plants errors instead of the made-up curves.
    """
    written = parse(strategy)
    setting = {"backbone": "efficientnet_lite0", "weights_hash": "ab" * 32, "size": 64, "precision": "fp32",
               "scoring": "dev_test", "protocol_version": 1} | changes.pop("setting", {})  # fmt: skip
    spec = {"stream": stream, "fingerprint": changes.pop("fingerprint", "f" * 64), "strategy": str(written),
            "options": {"recalibrate_bn": 0, **written.options, **changes.pop("options", {})},
            "strategy_version": changes.pop("strategy_version", 1),
            "budget": budget, "setting": setting, "seed": seed}  # fmt: skip
    key = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
    folder = out / path_safe(stream) / path_safe(str(written)) / path_safe(budget) / f"seed{seed}-{key[:8]}"
    folder.mkdir(parents=True)
    facts = [{**task, "dense_flops": 2.0e8 + 1e5 * task["num_classes"]} for task in tasks]
    run = {"schema_version": 1, "key": key, "spec": spec, "status": status, "attempts": 1, "error": error,
           "started": "2026-11-21T20:00:00+00:00", "finished": "2026-11-21T20:01:00+00:00", "tasks": facts,
           "stream": {"name": stream, "version": "1"}, "code": {"commit": "0123456789abcdef", "dirty": False},
           "packages": {"torch": "2.14.1", "numpy": "2.4.6", "timm": "1.0.20"},
           "hardware": {"cpu": "Example CPU", "cores": 2, "memory_bytes": 8 << 30, "gpu": None, "system": "Linux"},
           "threads": 1} | changes  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    lines: list[str] = []
    for index, task in enumerate(facts[:stop_after]):
        planted = None if error_of is None else error_of(str(written), index, budget, seed)
        lines += _task_lines(index, task, str(written), budget, seed, task["name"] in infeasible, planted)
    (folder / "events.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def _task_lines(
    index: int, task: dict[str, Any], strategy: str, budget: str, seed: int, infeasible: bool, planted: float | None
) -> list[str]:
    name = strategy.partition("(")[0]
    rate, speed, cost = SHAPES.get(name, (1.2, 1.5, 1.0))
    if (keep := parse(strategy).options.get("keep")) is not None:
        # ResNet blocks, filters inside them and channels everywhere: by arithmetic on layer shapes.
        cost = keep**2 if name == "channel_pruned" else (8 * keep + 9 * keep**2) / 17
    epoch = task["dense_flops"] * task["sizes"]["train"]
    cap = Budget.parse(budget).flops_for(dense_flops=task["dense_flops"], images=task["sizes"]["train"])
    spent = min(cap, 3 * epoch) * (0.6 if name == "linear_probe" else 0.999)
    chance = 1 - 1 / task["num_classes"] if task["kind"] != "multilabel" else 0.8
    best = chance * (0.02 + 0.3 * _random("best", task["name"]).random())
    if "scratch" in strategy:
        rate, speed = 2.0, 0.05
    if "random" in strategy:
        rate, speed = rate * 1.2, speed * 0.6
    effort = spent / epoch * speed * (0.5 + _random("ease", task["name"]).random())
    error = best * rate + (chance - best * rate) * math.exp(-1.6 * effort**0.45)
    error = float(np.clip(error + 0.012 * _random(strategy, task["name"], budget, seed).standard_normal(), 0, 1))
    error = error if planted is None else planted
    n = task["sizes"]["dev_test"]
    after = {"event": "eval", "after": task["name"], "task": task["name"], "split": "dev_test", "n": n}
    metric, value = ("mean_average_precision", 1 - error) if task["kind"] == "multilabel" else ("error", error)
    setup = 2.0e7 if index == 0 and "pruned" in strategy else 0
    seconds = spent / 2e11
    zero = {f"{unit}_{phase}": 0 for unit in ("flops", "seconds") for phase in PHASES}
    forward = task["dense_flops"] / 3 * (1 if name == "linear_probe" else cost)
    learn = {
        "event": "learn", "task": task["name"], "index": index, "status": "infeasible" if infeasible else "flops",
        "flops": spent + setup, "seconds": seconds, **zero, "flops_train": spent, "seconds_train": seconds,
        "flops_prune": setup, "flops_evaluate": forward * n, "setup_flops": setup, "cpu_seconds": seconds * 0.98,
        "steps": int(spent / epoch * 60) + 1, "examples": int(spent / (task["dense_flops"] * cost)),
        "parameters": int(3.4e6 * cost), "peak_bytes": 4 << 27, "latency_seconds": 0.004 * (0.4 + 0.6 * cost),
        "budget_flops": None if math.isinf(cap) else cap,
    }  # fmt: skip
    if infeasible:
        return [line_of(learn)]
    return [line_of({**after, "metric": metric, "value": value}),
            line_of({**after, "metric": "cross_entropy", "value": 2.2 * error}), line_of(learn)]  # fmt: skip


def make_runs(
    out: Path,
    *,
    strategies: Sequence[str] = STRATEGIES,
    budgets: Sequence[str] = BUDGETS,
    seeds: int = 2,
    tasks: Sequence[dict[str, Any]] = TASKS,
    **changes: Any,
) -> Path:
    """The product of strategies, budgets and seeds, below ``out``."""
    for strategy in strategies:
        for budget in budgets:
            for seed in range(seeds):
                write_run(out, strategy, budget, seed, tasks=tasks, **changes)
    return out


@pytest.fixture(scope="session")
def made() -> Callable[..., Path]:
    """Writes the folders of many runs."""
    return make_runs


@pytest.fixture(scope="session")
def facts() -> list[dict[str, Any]]:
    """The tasks of the made-up stream."""
    return TASKS


@pytest.fixture(scope="session")
def one() -> Callable[..., Path]:
    """Writes the folder of one run."""
    return write_run


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete suite: seven strategies, three budgets, two seeds, eight tasks. Read only."""
    return make_runs(tmp_path_factory.mktemp("results"))


BROWSER = Path(__file__).parent / "page" / "browser"


def _not_run(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"not run: {why}")
    pytest.skip(f"not run: {why}")


@pytest.fixture(scope="session")
def chromium() -> Callable[..., Any]:
    """Carries out a script of ``page/browser`` with Chromium and more arguments, and returns the JSON that it prints.

    Needs Chromium and node; the npm packages are pinned in ``page/browser/package-lock.json``. Without them the tests
    say *not run*; with ``CI=true`` not running is failing.
    """
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        _not_run("no chromium; on Debian: apt-get install chromium")
    if not shutil.which("node") or not shutil.which("npm"):
        _not_run("no node; on Debian: apt-get install nodejs npm")
    # Several processes may test at once; one fetches the packages.
    with (Path(tempfile.gettempdir()) / f"harness-npm-{zlib.crc32(str(BROWSER).encode())}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (BROWSER / "node_modules").is_dir():
            command = ["npm", "ci", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=BROWSER, capture_output=True, text=True, check=False)
            if done.returncode:
                _not_run(f"no npm packages: {done.stderr[-300:]}")

    def carry_out(script: str, *arguments: object) -> Any:
        command = ["node", str(BROWSER / script), str(found), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return carry_out
