"""How often do the intervals and verdicts of the report tell the truth? ``python -m bench.coverage`` plants it.

Differences of two strategies on tasks x seeds with a known mean, 2,000 times each; the intervals are those of
``reports.statistics.student``, the verdicts those of ``reports.claims.verdict`` and ``reports.boards.board``, the
stopping rule that of ``harness decide``. Writes bench/COVERAGE.md.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from reports.boards.board import boards
from reports.claims.verdict import Finding, Question, judge
from reports.reading.frame import read
from reports.statistics.arrays import Floats
from reports.statistics.sequential import MARGIN, looks
from reports.statistics.student import FEWEST, HERE, LIKE, both
from reports.tables.table import DASH

REPETITIONS = 2000
TARGET = Path(__file__).parent / "COVERAGE.md"
REFERENCE = sorted((Path(__file__).parents[1] / "reports" / "reference").glob("*.tar.xz"))

Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]
"""Draws of mean 0 and variance 1."""


def normal(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return random.standard_normal(shape)


def exponential(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return random.exponential(1.0, shape) - 1


@dataclass(frozen=True)
class Resampled:
    """Draws from ``pool``, brought to mean 0 and variance 1: real differences between tasks, or between seeds."""

    pool: Floats

    def __call__(self, random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        return random.choice((self.pool - self.pool.mean()) / self.pool.std(), shape)


@dataclass(frozen=True)
class Planted:
    """Differences: the mean 0, plus of each cluster, of each task in it, of each seed on it.

    Attributes:
        sizes: tasks of each cluster. seeds: a task's. between, inside, within: standard deviations of clusters, of the
            tasks of a cluster, and of seeds on a task.
    """

    name: str
    sizes: tuple[int, ...]
    seeds: int
    between: float
    within: float
    inside: float = 0.0

    @property
    def clusters(self) -> list[str]:
        return [str(cluster) for cluster, size in enumerate(self.sizes) for _ in range(size)]

    def draw(self, random: np.random.Generator, tasks: Noise, seeds: Noise, count: int) -> tuple[Floats, Floats]:
        """Differences (count, tasks, seeds), and the true means of these tasks (count,)."""
        of_cluster = self.between * tasks(random, (count, len(self.sizes)))
        of_task = np.repeat(of_cluster, self.sizes, axis=1) + self.inside * tasks(random, (count, sum(self.sizes)))
        values = of_task[:, :, None] + self.within * seeds(random, (count, sum(self.sizes), self.seeds))
        return values, of_task.mean(axis=1)


# Standard deviations as in the shipped bundles: between tasks about 8 points, between the seeds of a task about 5.
CASES = (
    Planted("7 tasks x 4 seeds, tasks dominate", (1,) * 7, 4, 0.08, 0.05),
    Planted("7 tasks x 4 seeds, seeds dominate", (1,) * 7, 4, 0.01, 0.08),
    Planted("16 tasks x 3 seeds", (1,) * 16, 3, 0.08, 0.05),
    Planted("28 tasks x 3 seeds", (1,) * 28, 3, 0.08, 0.05),
    Planted("7 tasks in 5 clusters x 4 seeds", (2, 2, 1, 1, 1), 4, 0.08, 0.05, 0.02),
    Planted("28 tasks in 25 clusters x 3 seeds", (3, 2, *(1,) * 23), 3, 0.08, 0.05, 0.02),
    Planted("3 tasks x 1 seed", (1,) * 3, 1, 0.08, 0.05),
    Planted("1 task x 3 seeds", (1,), 3, 0.08, 0.05),
    Planted("1 task x 5 seeds", (1,), 5, 0.08, 0.05),
)


def coverage(case: Planted, tasks: Noise, seeds: Noise, *, count: int = REPETITIONS) -> dict[str, float]:
    """Share of 95% intervals that hold the truth, for each statement; nan where none is made."""
    values, truth = case.draw(np.random.default_rng(7), tasks, seeds, count)
    held: dict[str, list[bool]] = {HERE: [], LIKE: []}
    for table, mean in zip(values, truth, strict=True):
        found = both(table, case.clusters)
        for one, true in ((found.here, mean), (found.like, 0.0)):
            if one.known:
                held[one.scope].append(one.low <= true <= one.high)
    return {scope: float(np.mean(one)) if one else math.nan for scope, one in held.items()}


def bundle_noise() -> tuple[Resampled, Resampled]:
    """Real differences to resample: of tasks' mean gains, and of seeds around their task's mean, over all boards.

    Each strategy's differences are brought to variance 1 first, so that the large ones are not all there is.
    """
    tasks, seeds = [], []
    for board in boards(read(REFERENCE)):
        for label, budget in board.cells:
            if board.reference is None or label == board.reference:
                continue
            table = board.differences((board.reference, budget), (label, budget))
            table = table[~np.isnan(table).any(axis=1)][:, : table.shape[1]]
            if table.shape[0] < 5 or table.shape[1] < 2 or table.std() == 0:
                continue
            means = table.mean(axis=1)
            rest = (table - means[:, None]) * math.sqrt(table.shape[1] / (table.shape[1] - 1))
            tasks.append((means - means.mean()) / means.std(ddof=1))
            if rest.std() > 0:
                seeds.append((rest / rest.std()).ravel())
    return Resampled(np.concatenate(tasks)), Resampled(np.concatenate(seeds))


def false_verdicts(
    claims: int = 12, *, count: int = REPETITIONS, tasks: Noise = normal, seeds: Noise = normal
) -> dict[str, float]:
    """Share of boards at zero effect with any false verdict: a direction, where there is none."""
    case, random = Planted("", (1,) * 7, 4, 0.08, 0.05), np.random.default_rng(11)
    boards_wrong = {HERE: 0, LIKE: 0}
    for _ in range(count):
        values, truth = case.draw(random, tasks, seeds, claims)
        # On these tasks there is no effect either: their own mean is taken off.
        for scope, tables in ((LIKE, values), (HERE, values - truth[:, None, None])):
            findings = [Finding("", (Question(both(table, case.clusters), margin=0.0),)) for table in tables]
            boards_wrong[scope] += any(one.verdict != "inconclusive" for one in judge(findings, scope))
    return {scope: wrong / count for scope, wrong in boards_wrong.items()}


def best_of_budgets(budgets: int = 5, *, count: int = REPETITIONS) -> float:
    """Share of boards on which C5's rule finds some budget with a gain where there is none."""
    case, random = Planted("", (1,) * 7, 4, 0.08, 0.05), np.random.default_rng(13)
    wrong = 0
    for _ in range(count):
        values, _ = case.draw(random, normal, normal, budgets)
        questions = tuple(Question(both(table, case.clusters), margin=0.0) for table in values)
        wrong += judge([Finding("", questions, some=True)], LIKE)[0].verdict == "supported"
    return wrong / count


