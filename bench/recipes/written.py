"""How does the choice get into ``strategies/recipes.toml``? As entries of one recipe, a line an option."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bench.recipes import unasked
from bench.recipes.choice import chosen, options_of
from bench.recipes.file import Row
from bench.recipes.rungs import NETS
from harness.core.band import BANDS

NAME = "v3"
TARGET = Path(__file__).parents[2] / "strategies" / "recipes.toml"
COMMAND = "python -m bench.recipes --choose --write"


def text(rows: Iterable[Row], kept: pd.DataFrame) -> str:
    """The recipe as TOML: for any net what the first net got, then what each net, band and body got for itself.

    A band nobody searched has what the band below it has, and the recipe is then provisional. ``kept``, the table of
    :mod:`bench.recipes.unasked`, says what is kept where dev chooses and is too dear to ask.
    """
    rows = list(rows)
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
                options = dict(options_of(trial))
                if options.get("choose") == "dev":
                    options["choose_else"] = unasked.choose(kept, net)
                tables.append(_entry({**fits, **bodies, "bands": [band]}, options))
    nets = " and ".join(dict.fromkeys(one.net for one in found))
    about = (
        f"Chosen by a search on development data, the same space and number of trials for every body; on {nets}. "
        f"{sum(row.flops for row in rows):.2g} FLOPs of trials, in bench/recipes/trials.csv; {COMMAND}."
    )
    searched = {(one.net, one.band) for one in found}
    # Until every net and band was searched, a later search may still choose other things under this name.
    head = ["provisional = true"] if searched < {(net, band) for net in NETS for band in BANDS} else []
    return "\n".join([f"[{NAME}]", f"about = {json.dumps(about)}", *head, *tables]) + "\n"


def put(rows: Iterable[Row], kept: pd.DataFrame, target: Path = TARGET) -> None:
    """Write the recipe into ``target``, in the place of the one of that name."""
    before = target.read_text(encoding="utf-8")
    rest = re.sub(rf"(?ms)^\[{NAME}\]\n.*?(?=^\[(?!\[?{NAME}[.\]])|\Z)", "", before).rstrip("\n")
    target.write_text(f"{rest}\n\n{text(rows, kept)}", encoding="utf-8")


def _entry(fits: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in {**fits, **options}.items()]
    return "\n".join([f"\n[[{NAME}.entries]]", *lines])
