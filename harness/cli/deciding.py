"""Is A better than B? Pairs of runs until it is known, or what it would take: ``harness decide``, ``harness.decide``.

A pair is one seed of both over all tasks of all streams, at all budgets. One may look after every pair, for the
interval holds at all times at once (``reports.statistics.sequential``).
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.core.errors import UserError

if TYPE_CHECKING:
    from harness.config.suite import Suite
    from harness.core.spec import RunSpec
    from reports.boards.board import Board
    from reports.statistics.sequential import Look
    from reports.statistics.student import Estimate

FIRST = 3
"""Pairs before the first look: fewer never decide, but where no seed changes anything."""

CarryOut = Callable[[list["RunSpec"], Path], None]


@dataclass(frozen=True)
class Decision:
    """What pairs of runs say of two strategies.

    Attributes:
        look: of the pairs' differences, on these tasks; positive: the first is better.
        like: of clusters of tasks, on tasks like these. clusters: how many it would take; None where too many.
        flops, seconds: charged for all pairs, and measured. tasks: that both could pay for, of ``of_tasks``.
        stopped: why no more pairs were run; empty where the answer is known.
    """

    first: str
    second: str
    streams: tuple[str, ...]
    budgets: tuple[str, ...]
    look: "Look"
    like: "Estimate"
    clusters: int | None
    flops: float
    seconds: float
    tasks: int
    of_tasks: int
    stopped: str = ""

    @property
    def known(self) -> bool:
        return self.look.answer != "open"

    def __str__(self) -> str:
        look, n = self.look, self.look.pairs
        ends = f"{_points(look.value)} [{_points(look.low)}, {_points(look.high)}]" if math.isfinite(look.half) else (
            f"{_points(look.value)}")  # fmt: skip
        cost = f"{n} {'pair' if n == 1 else 'pairs'}, {self.flops:.3g} FLOPs, {self.seconds / 3600:.2f} hours of runs"
        paid = "" if self.tasks == self.of_tasks else f" that both could pay for, of {self.of_tasks}"
        how = ", exact: no seed changes anything" if look.exact else ", 95% at any time of looking"
        lines = [
            self._answer(),
            f"  on these tasks ({self.tasks}{paid}): {self.first} is ahead by {ends} points{how}",
            f"  {self._like()}",
            f"  it took {cost}",
        ]
        return "\n".join([*lines, *([f"  {self._left()}"] if self.stopped else [])])

    def _answer(self) -> str:
        where = f"at {', '.join(self.budgets)}"
        margin = f"{100 * self.look.margin:g} {'point' if self.look.margin == 0.01 else 'points'}"
        match self.look.answer:
            case "first":
                return f"{self.first} is better than {self.second} {where}."
            case "second":
                return f"{self.second} is better than {self.first} {where}."
            case "no difference":
                return f"{self.first} and {self.second} do not differ by {margin} or more {where}."
            case _:
                return f"Not known yet: {self.first} or {self.second} {where} ({self.stopped})."

    def _like(self) -> str:
        from reports.statistics.student import FEWEST

        found = self.like
        if not found.known:
            return f"on tasks like these: {found.clusters} clusters of tasks, {FEWEST} or more are needed"
        ends = f"{_points(found.value)} [{_points(found.low)}, {_points(found.high)}] points"
        if found.low > 0 or found.high < 0 or (found.low > -self.look.margin and found.high < self.look.margin):
            return f"on tasks like these: {ends}, known from {found.clusters} clusters of tasks"
        more = "too many to plan" if self.clusters is None else f"about {self.clusters - found.clusters} clusters more"
        return f"on tasks like these: {ends} from {found.clusters} clusters of tasks; it would take {more}"

    def _left(self) -> str:
        from reports.statistics.sequential import LARGEST

        look = self.look
        if look.pairs < 2:
            return "it would take more pairs to say how many"
        if look.wanted >= LARGEST:
            return "it would take more pairs than anybody can run: the effect is at the margin"
        share = look.wanted / look.pairs
        return (
            f"it would take about {look.wanted} pairs in all if mean and spread stay as they are: "
            f"{self.flops * share:.3g} FLOPs, {self.seconds * share / 3600:.2f} hours of runs"
        )


def _points(value: float) -> str:
    return f"{100 * value:+.2f}"


def decide(
    a: str,
    b: str,
    *,
    streams: Sequence[str] = (),
    budgets: Sequence[str] = ("1ep",),
    margin: float = 1.0,
    at_most: float | None = None,
    out: Path | str = Path("results"),
    suite: str = "default",
    backbone: str = "",
    most_pairs: int = 200,
    jobs: int | None = None,
    device: str = "cpu",
    carry_out: CarryOut | None = None,
) -> Decision:
    """Run pairs of ``a`` and ``b`` until the better one is known, or that they do not differ by ``margin`` points.

    The runs are ordinary ones below ``out``: what is there is not run again, and a second call goes on from there. The
    same strategy twice is compared with itself under other seeds.

    Args:
        streams: the suite's if none is given. margin: points of accuracy that would matter.
        at_most: hours after which no pair is begun that would not end in time.
        most_pairs: pairs after which it stops.

    Raises:
        UserError: a name or a number is wrong, a run failed, or a budget pays for too few tasks of one of the two.
    """
    from harness.config.suite import load_suite
    from harness.running.study import cores

    if not (math.isfinite(margin) and margin > 0):
        raise UserError(f"--margin {margin:g}: expected points of accuracy above 0, such as 1")
    base = load_suite(suite)
    nets = (backbone,) if backbone else base.backbones
    if len(nets) > 1:
        raise UserError(
            f"suite {suite} is about {', '.join(nets)}, a decision about one of them: name it by --backbone"
        )
    asked = replace(base, streams=tuple(streams) or base.streams, backbones=nets)
    mine = _Pairs(asked, a, b, tuple(budgets), Path(out), margin / 100)
    workers = jobs or cores()
    go = carry_out or (lambda specs, folder: _carry_out(specs, folder, jobs=workers, device=device))
    begun, pairs, longest = time.monotonic(), min(FIRST, most_pairs), 0.0
    while True:
        at = time.monotonic()
        go(mine.specs(pairs), mine.out)
        longest = max(longest, time.monotonic() - at)
        found = mine.decision(pairs)
        if found.known:
            return found
        if pairs >= most_pairs:
            return replace(found, stopped=f"{pairs} pairs")
        if at_most is not None and time.monotonic() - begun + longest > at_most * 3600:
            return replace(found, stopped=f"the next pair would not end within {at_most:g} hours")
        # As many pairs at a time as there are processes for.
        pairs = min(most_pairs, pairs + max(1, workers // 2))


@dataclass
class _Pairs:
    """The runs of a comparison, and what they say."""

    suite: "Suite"
    a: str
    b: str
    budgets: tuple[str, ...]
    out: Path
    margin: float

    def seeds(self, pairs: int) -> tuple[list[int], list[int]]:
        """Of ``a`` and of ``b``: the same ones, for what is random then cancels; of one strategy twice, others."""
        if self.labels[0] != self.labels[1]:
            return list(range(pairs)), list(range(pairs))
        return list(range(0, 2 * pairs, 2)), list(range(1, 2 * pairs, 2))

    @cached_property
    def labels(self) -> tuple[str, str]:
        """Both as runs write them."""
        first, second = (self._specs(strategy, [0])[0].strategy for strategy in (self.a, self.b))
        return first, second

    def specs(self, pairs: int) -> "list[RunSpec]":
        first, second = self.seeds(pairs)
        # Pair by pair, so that an interrupted call leaves whole pairs.
        return sorted([*self._specs(self.a, first), *self._specs(self.b, second)], key=lambda spec: spec.seed)

    def _specs(self, strategy: str, seeds: Sequence[int]) -> "list[RunSpec]":
        from harness.config.suite import build_suite

        return build_suite(
            name=self.suite.name,
            about="",
            streams=self.suite.streams,
            strategies=[strategy],
            budgets=self.budgets,
            seeds=seeds,
            setting=self.suite.setting,
            backbones=self.suite.backbones,
        ).specs()

    def _on(self, board: "Board", label_of: dict[str, str]) -> tuple[str, str]:
        """Both as ``board`` calls them: a recipe that all of its runs share stands in no label."""
        first, second = (
            next(label for key in keys if (label := label_of[key]) in board.labels) for keys in self._first_keys
        )
        return first, second

    @cached_property
    def _first_keys(self) -> list[list[str]]:
        """Keys of the runs of either's first seed, on every stream."""
        return [
            [spec.key for spec in self._specs(strategy, seeds)]
            for strategy, seeds in zip((self.a, self.b), self.seeds(1), strict=True)
        ]

    def decision(self, pairs: int) -> Decision:
        import numpy as np

        from reports.boards.board import ENOUGH, boards
        from reports.reading.frame import read
        from reports.statistics import sequential
        from reports.statistics.student import like

        frames = read([self.out / spec.folder for spec in self.specs(pairs)])
        first, second = self.labels
        label_of = dict(zip(frames.runs["key"], frames.runs["label"], strict=True))
        tables, clusters, tasks, of_tasks, exact = [], [], [], 0, True
        for board in boards(frames):
            of_tasks += len(board.tasks)
            labels = self._on(board, label_of)
            places = [[board.seeds.index(seed) for seed in seeds] for seeds in self.seeds(pairs)]
            for budget in board.budgets:
                sides = [board.values(x, budget)[:, at] for x, at in zip(labels, places, strict=True)]
                for label, side in zip((first, second), sides, strict=True):
                    paid = float((~np.isnan(side)).all(axis=1).mean())
                    if paid < ENOUGH:
                        raise UserError(
                            f"{label} could pay for {paid:.0%} of the tasks at {budget}, expected {ENOUGH:.0%}: "
                            "choose a larger --budget"
                        )
                exact &= {(label, budget) for label in labels} <= board.unchanging
                tables.append(sides[1] - sides[0])
                clusters += board.clusters
                tasks += [(board.number, place) for place in range(len(board.tasks))]
        gains = np.concatenate(tables)
        # The same tasks in every pair: those that both could always pay for.
        whole = np.asarray(~np.isnan(gains).any(axis=1))
        gains, clusters = gains[whole], [name for name, there in zip(clusters, whole, strict=True) if there]
        look = sequential.look(gains.mean(axis=0), margin=self.margin, exact=exact and pairs > 1)
        other = like(gains, clusters)
        other_seeds = " with other seeds" if first == second else ""
        return Decision(
            first,
            f"{second}{other_seeds}",
            self.suite.streams,
            self.budgets,
            look,
            other,
            _clusters(other, self.margin),
            float(frames.tasks["flops"].sum()),
            float(frames.tasks["seconds"].sum()),
            len({task for task, there in zip(tasks, whole, strict=True) if there}),
            of_tasks,
        )