def false_advice(strategies: int, *, count: int = REPETITIONS) -> dict[str, float]:
    """Share of boards of equal strategies on which ``advise`` names one, for each statement; 7 tasks, 4 seeds."""
    random = np.random.default_rng(17)
    of_task = 0.06 * random.standard_normal((count, strategies, 7, 1))
    errors = of_task + 0.04 * random.standard_normal((count, strategies, 7, 4))
    found = {}
    for scope, tables in ((HERE, errors - of_task.mean(axis=2, keepdims=True)), (LIKE, errors)):
        units = tables.mean(axis=2) if scope == HERE else tables.mean(axis=3)
        leader = units.mean(axis=2).argmin(axis=1)
        gap = units - units[np.arange(count), leader][:, None]
        n = gap.shape[2]
        low = gap.mean(axis=2) - stdtrit(n - 1, 0.975) * gap.std(axis=2, ddof=1) / math.sqrt(n)
        low[np.arange(count), leader] = math.inf
        found[scope] = float((low > 0).all(axis=1).mean())
    return found


def stopping(
    effect: float, noise: Noise, *, tasks: int = 7, count: int = REPETITIONS, pairs: int = 400
) -> tuple[float, float, float]:
    """Share of wrong answers and of open ones at the end, and mean pairs; ``effect`` in margins, spread 2 margins.

    A pair is a mean over ``tasks``, on each of which seeds differ by ``noise``.

    Wrong is the other sign, a sign where there is no effect, and 'no difference' where it is more than the margin.
    """
    random = np.random.default_rng(19)
    values = MARGIN * (effect + 2 * math.sqrt(tasks) * noise(random, (count, pairs, tasks)).mean(axis=2))
    taken, answer = looks(values)
    wrong = np.isin(answer, [-1, 1]) & (answer != np.sign(effect)) | (answer == 0) & (abs(effect) >= 1)
    return float(wrong.mean()), float((answer == 9).mean()), float(taken.mean())


def fixed_pairs(effect: float, power: float) -> int:
    """Pairs of a fixed design whose two-sided t test at 5% finds ``effect``, in spreads, with this power."""
    from scipy.stats import nct

    for n in range(2, 10_000):
        if 1 - nct.cdf(stdtrit(n - 1, 0.975), n - 1, effect * math.sqrt(n)) >= power:
            return n
    raise ValueError("no such design")


def against_fixed(spread: float, *, count: int = REPETITIONS) -> tuple[float, int, float]:
    """Pairs where the effect is twice the margin: of ``decide``, of a design fixed for the margin; share of right ones.

    The fixed design is planned, as one must without knowing the effect, to find one of the margin, with a power of 95%:
    ``decide`` errs in at most 5% and goes on until it knows.

    Args:
        spread: between pairs, in margins.
    """
    random = np.random.default_rng(23)
    taken, answer = looks(MARGIN * (2 + spread * random.standard_normal((count, 1500))))
    return float(taken.mean()), fixed_pairs(1 / spread, 0.95), float((answer == 1).mean())


