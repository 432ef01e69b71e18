"""Is a fused net ahead of a plainly pruned one of the same shape once it is trained?

    python -m bench.fused DIR [--out FILE]

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

BUDGETS = ("1ep", "10ep")
SHARES = ("0.5", "0.25")
PLANS = {"transport": "", "function": ", plan=function"}


def table(tasks: pd.DataFrame) -> Iterator[str]:
    """Markdown: a row for each budget, share and plan."""
    yield "# Fused nets once they are trained\n"
    yield "Measured with `harness run bench/fused.toml --stream ...`, then `python -m bench.fused`: mean errors on the"
    yield f"development tasks {', '.join(tasks.task.unique())},"
    yield "and what fused nets err on less what plainly pruned ones do, in points: mean ± half the 95 % interval over"
    yield "n tasks (Student's t), seeds averaged first. Right after: [TRANSFER.md](TRANSFER.md).\n"
    yield "| budget | FLOPs | pruned | plan | fused | fused less pruned, points | n |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for budget in BUDGETS:
        rows = tasks[tasks.error.notna() & (tasks.budget == budget)]
        for share in SHARES:
            plain = _errors(rows, f"filter_pruned(flops={share})")
            for plan, option in PLANS.items():
                fused = _errors(rows, f"ot_fused(flops={share}{option})")
                means = pd.concat({"p": plain, "f": fused}, axis=1).dropna().groupby("task").mean()
                less = mean_and_half(list(100 * (means.f - means.p)), sign=True)
                errors = f"{means.p.mean():.3f} | {plan} | {means.f.mean():.3f}"
                yield f"| {budget} | {share} | {errors} | {less} | {len(means)} |"


def _errors(rows: pd.DataFrame, written: str) -> "pd.Series[float]":
    label = str(canonical(written, make("strategies", written)))
    return rows[rows.strategy == label].set_index(["task", "seed"])["error"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fused", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write it there")
    asked = parser.parse_args()
    try:
        text = "\n".join(table(load(asked.folder).tasks))
    except UserError as error:
        parser.error(str(error))
    print(text)
    if asked.out is not None:
        asked.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