def _clusters(one: "Estimate", margin: float) -> int | None:
    """Clusters of tasks at which it would be known on tasks like these."""
    from reports.claims.needed import units_for

    if not one.known:
        return None
    return units_for(one, max(abs(one.value), margin - abs(one.value)), one.freedom + 1)


def _carry_out(specs: "list[RunSpec]", out: Path, *, jobs: int, device: str) -> None:
    """Run what is missing of ``specs``.

    Raises:
        UserError: a run failed.
    """
    from harness.running.executor import missing, run_all
    from harness.running.progress import watching
    from harness.running.study import check_strategies

    todo = missing(specs, out, retry_failed=False)
    check_strategies(todo)
    with watching(todo) as watch:
        outcomes = run_all(todo, out, jobs=min(jobs, max(1, len(todo))), watch=watch, device=device)
    failed = [outcome for outcome in outcomes if outcome.status != "done"]
    left = missing(specs, out, retry_failed=True)
    if failed or left:
        spec = failed[0].spec if failed else left[0]
        why = failed[0].reason if failed else "it failed before"
        raise UserError(
            f"{spec.strategy} {spec.budget} seed {spec.seed} failed: {why}; see {out / spec.folder}/run.json"
        )


@click.command("decide")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--stream", "streams", multiple=True, metavar="S", help="Instead of the suite's streams; may be repeated."
)
@click.option("--budget", "budgets", multiple=True, default=("1ep",), show_default=True, metavar="B",
              help="At which both are compared; may be repeated.")  # fmt: skip
