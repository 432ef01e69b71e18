"""How is a recipe chosen, again? ``python -m bench.recipes --out DIR --stream folder:FILE``: the search; ``--choose``.

The search goes on from ``bench/recipes/trials.csv`` and from the run folders below ``DIR``. Its trials are ordinary
runs. ``--choose`` recomputes from the file alone which recipe is chosen and what is known of it, and with ``--write``
puts it into ``strategies/recipes.toml``, as ``v3`` and ``v4``.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from bench.recipes import choice, file, middle, unasked
from bench.recipes.file import Row
from bench.recipes.rungs import BODIES, NETS, RUNGS, in_order, stream_file
from bench.recipes.space import strategy, trials
from bench.recipes.summary import lines
from bench.recipes.written import LATER, put, texts
from harness.config.suite import build_suite
from harness.core.band import BANDS, Band
from harness.core.errors import UserError
from harness.core.spec import RunSpec
from harness.running.executor import missing, run_all
from harness.running.plan import price
from harness.running.progress import watching
from harness.running.study import cores

MissingRun = tuple[RunSpec, dict[str, object]]
"""A run, and what else its row says."""


def missing_runs(rows: list[Row], net: str, band: Band, rung: int, given: Path, out: Path) -> list[MissingRun]:
    """The runs of one rung that ``rows`` do not have."""
    step, options = RUNGS[band][rung], trials()
    have = {row.case for row in rows}
    mine = [row for row in rows if row.net == net]
    found: list[MissingRun] = []
    # What the middle band's finalists chose goes on to the band above, on every body.
    finalist = [middle.choose(middle.read()).trial] if (net, band) in LATER else []
    for body in BODIES:
        for trial in sorted({*choice.goes_on(mine, rung, band, body), *finalist}):
            written = strategy(body, options[trial])
            suite = build_suite(
                name="recipes", about="", streams=step.streams(given, out / "streams"), strategies=[written],
                budgets=[step.budget], seeds=[step.seed], setting=step.setting(net),
            )  # fmt: skip
            for spec in suite.specs():
                stream = "emulated" if "nevis22(" in spec.stream else "real"
                facts: dict[str, object] = {"band": band, "rung": rung, "body": body, "trial": trial, "stream": stream}
                if (net, band, rung, body, trial, stream) not in have:
                    found.append((spec, facts))
    return found


def search(net: str, bands: Iterable[Band], given: Path, out: Path, *, jobs: int, plan: bool) -> None:
    """Climb the rungs of ``bands``, writing the file after each and where it is interrupted."""
    for band, rung in in_order(bands):
        rows = file.read()
        todo = missing_runs(rows, net, band, rung, given, out)
        specs = [spec for spec, _ in todo]
        left = missing(specs, out, retry_failed=True)
        if left:
            cost = price(left)
            about = f"at most {cost.flops:.2g} FLOPs, about {60 * cost.hours(jobs):.0f} minutes with {jobs} jobs"
            print(f"{net}, {band}, rung {rung}: {len(left)} runs, {about}", flush=True)
        if plan:
            if left:
                return
            continue
        try:
            with watching(left) as watch:
                run_all(left, out, jobs=jobs, watch=watch, retry_failed=True)
        finally:
            file.write([*rows, *(one for spec, facts in todo if (one := file.row(spec, out, **facts)) is not None)])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.recipes", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the runs go")
    parser.add_argument("--stream", metavar="folder:FILE", help="the sets of images that recipes are developed on")
    parser.add_argument("--net", choices=NETS, action="append", help="all by default; may be repeated")
    parser.add_argument("--band", choices=BANDS, action="append", help="all by default; may be repeated")
    parser.add_argument("--jobs", type=int, default=cores(), metavar="N")
    parser.add_argument("--plan", action="store_true", help="say what the next rung costs, and do nothing")
    parser.add_argument("--choose", action="store_true", help="no runs: what is chosen by the trials in the file")
    parser.add_argument("--write", action="store_true", help="write it into recipes.toml")
    asked = parser.parse_args(arguments)
    if not asked.choose:
        if asked.out is None or asked.stream is None:
            parser.error("the search needs --out and --stream; --choose needs neither")
        try:
            for net in asked.net or NETS:
                bands = asked.band or BANDS
                search(net, bands, stream_file(asked.stream), asked.out, jobs=asked.jobs, plan=asked.plan)
        except UserError as error:
            parser.error(str(error))
    rows, kept, finalists = file.read(), unasked.read(), middle.read()
    print("\n".join([*lines(rows), "", *unasked.report(kept), "", *unasked.sweep(kept), "", *middle.report(finalists)]))
    if asked.write:
        put(texts(rows, kept, finalists))


if __name__ == "__main__":
    main()
