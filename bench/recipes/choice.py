"""Which recipe is chosen, and how good is it? Recomputed from the rows of the trials alone."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, NamedTuple

from scipy.stats import t as student

from bench.recipes.file import Row
from bench.recipes.rungs import BODIES, RUNGS
from bench.recipes.space import COUNT, SHIPPED, VALUES, Options, plain, trials
from harness.config.notation import parse
from harness.core.band import BANDS, Band

COMPETENT = SHIPPED.index("v2")
"""The trial that goes on to every rung, so that there is always something good to compare with."""

POINT = 0.01
"""A body gets a recipe of its own where that of all bodies costs it more than this, and the interval lies above 0."""

Case = tuple[str, str, int]
"""Body, task and seed."""


class Mean(NamedTuple):
    """A mean over ``n`` values with its 95% interval by Student's t; infinite where there are fewer than two."""

    mean: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        n = len(values)
        if n < 2:
            return cls(fmean(values) if values else math.nan, -math.inf, math.inf, n)
        half = float(student.ppf(0.975, n - 1)) * stdev(values) / math.sqrt(n)
        return cls(fmean(values), fmean(values) - half, fmean(values) + half, n)

    def points(self) -> str:
        """In points of error, with sign: ``+1.2 (-0.3 to +2.7, n = 11)``."""
        if not self.n:
            return "not checked yet"
        low, high = (f"{100 * x:+.1f}" if math.isfinite(x) else "?" for x in (self.low, self.high))
        return f"{100 * self.mean:+.1f} ({low} to {high}, n = {self.n})"


@dataclass(frozen=True)
class Chosen:
    """What was chosen for one net and band.

    Attributes:
        trial: the recipe for all bodies. own: that of each body, chosen by the same rows of that body alone.
        apart: bodies, by name, that get a recipe of their own, and which.
    """

    net: str
    band: Band
    trial: int
    own: dict[str, int]
    apart: dict[str, int]


def errors_of(rows: Iterable[Row]) -> dict[int, dict[Case, float]]:
    """By trial, the error of each case."""
    found: dict[int, dict[Case, float]] = {}
    for row in rows:
        cases = found.setdefault(row.trial, {})
        cases |= {(row.body, task, row.seed): error for task, error in zip(row.tasks, row.errors, strict=True)}
    return found


def ranked(rows: Iterable[Row]) -> list[int]:
    """The trials that were on every case of ``rows``, the best mean error first; on a tie the earlier trial."""
    errors = errors_of(rows)
    everything = set().union(*errors.values()) if errors else set()
    complete = [trial for trial in errors if errors[trial].keys() == everything]
    return sorted(complete, key=lambda trial: (fmean(errors[trial].values()), trial))


def goes_on(rows: Sequence[Row], rung: int, band: Band, body: str) -> list[int]:
    """The trials of ``body`` on rung ``rung`` of ``band``, by the rows of one net on the rungs below.

    All trials on the first rung of the lowest band. Later the best for all bodies together, as many as the rung takes,
    the best for ``body``, and the competent one. The first rung of a higher band takes them by the first rung of the
    band before it.
    """
    step = RUNGS[band][rung]
    if step.best is None:
        return list(range(len(trials())))
    below = selection(rows, band, rung) or selection(rows, _before(band), 1)
    own = ranked(row for row in below if row.body == body)
    return sorted({*ranked(below)[: step.best], *own[:1], COMPETENT})


def selection(rows: Iterable[Row], band: Band, below: int | None) -> list[Row]:
    """The rows of ``band`` that recipes are chosen on: of all rungs that are no check, or of those below ``below``."""
    steps = RUNGS[band]
    return [
        row
        for row in rows
        if row.band == band and not steps[row.rung].check
        if row.trial < COUNT and (below is None or row.rung < below)
    ]


def checks(rows: Iterable[Row], band: Band) -> list[Row]:
    """The rows of ``band`` whose seeds nothing was chosen on."""
    return [row for row in rows if row.band == band and RUNGS[band][row.rung].check]