@click.option("--margin", type=float, default=1.0, show_default=True, metavar="POINTS",
              help="A difference below this is none.")  # fmt: skip
@click.option("--at-most", type=click.FloatRange(min=0), metavar="HOURS", help="Begin no pair that would end later.")
@click.option("--backbone", default="", metavar="B", help="Instead of the suite's backbone.")
@click.option("--suite", default="default", show_default=True, help="Whose streams and setting are taken.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Runs at a time; a core each by default.")
@click.option("--device", default="cpu", show_default=True, metavar="D", help="cpu, cuda or cuda:0.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True)
def decide_command(
    a: str, b: str, streams: tuple[str, ...], budgets: tuple[str, ...], margin: float, at_most: float | None,
    backbone: str, suite: str, jobs: int | None, device: str, out: Path,
) -> None:  # fmt: skip
    """Is A better than B? Runs pairs until it is known, or says what it would take.

    \b
      harness decide ridge finetune --budget 1ep --margin 1 --at-most 2

    The runs go to --out; the same command goes on from there.
    """
    found = decide(
        a, b, streams=streams, budgets=budgets, margin=margin, at_most=at_most, out=out, suite=suite, backbone=backbone,
        jobs=jobs, device=device,
    )  # fmt: skip
    click.echo(str(found))