def lines() -> Iterator[str]:
    """The report, in Markdown."""
    real_tasks, real_seeds = bundle_noise()
    kinds: dict[str, tuple[Noise, Noise]] = {
        "normal": (normal, normal),
        "of the bundles": (real_tasks, real_seeds),
        "exponential": (exponential, exponential),
    }
    yield "# Do the intervals and verdicts keep their promise?\n"
    yield (
        f"Made by `python -m bench.coverage`: the truth is planted, {REPETITIONS:,} repetitions each. A share near "
        f"95% has a "
        f"standard error of {100 * math.sqrt(0.95 * 0.05 / REPETITIONS):.1f} points. Differences are drawn from a "
        f"normal, "
        "from those that the shipped bundles hold (each strategy's, brought to one spread), and from an exponential.\n"
    )
    yield "## Coverage of 95% intervals\n"
    yield f"| | {' | '.join(f'{scope}, {kind}' for scope in (HERE, LIKE) for kind in kinds)} |"
    yield f"| --- |{' ---: |' * 2 * len(kinds)}"
    for case in CASES:
        found = {kind: coverage(case, *noise) for kind, noise in kinds.items()}
        cells = [found[kind][scope] for scope in (HERE, LIKE) for kind in kinds]
        yield f"| {case.name} | {' | '.join(DASH if math.isnan(x) else f'{100 * x:.1f}%' for x in cells)} |"
    yield (
        f"\nA dash: no interval is given, from one seed, or from fewer than {FEWEST} clusters. Where tasks are "
        f"skewed like "
        "an exponential, an interval from seven of them holds the truth less often than it says.\n"
    )
    yield "## False verdicts where there is no effect\n"
    yield "| | on these tasks | on tasks like these |\n| --- | ---: | ---: |"
    for kind, noise in kinds.items():
        wrong = false_verdicts(tasks=noise[0], seeds=noise[1])
        yield f"| any of 12 claims of a board, {kind} | {100 * wrong[HERE]:.1f}% | {100 * wrong[LIKE]:.1f}% |"
    yield f"| some of five budgets (C5's rule) | {DASH} | {100 * best_of_budgets():.1f}% |"
    for strategies in (2, 5, 10):
        wrong = false_advice(strategies)
        ends = f"{100 * wrong[HERE]:.1f}% | {100 * wrong[LIKE]:.1f}%"
        yield f"| `advise` names one of {strategies} equal strategies | {ends} |"
    yield "\n## The stopping rule of `harness decide`\n"
    yield (
        "Looked at after every pair, up to 400; the spread between pairs is twice the margin. Wrong: the other sign, "
        "a sign "
        "where there is no effect, 'no difference' where it is the margin or more.\n"
    )
    yield "| effect, in margins | tasks | differences | wrong | still open | pairs on average |"
    yield "| ---: | ---: | --- | ---: | ---: | ---: |"
    for effect in (0.0, 0.5, 1.0, 2.0, 5.0):
        for kind, draw, tasks in (
            *((kind, noise[1], 7) for kind, noise in kinds.items()),
            ("exponential", exponential, 1),
        ):
            missed, left, pairs = stopping(effect, draw, tasks=tasks)
            yield f"| {effect:g} | {tasks} | {kind} | {100 * missed:.1f}% | {100 * left:.1f}% | {pairs:.0f} |"
    yield "\nWhere the effect is twice the margin, against a design fixed to find the margin with a power of 95%:\n"
    yield "| spread between pairs, in margins | pairs of `decide` | of the fixed design | share | answered right |"
    yield "| ---: | ---: | ---: | ---: | ---: |"
    for spread in (2.0, 4.0, 8.0):
        mine, fixed, right = against_fixed(spread)
        yield f"| {spread:g} | {mine:.0f} | {fixed} | {mine / fixed:.0%} | {100 * right:.1f}% |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.coverage", description=__doc__)
    parser.add_argument("--out", type=Path, default=TARGET, metavar="FILE.md")
    target, begun = parser.parse_args().out, time.perf_counter()
    kept = target.read_text(encoding="utf-8").partition(MORE)[2] if target.exists() else ""
    text = "\n".join(lines()) + "\n"
    target.write_text(text + (f"\n{MORE}{kept}" if kept else ""), encoding="utf-8")
    print(f"{text}\nwritten: {target}, {time.perf_counter() - begun:.0f} s")


MORE = "## Verdicts before and after"
"""What follows is not made here, and is kept."""

if __name__ == "__main__":
    main()
