"""Which weights are kept where the budget does not pay for asking dev? ``python -m bench.recipes.unasked``.

    python -m bench.recipes.unasked --out DIR --stream folder:FILE [--net NET]     # run what DIR lacks, write the file
    python -m bench.recipes --choose [--write]     # print what the file says; put the choice into the recipe

The search chose trials whose weights dev chooses. Under some 600 training images dev is too dear to ask, and the
weights at the end of three to ten steps may be worse than the solved start: here three ways are set against each other,
and against the start, on development tasks and seeds that recipes were chosen on: the end, the average of start and
end, and ``steady``, the average but where the loss rose. The best by mean error becomes ``choose_else``. That the start
is kept whatever training gave is no candidate, for the reason that it is none in the search: that has a name of its
own.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pandas as pd

from bench.recipes.choice import Mean
from bench.recipes.rungs import BODIES, NETS, Rung, stream_file
from harness.config.notation import Written, parse
from harness.config.registry import canonical, make
from harness.config.suite import Suite, build_suite
from harness.core.errors import UserError
from harness.learning.recipe import Choice, Unasked
from harness.notebook import load
from harness.running.executor import missing, run_all
from harness.running.progress import watching
from harness.running.study import cores
from strategies.learners.choosing import RISE
from streams.folder import declared_tasks

FILE = Path(__file__).with_name("unasked.csv")
KEPT: tuple[Choice, ...] = get_args(Choice)
CANDIDATES: tuple[Unasked, ...] = ("end", "average", "steady")
RISES = (1.0, 1.05, 1.2, RISE, 2.0, 3.0)
LOSSES = ("loss_first", "loss_max", "diverged")
BUDGETS = ("0.3ep", "1ep")
SEEDS = (0, 1)
TRAIN = 150
EMULATED = ("coil20", "kth_tips_2b")
TRAINED = tuple(body for body in BODIES if not body.startswith("ot_fused"))
"""A fused net has the shapes and the recipe of the filter-pruned one."""


def written(body: str, keep: Choice) -> str:
    """``body`` trained by the default recipe, but for what it keeps, as a strategy is written."""
    form = parse("finetune" if body == "dense" else body)
    return str(Written(form.name, {**form.options, "choose": keep}))


def suite(net: str, given: Path, folder: Path) -> Suite:
    """All runs on ``net``; the streams are declared below ``folder``."""
    _, tasks = declared_tasks(given)
    names = tuple(task.name for task, _, _ in tasks)
    rung = Rung("under_1k", BUDGETS[0], names, EMULATED, train=TRAIN)
    return build_suite(
        name="unasked", about="", streams=rung.streams(given, folder),
        strategies=[written(body, keep) for body in TRAINED for keep in KEPT],
        budgets=list(BUDGETS), seeds=list(SEEDS), setting=rung.setting(net),
    )  # fmt: skip


def rows(tasks: pd.DataFrame, net: str) -> pd.DataFrame:
    """A row a training of ``tasks`` (as of :func:`harness.load`): net, body, kept weights, budget, seed, task, error
    and losses. What no way of keeping weights could pay for is left out.
    """
    names = {
        str(canonical(written(body, keep), make("strategies", written(body, keep)))): (body, keep)
        for body in TRAINED
        for keep in KEPT
    }
    wanted = tasks[tasks.strategy.isin(names) & tasks.error.notna()]
    found = pd.DataFrame({
        "net": net,
        "body": [names[label][0] for label in wanted.strategy],
        "kept": [names[label][1] for label in wanted.strategy],
        **{name: wanted[name].to_numpy() for name in ("budget", "seed", "task", "error", "loss_first", "loss_max")},
        "diverged": (wanted.status == "diverged").to_numpy(),
    })  # fmt: skip
    digits = dict.fromkeys(("error", "loss_first", "loss_max"), 5)
    return found.round(digits).sort_values([*found.columns[:6]], ignore_index=True)


def choose(table: pd.DataFrame, net: str) -> Unasked:
    """Of ``CANDIDATES``, the one of the least mean error on ``net``, over tasks, seeds, bodies and budgets.

    Raises:
        UserError: ``table`` has no rows of ``net``.
    """
    paired = _paired(table[table.net == net])
    if paired.empty:
        raise UserError(f"{FILE.name} has no rows of {net}: run python -m bench.recipes.unasked --net {net} first")
    means = paired[[*CANDIDATES]].mean()
    return min(CANDIDATES, key=lambda keep: means[keep])


def report(table: pd.DataFrame) -> list[str]:
    """Markdown: mean errors, and the differences in points, seeds averaged first; intervals over tasks."""
    lines = ["| net | body | budget | start | end | average | steady | steady less end | steady less start | kept it |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for net in dict.fromkeys(table.net):
        for body in (*TRAINED, "all four"):
            for budget in BUDGETS:
                mine = table[(table.net == net) & (table.budget == budget)]
                lines.append(_line(net, body, budget, mine if body == "all four" else mine[mine.body == body]))
    return lines


def sweep(table: pd.DataFrame) -> list[str]:
    """Markdown: what ``steady`` errs on, and how often it keeps the start, by how far the loss may rise."""
    nets = list(dict.fromkeys(table.net))
    lines = ["| the loss may rise to | " + " | ".join(f"{net}: error | kept the start" for net in nets) + " |",
             "| --- |" + " --- | --- |" * len(nets)]  # fmt: skip
    for rise in RISES:
        found = [_paired(table[table.net == net], rise=rise) for net in nets]
        cells = [f"{one.steady.mean():.4f} | {100 * one.rose.mean():.0f} %" for one in found]
        lines.append(f"| {rise:g} of the first{' (taken)' if rise == RISE else ''} | {' | '.join(cells)} |")
    return lines


def _line(net: str, body: str, budget: str, table: pd.DataFrame) -> str:
    paired = _paired(table)
    by_task = paired.groupby("task").mean()
    means = " | ".join(f"{by_task[keep].mean():.3f}" for keep in ("start", *CANDIDATES))
    less = [Mean.of(list(by_task["steady"] - by_task[keep])).points() for keep in ("end", "start")]
    return f"| {net} | `{body}` | {budget} | {means} | {less[0]} | {less[1]} | {100 * paired.rose.mean():.0f} % |"


def _paired(table: pd.DataFrame, *, rise: float = RISE) -> pd.DataFrame:
    """By body, budget, task and seed, the error of every way, and whether the loss rose; what all could pay for."""
    index = ["body", "budget", "task", "seed"]
    errors = table.pivot_table(index=index, columns="kept", values="error").reindex(columns=[*KEPT])
    losses = table[table.kept == "end"].set_index(index)[[*LOSSES]].reindex(errors.index)
    rose = losses.diverged.eq(True) | (losses.loss_max > rise * losses.loss_first)
    return errors.assign(steady=errors.start.where(rose, errors.average), rose=rose).dropna()


def read() -> pd.DataFrame:
    """The rows that ship."""
    return pd.read_csv(FILE)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.recipes.unasked", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="where the runs go")
    parser.add_argument("--stream", metavar="folder:FILE", required=True, help="the sets of images of development")
    parser.add_argument("--net", choices=NETS, action="append", help="all by default; may be repeated")
    parser.add_argument("--jobs", type=int, default=cores(), metavar="N")
    asked = parser.parse_args(arguments)
    try:
        for net in asked.net or NETS:
            specs = suite(net, stream_file(asked.stream), asked.out / "streams").specs()
            if left := missing(specs, asked.out / net, retry_failed=True):
                with watching(left) as watch:
                    run_all(left, asked.out / net, jobs=asked.jobs, watch=watch, retry_failed=True)
            old = read() if FILE.exists() else pd.DataFrame(columns=["net"])
            pd.concat([old[old.net != net], rows(load(asked.out / net).tasks, net)]).to_csv(FILE, index=False)
    except UserError as error:
        parser.error(str(error))
    print("\n".join([*report(read()), "", *sweep(read())]))


if __name__ == "__main__":
    main()
