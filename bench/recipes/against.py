"""Is the chosen recipe better than the hand-made one, and than not training at all? Pairs on development tasks.

    python -m bench.recipes.against --out DIR --stream folder:FILE [--net NET]     # what DIR lacks, and the tables

Each body is trained by the default recipe and by the hand-made ``v2``, and keeps its frozen start (``choose=start``: a
ridge head on as many images as half of the budget pays for). All tasks of the stream and four emulated ones, at most
150 training images each; seeds that no recipe was chosen on. Differences are paired by task and seed; seeds are
averaged first, and the interval is Student's over tasks.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from bench.recipes.choice import Mean
from bench.recipes.rungs import NETS, Rung, stream_file
from bench.recipes.space import strategy
from harness.config.registry import canonical, make
from harness.config.suite import Suite, build_suite
from harness.core.errors import UserError
from harness.learning.recipe import AUTO
from harness.notebook import load
from harness.running.executor import missing, run_all
from harness.running.plan import price
from harness.running.progress import watching
from harness.running.study import cores
from streams.folder import declared_tasks

BODIES = ("dense", "filter_pruned(flops=0.5)", "filter_pruned(flops=0.25)")
WAYS = {"chosen": {"recipe": AUTO}, "v2": {"recipe": "v2"}, "start": {"recipe": AUTO, "choose": "start"}}
BUDGETS = ("1ep", "10ep")
"""Of 150 images: the lowest band and the middle one."""

SEEDS = (2, 3, 4)
TRAIN = 150
EMULATED = ("kth_tips_2b", "scenes8", "stl10", "path_mnist", "belgium_tsc")
"""Textures, scenes, objects and traffic signs; three of them joined when one interval over nine tasks held 0 by a tenth
of a point, before any run on them. ``path_mnist``, which joined as well, is held out in its stream, and not scored."""


def suite(net: str, given: Path, folder: Path) -> Suite:
    """All runs on ``net``; the streams are declared below ``folder``."""
    _, tasks = declared_tasks(given)
    names = tuple(task.name for task, _, _ in tasks)
    rung = Rung("under_1k", BUDGETS[0], names, EMULATED, emulated_seed=7, train=TRAIN)
    return build_suite(
        name="against", about="", streams=rung.streams(given, folder),
        strategies=[strategy(body, way) for body in BODIES for way in WAYS.values()],
        budgets=list(BUDGETS), seeds=list(SEEDS), setting=rung.setting(net),
    )  # fmt: skip


def table(tasks: pd.DataFrame, net: str) -> Iterator[str]:
    """Markdown: mean errors on the tasks that all three ways could pay for, and the differences in points."""
    yield "| body | budget | chosen | `v2` | frozen start | chosen less `v2` | chosen less its start | kept the start |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for body in BODIES:
        for budget in BUDGETS:
            cells = {way: _cell(tasks, strategy(body, options), budget) for way, options in WAYS.items()}
            paid = pd.concat([cell.error for cell in cells.values()], axis=1, keys=cells).dropna()
            by_task = paid.groupby("task").mean()
            means = " | ".join(f"{by_task[way].mean():.3f}" for way in WAYS)
            less = [Mean.of(list(by_task["chosen"] - by_task[way])).points() for way in ("v2", "start")]
            chosen = cells["chosen"]
            kept = f"{(chosen['chosen'] == 'start').sum()} of {len(chosen)}"
            yield f"| `{body}` | {budget} | {means} | {less[0]} | {less[1]} | {kept} |"


def _cell(tasks: pd.DataFrame, written: str, budget: str) -> pd.DataFrame:
    label = str(canonical(written, make("strategies", written)))  # Without what is the default anyway.
    rows = tasks[(tasks.strategy == label) & (tasks.budget == budget) & tasks.error.notna()]
    return rows.set_index(["task", "seed"])[["error", "chosen"]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.recipes.against", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="where the runs go")
    parser.add_argument("--stream", metavar="folder:FILE", required=True, help="the sets of images of development")
    parser.add_argument("--net", choices=NETS, action="append", help="all by default; may be repeated")
    parser.add_argument("--jobs", type=int, default=cores(), metavar="N")
    parser.add_argument("--plan", action="store_true", help="say what it costs, and do nothing")
    asked = parser.parse_args()
    try:
        for net in asked.net or NETS:
            out = asked.out / net
            specs = suite(net, stream_file(asked.stream), asked.out / "streams").specs()
            left = missing(specs, out, retry_failed=True)
            if left:
                cost = price(left)
                about = f"{cost.flops:.2g} FLOPs, {60 * cost.hours(asked.jobs):.0f} minutes"
                print(f"{net}: {len(left)} runs, {about}", flush=True)
            if asked.plan:
                continue
            if left:
                with watching(left) as watch:
                    run_all(left, out, jobs=asked.jobs, watch=watch, retry_failed=True)
            # Runs by an earlier content of a recipe may lie there, too.
            tasks, mine = load(out).tasks, {spec.folder for spec in specs}
            print("\n".join(table(tasks[tasks.folder.isin(mine)], net)), flush=True)
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
