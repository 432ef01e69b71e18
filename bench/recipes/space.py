"""Which recipes are tried? Two that are known, and others drawn by a seed from one space, the same for every body.

A drawn recipe is the competent one with each option drawn anew with probability one half: far enough to find another
place, near enough that few draws are lost on what nobody would do, and what an option does can be told from all trials.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.config.notation import Written, parse
from harness.core.seeding import numpy_generator
from harness.learning.recipe import V1
from strategies.learners.recipes import shipped

COUNT = 12
"""Trials for each body and band, the two known ones included."""

SHIPPED = ("v1", "v2")
"""Recipes that are always tried, as the trials 0 and 1."""

ANEW = 0.5
"""Probability with which an option is drawn anew."""

RATES = {"sgd": ((3e-4, 3e-2), (3e-4, 1e-1)), "adamw": ((1e-5, 1e-3), (1e-4, 1e-2))}
"""Least and largest rates of body and head, drawn log-uniformly, by optimiser."""

VALUES: Mapping[str, tuple[Any, ...]] = {
    "optimiser": ("sgd", "adamw"),
    "batch_size": (16, 32, 64),
    "schedule": ("cosine", "linear", "constant"),
    "warmup": (0.0, 0.1, 0.3),
    "clip": ("off", 1.0, 5.0),
    "norm": ("frozen", "batch"),
    "crop": ("off", 0.8, 0.5),
    "head_init": ("zero", "ridge"),
    "head_penalty": (0.1, "loo"),
    "head_share": (0.2, 0.5, 0.8),
    "smoothing": (0.0, 0.1),
    "choose": ("end", "average", "dev", "dev or average"),
}
"""Every other option and its values. ``crop``: least area, or no crops. ``choose``: ``dev`` keeps the end where asking
dev is too dear, ``dev or average`` the average. That the start is kept whatever training gave is left out: it would
make of finetuning a frozen body with a solved head, which has a name of its own."""

Options = dict[str, Any]
"""Options of a recipe as :class:`harness.learning.recipe.LearnerRecipe` has them; none for ``v1``."""


def trials(count: int = COUNT, *, seed: int = 0) -> list[Options]:
    """The recipes that are tried; more of them begin with the same ones."""
    known = [_content(name) for name in SHIPPED]
    return [*known, *(_drawn(known[1], numpy_generator(seed, "recipes", i)) for i in range(len(known), count))]


def strategy(body: str, options: Mapping[str, Any]) -> str:
    """``body`` trained so, as a strategy is written; ``dense`` is finetuning.

    What ``options`` leaves out is that of ``v1``, and not of the recipe that is chosen today.
    """
    written = parse("finetune" if body == "dense" else body)
    return str(Written(written.name, {**written.options, "recipe": "v1", **options}))


def plain(options: Mapping[str, Any]) -> Options:
    """What ``VALUES`` calls the options of a trial, for tables: rates aside, one value an option."""
    choose = options.get("choose", "end")
    if choose == "dev" and options.get("choose_else") == "average":
        choose = "dev or average"
    crop = options.get("crop", 0.5) if options.get("augment", True) else "off"
    return {name: options.get(name, V1[name]) for name in VALUES} | {"choose": choose, "crop": crop}


def _content(name: str) -> Options:
    return {} if name == "v1" else dict(shipped()[name].entry(net="", body="", band="under_1k"))


def _drawn(base: Options, draws: np.random.Generator) -> Options:
    # All is drawn, whether it is used or not, so that one more option changes no other.
    drawn = {name: values[draws.integers(len(values))] for name, values in VALUES.items()}
    anew = {name: draws.random() < ANEW for name in (*VALUES, "lr", "head_lr")}
    places = dict(zip(("lr", "head_lr"), draws.random(2), strict=True))
    values = plain(base) | {name: value for name, value in drawn.items() if anew[name]}
    for (name, place), (low, high) in zip(places.items(), RATES[values["optimiser"]], strict=True):
        other = values["optimiser"] != base["optimiser"]
        rate = math.exp(math.log(low) + place * math.log(high / low))
        values[name] = float(f"{rate:.2g}") if anew[name] or other else base[name]
    return _options(values)


def _options(values: Options) -> Options:
    """The options of ``values``; what has no effect beside another is left out."""
    crop, choose = values.pop("crop"), values.pop("choose")
    values |= {"augment": False} if crop == "off" else {"augment": True, "crop": crop}
    if choose != "end":
        values |= {"choose": choose.partition(" ")[0]}
    if choose == "dev or average":
        values |= {"choose_else": "average"}
    if values["head_init"] == "zero":
        values = {name: value for name, value in values.items() if name not in ("head_penalty", "head_share")}
    return values
