"""What are runs called? By strategy; where one name stands for several codes or sets of options, by that as well."""

import json
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from harness.config.notation import Written, parse
from harness.core.errors import UserError

_LEFT_OUT = "none"


def labelled(runs: pd.DataFrame) -> tuple[pd.Series, list[str]]:
    """A label for each row of ``runs``, and a sentence for each name whose runs are kept apart.

    A label names, on one board, one version of a strategy, one source of a plugin, and one set of options. A
    recipe that all share who train by one is the board's, and does not stand in each label. Where runs that name none
    were made by several, those by the earlier ones have it in their labels.
    """
    runs = runs.assign(strategy=_with_earlier_recipes(runs))
    runs["strategy"] = _without_common_recipe(runs)
    runs["strategy"] = [_with_method(*each) for each in zip(runs["strategy"], runs["options"], strict=True)]
    labels = dict(zip(runs.index, runs["strategy"], strict=True))
    notes = []
    used = runs[runs["used"]]
    for (board, name), mine in used.groupby(["board", "strategy"], sort=False):
        variants = {_variant(row): row for _, row in mine.iterrows()}
        if len(variants) < 2:
            continue
        suffixes = _suffixes(list(variants.values()))
        named = dict(zip(variants, suffixes, strict=True))
        same = runs[(runs["board"] == board) & (runs["strategy"] == name)]
        for index, row in same.iterrows():
            labels[index] = f"{name}{named.get(_variant(row), '')}"
        apart = ", ".join(f"{name}{suffix}" for suffix in suffixes)
        notes.append(f"{name}: runs of {len(variants)} versions of its code or options are kept apart: {apart}")
    return pd.Series(labels, index=runs.index, dtype=object), notes


def _with_method(strategy: Any, options: object) -> Any:
    """``avalanche(method=Naive)`` of ``avalanche``: which method it is may be the default, and is what it is called."""
    if not (isinstance(strategy, str) and isinstance(options, Mapping) and "method" in options):
        return strategy
    written = _parsed(strategy)
    if written is None or written.name != "avalanche" or "method" in written.options:
        return strategy
    return str(Written(written.name, {"method": options["method"], **written.options}))


def common_recipe(runs: pd.DataFrame) -> str:
    """The recipe of all of ``runs`` that train by one; empty where none does or where they differ.

    Nor is there one where a strategy stands there with its name and without: these are two.
    """
    recipes = set(runs["recipe"]) - {""}
    written = [one for one in map(_parsed, runs["strategy"].unique()) if one is not None]
    apart = {str(one) for one in written if "recipe" not in one.options}
    if len(recipes) != 1 or apart & {_bare(one) for one in written if "recipe" in one.options}:
        return ""
    return str(recipes.pop())


def _without_common_recipe(runs: pd.DataFrame) -> "pd.Series[Any]":
    """The strategy of each run, without the recipe that its board has in common."""
    strategies = runs["strategy"].copy()
    for _, mine in runs[runs["used"]].groupby("board"):
        if common_recipe(mine):
            strategies[mine.index] = [
                _bare(one) if (one := _parsed(text)) is not None and "recipe" in one.options else text
                for text in mine["strategy"]
            ]
    return strategies


def _with_earlier_recipes(runs: pd.DataFrame) -> "pd.Series[Any]":
    """The strategy of each run; with its recipe, where others of its board that name none were made by a later one."""
    strategies = runs["strategy"].copy()
    written = runs["strategy"].map(_parsed)
    open_ones = runs[written.map(lambda one: one is not None and "recipe" not in one.options) & (runs["recipe"] != "")]
    for _, mine in open_ones[open_ones["used"]].groupby("board"):
        latest = max(mine["recipe"], key=_by_number)
        for index in mine.index[mine["recipe"] != latest]:
            one = written[index]
            strategies[index] = str(Written(one.name, {**one.options, "recipe": mine["recipe"][index]}))
    return strategies


def _by_number(recipe: str) -> tuple[int, str]:
    """``v10`` after ``v9``."""
    digits = "".join(filter(str.isdigit, recipe))
    return int(digits or 0), recipe


def _bare(written: Written) -> str:
    return str(Written(written.name, {name: value for name, value in written.options.items() if name != "recipe"}))


def _parsed(text: str) -> Written | None:
    try:
        return parse(text)
    except UserError:
        return None


def _variant(row: "pd.Series[Any]") -> Hashable:
    return row["strategy_version"], row["source"], _text(row["options"])


def _text(options: object) -> str:
    return json.dumps(options, sort_keys=True, default=repr) if isinstance(options, Mapping) else ""


def _suffixes(rows: "list[pd.Series[Any]]") -> list[str]:
    """What tells ``rows`` apart: the least of version, code and options that does."""
    differing = _differing([row["options"] if isinstance(row["options"], Mapping) else {} for row in rows])
    forms = [
        [f" v{row['strategy_version']}" for row in rows],
        [f" [code {row['source'][:4] or _LEFT_OUT}]" for row in rows],
        [f" [{options}]" for options in differing],
    ]
    for suffixes in forms:
        if len(set(suffixes)) == len(rows):
            return suffixes
    telling = [suffixes for suffixes in forms if len(set(suffixes)) > 1]
    joined = ["".join(parts) for parts in zip(*telling, strict=True)]
    # Four letters of two hashes may be the same.
    return joined if len(set(joined)) == len(rows) else [f" #{place + 1}" for place in range(len(rows))]


def _differing(options: list[Mapping[str, Any]]) -> list[str]:
    """The options of each that are not the same in all."""
    names = sorted({name for mine in options for name in mine})
    told = [name for name in names if len({json.dumps(mine.get(name), default=repr) for mine in options}) > 1]
    return [", ".join(f"{name}={mine[name]}" if name in mine else f"no {name}" for name in told) for mine in options]
