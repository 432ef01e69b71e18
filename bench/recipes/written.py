"""How does the choice get into ``strategies/recipes.toml``? As entries of recipes, a line an option.

``v3`` is what the search chose before Lite0's highest band was searched and its middle one looked at again; ``v4``, for
Lite0 alone, is that with both.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.recipes import middle, unasked
from bench.recipes.choice import chosen, options_of
from bench.recipes.file import Row
from bench.recipes.rungs import NETS
from harness.core.band import BANDS, Band

TARGET = Path(__file__).parents[2] / "strategies" / "recipes.toml"
COMMAND = "python -m bench.recipes --choose --write"
LATER = {("efficientnet_lite0", "to_100k")}
"""What was searched after ``v3`` had been written down: nets and bands."""

Options = Mapping[str, Any]


def texts(rows: Iterable[Row], kept: pd.DataFrame, finalists: pd.DataFrame) -> dict[str, str]:
    """The recipes as TOML, by name.

    Args:
        kept: the table of :mod:`bench.recipes.unasked`: what is kept where dev chooses and is too dear to ask.
        finalists: the table of :mod:`bench.recipes.middle`.
    """
    rows = list(rows)
    earlier = [row for row in rows if (row.net, row.band) not in LATER]
    return {"v3": _for_all_nets(earlier, kept), "v4": _for_lite0(rows, kept, finalists)}


def _for_all_nets(rows: Sequence[Row], kept: pd.DataFrame) -> str:
    """For any net what the first net got, then what each net, band and body got for itself.

    A band nobody searched has what the band below it has.
    """
    found = [one for net in NETS for one in chosen(rows, net)]
    tables = []
    for net in dict.fromkeys(one.net for one in found):
        by_band = {one.band: one for one in found if one.net == net}
        for_any = net == found[0].net
        latest = next(iter(by_band.values()))
        for band in BANDS:
            latest = by_band.get(band, latest)
            fits: dict[str, Any] = {} if for_any else {"nets": [net]}
            for bodies, trial in (({}, latest.trial), *(({"bodies": [b]}, t) for b, t in sorted(latest.apart.items()))):
                tables.append(_entry({**fits, **bodies, "bands": [band]}, _asked(options_of(trial), kept, net)))
    nets = " and ".join(dict.fromkeys(one.net for one in found))
    about = (
        f"Chosen by a search on development data, the same space and number of trials for every body; on {nets}. "
        f"{sum(row.flops for row in rows):.2g} FLOPs of trials, in bench/recipes/trials.csv; {COMMAND}."
    )
    return _recipe("v3", {"about": about}, tables)


def _for_lite0(rows: Sequence[Row], kept: pd.DataFrame, finalists: pd.DataFrame) -> str:
    """The lowest band as the search chose it, the middle one by its finalists, the highest by the search.

    The highest keeps those weights that the middle band keeps: it was tried on one task, which cannot tell. Where it is
    not searched it has the middle band's trial.
    """
    net, best = middle.NET, middle.choose(finalists)
    trials = {one.band: one.trial for one in chosen(rows, net)}
    options: dict[Band, Options] = {
        "under_1k": _asked(options_of(trials["under_1k"]), kept, net),
        "to_10k": best.options,
        "to_100k": middle.Way(trials.get("to_100k", best.trial), best.kept).options,
    }
    about = (
        f"For {net}: the lowest band as in v3; the middle one chosen among finalists on ten development tasks, in "
        f"bench/recipes/middle.csv; the highest by the search; {COMMAND}."
    )
    return _recipe("v4", {"about": about, "nets": [net]}, [_entry({"bands": [band]}, options[band]) for band in BANDS])


def put(recipes: Mapping[str, str], target: Path = TARGET) -> None:
    """Write ``recipes`` into ``target``, each in the place of the one of its name."""
    rest = target.read_text(encoding="utf-8")
    for name in recipes:
        rest = re.sub(rf"(?ms)^\[{name}\]\n.*?(?=^\[(?!\[?{name}[.\]])|\Z)", "", rest).rstrip("\n")
    target.write_text("\n".join([rest + "\n", *recipes.values()]), encoding="utf-8")


def _asked(options: Options, kept: pd.DataFrame, net: str) -> Options:
    return {**options, "choose_else": unasked.choose(kept, net)} if options.get("choose") == "dev" else options


def _recipe(name: str, facts: Mapping[str, Any], tables: Sequence[str]) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in facts.items()]
    return "\n".join(
        [f"[{name}]", *lines, *(table.replace("[[entries]]", f"[[{name}.entries]]") for table in tables), ""]
    )


def _entry(fits: Mapping[str, Any], options: Options) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in {**fits, **options}.items()]
    return "\n".join(["\n[[entries]]", *lines])
