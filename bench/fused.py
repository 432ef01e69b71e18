"""Is a fused net ahead of a plainly pruned one of the same shape once it is trained? ``python -m bench.fused DIR``.

Of the runs of ``bench/fused.toml`` on one net in DIR: errors of fused nets less those of pruned ones, in points, paired
by task, seed and budget; seeds are averaged first, and the interval is Student's over tasks. Before training:
:mod:`bench.transfer`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from bench.intervals import mean_and_half
from harness.config.registry import canonical, make
from harness.core.errors import UserError
from harness.notebook import load

SHARES = ("0.5", "0.25")
PLANS = {"transport": "", "function": ", plan=function"}


def table(tasks: pd.DataFrame) -> Iterator[str]:
    """Markdown: a row for each budget, share and plan."""
    yield "| budget | FLOPs | pruned | plan | fused | fused less pruned, points | n |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for budget, rows in tasks[tasks.error.notna()].groupby("budget"):
        for share in SHARES:
            plain = _errors(rows, f"filter_pruned(flops={share})")
            for plan, option in PLANS.items():
                both = pd.concat([plain, _errors(rows, f"ot_fused(flops={share}{option})")], axis=1, keys="pf").dropna()
                means = both.groupby("task").mean()
                less = mean_and_half(list(100 * (means.f - means.p)), sign=True)
                errors = f"{means.p.mean():.3f} | {plan} | {means.f.mean():.3f}"
                yield f"| {budget} | {share} | {errors} | {less} | {len(means)} |"


def _errors(rows: pd.DataFrame, written: str) -> "pd.Series[float]":
    label = str(canonical(written, make("strategies", written)))
    return rows[rows.strategy == label].set_index(["task", "seed"])["error"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fused", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    try:
        tasks = load(parser.parse_args().folder).tasks
    except UserError as error:
        parser.error(str(error))
    print("\n".join(table(tasks)))


if __name__ == "__main__":
    main()
