"""Run rows and write the table: ``python -m bench [ROW...] [--pairs N] [--write]``."""

import argparse
import inspect
import os
from importlib import import_module
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

from bench.pairs import Line  # noqa: E402  (threads are set before torch is imported)

ROWS = {
    "loop": "bench.loop",
    "avalanche": "bench.avalanche_naive",
    "probe": "bench.probe",
    "pruned": "bench.pruned",
    "transport": "bench.transport",
    "pipeline": "bench.pipeline",
    "peak": "bench.peak",
    "memo": "bench.memo",
    "jobs": "bench.jobs",
    "start": "bench.start",
    "growth": "bench.growth",
}
RESULTS = Path(__file__).parent / "RESULTS.md"


def markdown_row(line: Line) -> str:
    """A row of the Markdown table."""
    if line.ratio is None:
        return f"| `{line.row}` | {line.what} | | | {line.aim} | {line.note} |"
    r = line.ratio
    measured = f"{r.theirs:.3g} s / {r.ours:.3g} s"
    ratio = f"**{r.median:.2f}** ({r.low:.2f} to {r.high:.2f}, n={r.n})"
    return f"| `{line.row}` | {line.what} | {ratio} | {measured} | {line.aim} | {line.note} |"


def _merged(before: list[str], now: list[str], *, partly: bool) -> list[str]:
    """The lines of one row: those that were measured now, and earlier ones of what was not asked for."""
    if not now:
        return before
    asked = {line.split(" | ")[1] for line in now}
    return [*(line for line in before if partly and line.split(" | ")[1] not in asked), *now]


def main() -> None:
    import torch

    from harness.compute.memory import keep_freed_memory
    from harness.core.environment import environment

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(ROWS)}; all by default")
    parser.add_argument("--net", metavar="NET", help="this backbone alone, in the rows that compare nets")
    parser.add_argument("--pairs", type=int, default=5, help="pairs a ratio (default 5)")
    parser.add_argument(
        "--write", action="store_true", help="put the rows into bench/RESULTS.md; rows that were not asked for stay"
    )
    asked = parser.parse_args()
    if wrong := [row for row in asked.rows if row not in ROWS]:
        parser.error(f"no row {wrong[0]!r}; rows: {', '.join(ROWS)}")
    torch.set_num_threads(1)
    keep_freed_memory()
    lines: dict[str, list[str]] = {}
    for row in asked.rows or ROWS:
        rows = import_module(ROWS[row]).rows
        if asked.net and "net" not in inspect.signature(rows).parameters:
            parser.error(f"row {row!r} compares no nets; leave out --net")
        for line in rows(asked.pairs, **({"net": asked.net} if asked.net else {})):
            print(markdown_row(line), flush=True)
            lines.setdefault(row, []).append(markdown_row(line))
    if asked.write:
        hardware = environment()["hardware"]
        system = hardware["system"].split()[0]
        packages = environment()["packages"]
        before = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
        kept = {row: [line for line in before if line.startswith(f"| `{row}` |")] for row in ROWS}
        text = [
            "# Speed",
            "",
            f"Measured with `python -m bench` on {hardware['cpu']}, {hardware['cores']} cores, {system}; "
            f"torch {packages['torch']}. One thread a process; CPU seconds, both sides in turn, medians of pairs with",
            "the smallest and largest ratio. A ratio is the time of what is named first over what is named second; the",
            "seconds are in the same order. A row alone: `python -m bench ROW`.",
            "",
            "| row | what | ratio | seconds | aim | note |",
            "| --- | --- | --- | --- | --- | --- |",
            *(line for row in ROWS for line in _merged(kept[row], lines.get(row, []), partly=asked.net is not None)),
            "",
        ]
        RESULTS.write_text("\n".join(text), encoding="utf-8")
        print(f"written: {RESULTS}")


if __name__ == "__main__":
    main()
