"""How does a learner train? A recipe: what is written, what a named recipe says, and for the rest what version 1 says.

What is open in a :class:`Recipe` is settled in this order: an option that is written; the entries of the named recipe
that fit the net, the body and the band of the budget; ``v1``, which is how everything trained before recipes had names.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from harness.config.notation import Written
from harness.config.options import build
from harness.core.band import BANDS, Band
from harness.core.errors import UserError, unknown
from harness.learning.batches import Augment

Norm = Literal["auto", "frozen", "batch"]
Optimiser = Literal["sgd", "adamw"]
Schedule = Literal["cosine", "linear", "constant"]
HeadStart = Literal["zero", "ncm", "ridge", "probe"]
Choice = Literal["end", "start", "average"]
Unasked = Choice | Literal["steady"]
"""What can be kept without asking dev."""

AUTO = "auto"
"""The recipe of a learner that names none: the last one in the file that is for its net. Its name enters the key of a
run: ``finetune`` by another recipe is another run, and a recipe for one net leaves the runs of others as they are."""

RATES = {"frozen": (0.0003, 0.005), "batch": (0.03, 0.05)}
"""Learning rates of body and head by treatment of batch norm in ``v1``, kept for every strategy, budget and task:
chosen on Fashion-MNIST and emulated tasks of seed 1, at 0.1 to 1 epoch; neither is in the default suite."""

STARTED = 0.1
"""Rates of ``v1`` where the head was solved or trained before, as a multiple of :data:`RATES`: such a head pulls on the
body from the first step on, and at full rates the body forgets what the head was made for. Chosen on six emulated tasks
of seed 3, which nothing reports, at 0.2 and 0.7 epochs."""


@dataclass(frozen=True)
class Settled:
    """A recipe with nothing left open; the defaults are those of ``v1``.

    Every budget gets its own full schedule: a point read off in the middle of a longer one would understate it
    (Li, Yumer, Ramanan, arXiv 1905.04753).

    Attributes:
        lr, head_lr: learning rates of body and head.
        norm: ``frozen``: batch norm keeps its running statistics; ``batch``: it normalises by each batch and
            re-estimates them.
        momentum: of SGD, Nesterov's; the first of the two decay rates of AdamW.
        weight_decay: of weights, not of biases and norms.
        schedule: of the learning rate after warm-up: ``cosine`` or ``linear`` to zero, or ``constant``.
        warmup: share of the budget over which the learning rate rises.
        clip: a gradient whose global norm is larger is scaled down to this norm; None: none is.
        smoothing: label smoothing.
        augment: random crops of images; ignored for features. ``crop``: least share of the image's area in a crop.
            ``flip``: crops are mirrored at random.
        head_init: what the head starts from. ``zero``; ``ncm`` or ``ridge`` in closed form; ``probe``: trained on
            frozen features first, the order of Kumar et al. (arXiv 2202.10054). All but zero extract features, which is
            charged.
        head_penalty: of the ridge head; ``loo``: chosen by leave-one-out error in closed form.
        head_share: share of the budget that extracting and solving may take.
        choose: which weights are kept: those at the ``end``, at the ``start``, their ``average`` (WiSE-FT, arXiv
            2109.01903), or what is best on ``dev``, where asking 64 images costs at most a tenth of the budget.
            ``steady``: the average, but the start where the training loss rose on the way; the end where the head
            starts from zero.
        choose_else: what is kept where dev is too dear to ask.
    """

    lr: float
    head_lr: float
    norm: Literal["frozen", "batch"] = "frozen"
    optimiser: Optimiser = "sgd"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    batch_size: int = 16
    schedule: Schedule = "cosine"
    warmup: float = 0.1
    clip: float | None = None
    smoothing: float = 0.0
    augment: bool = True
    crop: float = 0.5
    flip: bool = False
    head_init: HeadStart = "zero"
    head_penalty: float | Literal["loo"] = 1.0
    head_share: float = 0.3
    choose: Unasked | Literal["dev"] = "end"
    choose_else: Unasked = "end"

    @property
    def augmentation(self) -> Augment | None:
        """How images are cropped; None where they are not."""
        return Augment(area=(self.crop, 1.0), flip=self.flip) if self.augment else None


@dataclass(frozen=True)
class Recipe:
    """How a learner trains, as it is written: None is what the named recipe says.

    Attributes:
        recipe: name of the recipe that settles what is open.
        lr, head_lr: where neither these nor the named recipe give rates, :data:`RATES` by ``norm``.
        rate: both are multiplied by it.
        norm: ``auto``: frozen where the statistics were measured on the weights as they are, or a head was solved with
            them; batch where weights were removed or drawn anew. In a few steps this decides more than the learning
            rate. For ``frozen`` and ``batch``, as for all else, see :class:`Settled`.
        clip: ``off``: gradients are not clipped.

    An option that says what ``v1`` says anyway is taken as not written, where ``v1`` is the recipe.
    """

    recipe: str = "v1"
    lr: float | None = None
    head_lr: float | None = None
    rate: float = 1.0
    norm: Norm | None = None
    batch_size: int | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    warmup: float | None = None
    smoothing: float | None = None
    augment: bool | None = None
    optimiser: Optimiser | None = None
    schedule: Schedule | None = None
    clip: float | Literal["off"] | None = None
    crop: float | None = None
    flip: bool | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name, None)
            if isinstance(value, (int, float)) and not low <= value <= high:
                raise UserError(f"recipe: {name} is {value}; expected {low:g} to {high:g}")
        if self.recipe == "v1":
            for name in V1.keys() & self._open:
                if getattr(self, name) == V1[name]:
                    object.__setattr__(self, name, None)

    @property
    def _open(self) -> set[str]:
        """The options that may be left to the named recipe."""
        return {field.name for field in fields(self)} - {"recipe", "rate"}

    @property
    def written(self) -> dict[str, Any]:
        """What is not left to the named recipe; neither its name nor ``rate`` is part of it."""
        return {name: value for name, value in vars(self).items() if name in self._open and value is not None}

    def flat_options(self, *, only_changed: bool = False) -> dict[str, Any]:
        """The options as they are written and as they enter the key of a run.

        Those that recipes had before they had names stand there with their values of ``v1``; others only where they are
        written, so that the keys of earlier runs hold.
        """
        written = self.written | ({} if self.rate == 1 else {"rate": self.rate})
        if only_changed or self.recipe != "v1":
            written = {"recipe": self.recipe, **written}
        else:
            written = {"rate": self.rate} | {name: V1.get(name) for name in self._open.intersection(_FIRST)} | written
        order = ["recipe", *_FIRST]
        return {name: written[name] for name in [*order, *written] if name in written}

    def values(self, entry: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Every option that this recipe has, ``entry`` being what the named recipe says, but for rates nobody gives.

        Raises:
            UserError: the recipe has a name, and what it says is not given.
        """
        if self.recipe != "v1" and entry is None:
            raise UserError(
                f"recipe={self.recipe} says other things for other bodies and budgets, and nobody looked them up: give "
                "fit what strategies.learners.recipes.settled gives, or write the options themselves"
            )
        values = V1 | dict(entry or {}) | self.written
        return {name: value for name, value in values.items() if name in self._open}

    def starts_head(self, entry: Mapping[str, Any] | None = None) -> bool:
        """Whether the head begins at anything but zero."""
        return bool(self.values(entry).get("head_init", "zero") != "zero")

    def settled(
        self, *, statistics_hold: bool, started: bool | None = None, entry: Mapping[str, Any] | None = None
    ) -> Settled:
        """The recipe with nothing left open.

        Args:
            statistics_hold: batch-norm statistics belong to the weights.
            started: the head does not begin at zero, which by default is what ``head_init`` says.
            entry: what the named recipe says for this net, body and band.

        Raises:
            UserError: the recipe has a name, and what it says is not given; or rates are missing.
        """
        values = self.values(entry)
        if started is None:
            started = self.starts_head(entry)
        norm: Literal["frozen", "batch"] = "frozen" if statistics_hold else "batch"
        if (named := values.pop("norm")) != "auto":
            norm = named
        lr, head_lr = values.pop("lr", None), values.pop("head_lr", None)
        if values["optimiser"] != "sgd" and None in (lr, head_lr):
            raise UserError(f"optimiser={values['optimiser']} has no learning rates of its own; write lr and head_lr")
        usual = tuple(rate * (STARTED if started else 1.0) for rate in RATES[norm])
        values["clip"] = None if values["clip"] == "off" else values["clip"]
        return Settled(
            lr=self.rate * (usual[0] if lr is None else lr),
            head_lr=self.rate * (usual[1] if head_lr is None else head_lr),
            norm=norm,
            **values,
        )