def chosen(rows: Iterable[Row], net: str) -> list[Chosen]:
    """What was chosen for ``net`` in each band whose rungs are done."""
    mine = [row for row in rows if row.net == net]
    return [_chosen(mine, net, band) for band in BANDS if _climbed(mine, band)]


def _climbed(rows: Iterable[Row], band: Band) -> bool:
    """Whether every body was on every rung of ``band`` that recipes are chosen on."""
    there = {(row.rung, row.body) for row in selection(rows, band, None)}
    return all((i, body) in there for i, rung in enumerate(RUNGS[band]) if not rung.check for body in BODIES)


def _chosen(rows: list[Row], net: str, band: Band) -> Chosen:
    basis, checked = selection(rows, band, None), checks(rows, band)
    trial = ranked(basis)[0]
    own = {body: ranked(row for row in basis if row.body == body)[0] for body in BODIES}
    apart = {}
    for name in {_name(body) for body in BODIES}:
        members = [body for body in BODIES if _name(body) == name]
        alone = ranked(row for row in basis if row.body in members)[0]
        cost = difference([row for row in checked if row.body in members], trial, alone)
        if cost.mean > POINT and cost.low > 0:
            apart[name] = alone
    return Chosen(net, band, trial, own, apart)


def difference(rows: Iterable[Row], one: int, other: int) -> Mean:
    """Error of trial ``one`` less that of ``other``, paired by body, task and seed; interval over tasks."""
    errors = errors_of(rows)
    mine, theirs = errors.get(one, {}), errors.get(other, {})
    by_task: dict[str, list[float]] = {}
    for case in mine.keys() & theirs.keys():
        by_task.setdefault(case[1], []).append(mine[case] - theirs[case])
    return Mean.of([fmean(by_task[task]) for task in sorted(by_task)])


def regret(rows: Sequence[Row], band: Band, trial: int) -> Mean:
    """What ``trial`` errs more on the check's seeds than, for each body, the trial that was best for the body alone."""
    basis, checked = selection(rows, band, None), checks(rows, band)
    by_task: dict[str, list[float]] = {}
    for body in BODIES:
        best = ranked(row for row in basis if row.body == body)
        errors = errors_of(row for row in checked if row.body == body)
        if not best or best[0] not in errors or trial not in errors:
            continue
        for case in errors[trial].keys() & errors[best[0]].keys():
            by_task.setdefault(case[1], []).append(errors[trial][case] - errors[best[0]][case])
    return Mean.of([fmean(by_task[task]) for task in sorted(by_task)])


def sensitivity(rows: Iterable[Row], band: Band) -> list[tuple[str, Any, Mean]]:
    """By option and value, mean error of the drawn trials that have it less that of the others, over trials.

    From the first rung, where all trials are. Options are drawn one by one, so the difference of means is the option's.
    """
    first = errors_of(row for row in selection(rows, band, 1) if row.trial >= len(SHIPPED))
    tried = {trial: plain(options) for trial, options in enumerate(trials()) if trial in first}
    found = []
    for name, values in VALUES.items():
        for value in values:
            with_it = [fmean(first[trial].values()) for trial in tried if tried[trial][name] == value]
            others = [fmean(first[trial].values()) for trial in tried if tried[trial][name] != value]
            if len(with_it) > 1 and len(others) > 1:
                found.append((name, value, _welch(with_it, others)))
    return found


def _welch(one: list[float], other: list[float]) -> Mean:
    parts = [stdev(values) ** 2 / len(values) for values in (one, other)]
    freedom = sum(parts) ** 2 / sum(p * p / (len(v) - 1) for p, v in zip(parts, (one, other), strict=True))
    half = float(student.ppf(0.975, freedom)) * math.sqrt(sum(parts))
    mean = fmean(one) - fmean(other)
    return Mean(mean, mean - half, mean + half, len(one))


def options_of(trial: int) -> Options:
    return trials()[trial]


def _before(band: Band) -> Band:
    return BANDS[max(0, BANDS.index(band) - 1)]


def _name(body: str) -> str:
    return parse(body).name
