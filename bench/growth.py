"""Does a long stream grow dearer as it goes on? Seconds, FLOPs and memory a task along 106 tasks."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.pairs import Line
from harness.config.suite import build_suite
from harness.core.spec import Setting
from harness.running.runner import run
from harness.storage.records import read_log


def rows(pairs: int) -> Iterator[Line]:
    suite = build_suite(
        name="growth",
        about="",
        streams=["nevis22(variant=full, source=emulated)"],
        strategies=["linear_probe"],
        budgets=["0.1ep"],
        seeds=[0],
        setting=Setting(scoring="test"),
    )
    (spec,) = suite.specs()
    with tempfile.TemporaryDirectory() as folder:
        run(spec, Path(folder))
        records = read_log(Path(folder) / spec.folder / "events.jsonl").records
    learnt = [record for record in records if record["event"] == "learn"]
    peaks = [record["peak_bytes"] for record in learnt]
    third = len(learnt) // 3
    yield Line(
        "growth", f"peak memory, last task / median of {len(peaks)}", None, "<= 1.2", f"{peaks[-1] / median(peaks):.2f}"
    )
    for column, name in (("cpu_seconds", "CPU seconds"), ("flops", "FLOPs")):
        # An image, so that larger tasks late in the stream do not pass for growth.
        cost = [record[column] / max(1, record["examples"]) for record in learnt]
        late = median(cost[-third:]) / median(cost[:third])
        yield Line("growth", f"{name} an image, last third / first third of the tasks", None, "1", f"{late:.2f}")
