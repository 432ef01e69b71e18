"""Which finalist is best in the middle band, and which of its weights are kept? ``python -m bench.recipes.middle``.

    python -m bench.recipes.middle --out DIR --stream folder:FILE     # run what DIR lacks, write the file
    python -m bench.recipes --choose [--write]     # print what the file says; put the choice into the recipe

On EfficientNet-Lite0 the search tried the middle band on four tasks, found two trials as good as each other, for
different bodies, and the one it took kept its end whatever came of it. Here both are on ten tasks, two seeds and three
bodies, and each keeps its end or what dev prefers, with what :mod:`bench.recipes.unasked` found where dev is too dear
to ask. The best by mean error over all bodies is chosen, and the frozen start stands beside it.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bench.recipes.choice import Mean, options_of
from bench.recipes.rungs import Rung, stream_file
from bench.recipes.space import Options, strategy
from harness.config.registry import canonical, make
from harness.config.suite import Suite, build_suite
from harness.core.errors import UserError
from harness.notebook import load
from harness.running.executor import missing, run_all
from harness.running.progress import watching
from harness.running.study import cores
from streams.folder import declared_tasks

FILE = Path(__file__).with_name("middle.csv")
BODIES = ("dense", "filter_pruned(flops=0.5)", "filter_pruned(flops=0.25)")
KEPT: Mapping[str, Options] = {"end": {}, "dev": {"choose": "dev", "choose_else": "steady"}}
BUDGET = "10ep"
SEEDS = (0, 1)
TRAIN = 150
EMULATED = ("coil20", "kth_tips_2b")
NET = "efficientnet_lite0"
"""On the half ResNet-50 trial 8 leads for every body."""


class Way(NamedTuple):
    """A trial of the search, and which of its weights are kept: ``end`` or ``dev``."""

    trial: int
    kept: str

    @property
    def options(self) -> Options:
        """The recipe, written out."""
        plain = {name: value for name, value in options_of(self.trial).items() if not name.startswith("choose")}
        return {**plain, **KEPT[self.kept]}

    def __str__(self) -> str:
        return f"trial {self.trial}, {self.kept}"


WAYS = tuple(Way(trial, kept) for trial in (1, 8) for kept in KEPT)
"""The best trial of the search for all bodies together and the best for the dense net, which differ."""

START: Options = {**Way(1, "end").options, "choose": "start"}


def suite(given: Path, folder: Path) -> Suite:
    """All runs; the streams are declared below ``folder``."""
    _, tasks = declared_tasks(given)
    names = tuple(task.name for task, _, _ in tasks)
    rung = Rung("to_10k", BUDGET, names, EMULATED, train=TRAIN)
    return build_suite(
        name="middle", about="", streams=rung.streams(given, folder),
        strategies=[strategy(body, options) for body in BODIES for options in (*(w.options for w in WAYS), START)],
        budgets=[BUDGET], seeds=list(SEEDS), setting=rung.setting(NET),
    )  # fmt: skip


def rows(tasks: pd.DataFrame) -> pd.DataFrame:
    """A row a training of ``tasks`` (as of :func:`harness.load`): body, way, seed, task, error, kept weights."""
    ways = {**{str(way): way.options for way in WAYS}, "start": START}
    parts = []
    for body in BODIES:
        for way, options in ways.items():
            label = str(canonical(strategy(body, options), make("strategies", strategy(body, options))))
            mine = tasks[(tasks.strategy == label) & (tasks.budget == BUDGET) & tasks.error.notna()]
            found = mine[["seed", "task", "error", "chosen"]].assign(diverged=mine.status == "diverged")
            parts.append(found.assign(body=body, way=way))
    order = ["body", "way", "seed", "task", "error", "chosen", "diverged"]
    return pd.concat(parts)[order].round({"error": 5}).sort_values(order[:4], ignore_index=True)


def choose(table: pd.DataFrame) -> Way:
    """Of :data:`WAYS`, the one of the least mean error, over tasks, seeds and bodies."""
    means = _paired(table).mean()
    return min(WAYS, key=lambda way: means[str(way)])


def report(table: pd.DataFrame) -> list[str]:
    """Markdown: mean errors, and the chosen way less its frozen start; seeds averaged first, intervals over tasks."""
    names, best = [*map(str, WAYS), "start"], str(choose(table))
    lines = [f"{NET}, to_10k: {best} is chosen", "",
             f"| body | {' | '.join(names)} | {best} less {names[0]} | less its start | its start kept |",
             "| --- |" + " --- |" * (len(names) + 3)]  # fmt: skip
    for body in (*BODIES, "all three"):
        mine = table if body == "all three" else table[table.body == body]
        by_task = _paired(mine).groupby("task").mean()
        less = [Mean.of(list(by_task[best] - by_task[way])).points() for way in (names[0], "start")]
        kept = mine[mine.way == best].chosen
        means = " | ".join(f"{by_task[way].mean():.3f}" for way in names)
        lines.append(f"| `{body}` | {means} | {less[0]} | {less[1]} | {(kept == 'start').sum()} of {len(kept)} |")
    return lines


def _paired(table: pd.DataFrame) -> pd.DataFrame:
    """By body, task and seed, the error of every way; of what all could pay for."""
    errors = table.pivot_table(index=["body", "task", "seed"], columns="way", values="error")
    return errors.reindex(columns=[*map(str, WAYS), "start"]).dropna()


def read() -> pd.DataFrame:
    """The rows that ship."""
    return pd.read_csv(FILE)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.recipes.middle", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="where the runs go")
    parser.add_argument("--stream", metavar="folder:FILE", required=True, help="the sets of images of development")
    parser.add_argument("--jobs", type=int, default=cores(), metavar="N")
    asked = parser.parse_args(arguments)
    try:
        left = missing(suite(stream_file(asked.stream), asked.out / "streams").specs(), asked.out, retry_failed=True)
        if left:
            with watching(left) as watch:
                run_all(left, asked.out, jobs=asked.jobs, watch=watch, retry_failed=True)
        rows(load(asked.out).tasks).to_csv(FILE, index=False)
    except UserError as error:
        parser.error(str(error))
    print("\n".join(report(read())))


if __name__ == "__main__":
    main()
