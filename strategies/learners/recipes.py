"""What does a named recipe say for this net, this body and this budget? Looked up in ``recipes.toml``."""

import hashlib
import math
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from torch import nn

from harness.compute.caps import dense_flops
from harness.core.band import band_of
from harness.core.errors import UserError, unknown
from harness.learning.context import Context
from harness.learning.recipe import AUTO, NamedRecipe, Recipe, Settled, read_recipes
from strategies.learners.timing import forward_seconds

TRAINING = 3.0
"""Passes that training on an image takes, where one forward is one."""

R = TypeVar("R", bound=Recipe)


@cache
def shipped() -> dict[str, NamedRecipe]:
    """The named recipes that come with the strategies."""
    return read_recipes((files("strategies") / "recipes.toml").read_text(encoding="utf-8"), place="recipes.toml")


def check_name(recipe: Recipe) -> None:
    """Ask whether there is a recipe of the name that ``recipe`` has.

    Raises:
        UserError: there is none.
    """
    if recipe.recipe not in ("v1", AUTO, *shipped()):
        raise unknown("recipe called", recipe.recipe, [AUTO, "v1", *shipped()])


def in_force(recipe: R, net: str) -> R:
    """``recipe`` with the name of the one that is in force on ``net``, where it leaves that open.

    Raises:
        UserError: it names one that is not for ``net``.
    """
    name = recipe.recipe
    if name == AUTO:
        return replace(recipe, recipe=[one.name for one in shipped().values() if _is_for(one, net)][-1])
    check_name(recipe)
    if name != "v1" and not _is_for(shipped()[name], net):
        raise UserError(
            f"recipe={name} is for {' and '.join(shipped()[name].nets)}, and says nothing of {net}: leave it out, and "
            f"the recipe is {in_force(replace(recipe, recipe=AUTO), net).recipe}"
        )
    return recipe


def _is_for(named: NamedRecipe, net: str) -> bool:
    return not named.nets or net in named.nets


def named_recipe(recipe: Recipe, net: str) -> NamedRecipe | None:
    """What ``recipe`` names on ``net``; None for ``v1``, which the engine knows.

    Raises:
        UserError: there is no recipe of that name, or it is not for ``net``.
    """
    name = in_force(recipe, net).recipe
    return None if name == "v1" else shipped()[name]


def version_with(recipe: Recipe, own: int) -> int:
    """The version of a learner whose own is ``own``: it differs with the content of the recipe that ``recipe`` names.

    So that results of two contents of one name are never taken for each other; with ``v1`` it is ``own``. Where it is
    left to the net, which :func:`in_force` settles before a run has its key, it differs with all that it may be.
    """
    if recipe.recipe == "v1":
        return own
    check_name(recipe)
    named = shipped().values() if recipe.recipe == AUTO else [shipped()[recipe.recipe]]
    entries = [(sorted(e.values.items()), e.nets, e.bodies, e.bands) for one in named for e in one.entries]
    return int.from_bytes(hashlib.sha256(repr((own, entries)).encode()).digest()[:4], "big")


def looked_up(recipe: Recipe, net: nn.Module, ctx: Context, *, body: str = "") -> dict[str, Any] | None:
    """What the named recipe says for ``net`` with the budget of ``ctx``; None for ``v1``.

    Args:
        body: what the net is made of, as strategies are named: ``dense``, ``filter_pruned``.
    """
    named = named_recipe(recipe, ctx.backbone.name)
    if named is None:
        return None
    return named.entry(net=ctx.backbone.name, body=body, band=band_of(images_shown(net, ctx)))


def settled(
    recipe: Recipe,
    net: nn.Module,
    ctx: Context,
    *,
    body: str = "",
    statistics_hold: bool = True,
    drawn: bool = False,
) -> Settled:
    """``recipe`` with nothing left open, for ``net`` and the budget of ``ctx``.

    Args:
        body: as in :func:`looked_up`.
        statistics_hold: batch-norm statistics belong to the weights of the body.
        drawn: the weights were drawn anew; statistics then belong to nothing, even where a head was solved with them.
            Recipes are searched for on pretrained weights, so that a named one says nothing here: what is not written
            is that of ``v1``.
    """
    entry = {} if drawn else looked_up(recipe, net, ctx, body=body)
    # A head that was solved fits the statistics with which its features were made, whatever they are.
    hold = (statistics_hold or recipe.starts_head(entry)) and not drawn
    return recipe.settled(statistics_hold=hold, entry=entry)


def images_shown(net: nn.Module, ctx: Context) -> float:
    """Images that the dense net could be trained on with the budget of a task; see :mod:`harness.core.band`.

    Where seconds are the budget, a pass of ``net`` is timed; the dense net is taken to be as much slower as it takes
    more FLOPs.
    """
    meter = ctx.task_meter
    dense = ctx.dense_flops or dense_flops(ctx.backbone, 2, ctx.size)
    images = meter.flops_budget / dense
    if meter.seconds_budget < math.inf:
        with ctx.meter.phase("validate"):
            own = ctx.meter.price(net, (3, ctx.size, ctx.size)).flops
            seconds = forward_seconds(net, ctx) * dense / own
        images = min(images, meter.seconds_budget / seconds)
    return images