@dataclass(frozen=True)
class LearnerRecipe(Recipe):
    """With what a learner does before and after it trains: a head start, and a choice of weights; see :class:`Settled`.

    Where none is named it is :data:`AUTO`, which a strategy that has such a recipe, and is no ``Finetune``, settles in
    :meth:`harness.learning.strategy.Strategy.on_net`. What a named recipe says of these says nothing to who has only a
    :class:`Recipe`.
    """

    recipe: str = AUTO
    head_init: HeadStart | None = None
    head_share: float | None = None
    head_penalty: float | Literal["loo"] | None = None
    choose: Unasked | Literal["dev"] | None = None
    choose_else: Unasked | None = None


V1: dict[str, Any] = {field.name: field.default for field in fields(Settled)[2:]} | {"norm": "auto", "clip": "off"}
"""What ``v1`` says, but for the learning rates."""

_FIRST = (
    "head_init", "head_share", "lr", "head_lr", "rate", "norm", "batch_size", "momentum", "weight_decay", "warmup",
    "smoothing", "augment",
)  # fmt: skip
"""The options that recipes had before they had names."""

_RANGES = {
    "warmup": (0.0, 1.0), "smoothing": (0.0, 1.0), "crop": (0.01, 1.0), "head_share": (0.001, 1.0), "clip": (1e-9, 1e9),
    "head_penalty": (1e-9, 1e9),
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """What a named recipe says for some nets, bodies and bands; an empty tuple stands for all of them."""

    values: Mapping[str, Any]
    nets: tuple[str, ...] = ()
    bodies: tuple[str, ...] = ()
    bands: tuple[Band, ...] = ()

    def fits(self, *, net: str, body: str, band: Band) -> bool:
        asked = ((net, self.nets), (body, self.bodies), (band, self.bands))
        return all(not named or one in named for one, named in asked)


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe as it was chosen, whose content never changes: what is chosen anew has a new name.

    Attributes:
        about: where it comes from, in a sentence.
        provisional: it was not chosen by the search that chooses recipes.
        nets: those that it is for; empty: all.
    """

    name: str
    about: str
    provisional: bool
    nets: tuple[str, ...]
    entries: tuple[Entry, ...]

    def entry(self, *, net: str, body: str, band: Band) -> dict[str, Any]:
        """What it says for one case: its entries from the top, of which a later one that fits goes before."""
        values: dict[str, Any] = {}
        for entry in self.entries:
            if entry.fits(net=net, body=body, band=band):
                values |= entry.values
        return values


def read_recipes(text: str, *, place: str) -> dict[str, NamedRecipe]:
    """The named recipes that TOML ``text`` holds; ``place`` is where it was read, for errors.

    A table a recipe: ``about``, ``provisional``, ``nets``, and ``entries``, of which each may name ``nets``, ``bodies``
    and ``bands`` and gives the options of :class:`LearnerRecipe` by their names.

    Raises:
        UserError: the text is no TOML, or a table, an option or a value in it is unknown.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{place}: {error}") from error
    return {name: _named(name, dict(table), f"{place}, recipe {name}") for name, table in tables.items()}


def _named(name: str, table: dict[str, Any], place: str) -> NamedRecipe:
    about, provisional, nets = table.pop("about", ""), table.pop("provisional", False), tuple(table.pop("nets", ()))
    entries = tuple(_entry(dict(entry), place) for entry in table.pop("entries", []))
    if table:
        raise unknown(f"key of {place} named", next(iter(table)), ["about", "provisional", "nets", "entries"])
    return NamedRecipe(name, about, provisional, nets, entries)


def _entry(given: dict[str, Any], place: str) -> Entry:
    nets, bodies, bands = (tuple(given.pop(what, ())) for what in ("nets", "bodies", "bands"))
    for band in bands:
        if band not in BANDS:
            raise unknown(f"band in {place} called", band, BANDS)
    for name in ("recipe", "rate"):
        if name in given:
            raise UserError(f"{place}: {name} is no part of an entry; give lr and head_lr")
    checked: Recipe = build("recipe", LearnerRecipe, Written("-", {"recipe": "-", **given}))
    return Entry(checked.written, nets=nets, bodies=bodies, bands=bands)
