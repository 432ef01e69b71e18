"""Who leads? For each board and budget every entry's strategies: error, gains, win rate, cost and provenance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.core.spec import PROTOCOL_VERSION
from reports.boards.board import Board
from reports.boards.naming import short_titles
from reports.publishing.board.received import Entry
from reports.reading.frame import BOARD, REFERENCE, budget_order
from reports.statistics.arrays import Floats
from reports.statistics.student import Estimate, here, seed_means

FROZEN = ("ridge", "linear_probe", "ncm", "knn")
"""The frozen heads that gains are measured over: the first of these that was run at the budget."""


@dataclass(frozen=True)
class Row:
    """One strategy of one entry at one budget.

    Attributes:
        error: mean over tasks. over_dense, over_frozen: how much less it is than that of the dense net and of a frozen
            head with equal seeds, on the tasks that both could pay for. against: whose runs these two are.
        wins: share of those tasks on which it is ahead of the dense net; nan without one.
        flops: a task, mean over tasks and seeds.
        equal, differing, runs: of its runs, how many were run here again with equal records, and with others.
        recipe: by which it trains, where others on the leaderboard train by another.
    """

    entry: Entry
    board: Board
    label: str
    budget: str
    error: Estimate
    over_dense: Estimate | None
    over_frozen: Estimate | None
    against: str
    wins: float
    flops: float
    tasks: int
    seeds: int
    equal: int
    differing: int
    runs: int
    recipe: str = ""

    @property
    def apart(self) -> bool:
        """Whether it could pay for too few tasks to be ranked with the others."""
        return not self.board.enough(self.label, self.budget)

    @property
    def provenance(self) -> str:
        if self.differing:
            return f"re-run here: {self.differing} of {self.runs} runs gave OTHER records"
        if self.equal == self.runs:
            return f"re-run here, equal records ({self.runs})"
        return f"self-reported; {self.equal} of {self.runs} re-run here" if self.equal else "self-reported"


@dataclass(frozen=True)
class Leaderboard:
    """All entries on one board: the same images, net, size, precision, scored split and protocol.

    Attributes:
        title: in a few words. spec: in full.
        rows: by budget, from small to large; the least error first, and who could pay for too few tasks last.
    """

    title: str
    spec: str
    setting: dict[str, object]
    rows: dict[str, tuple[Row, ...]]

    @property
    def protocol(self) -> int:
        return int(str(self.setting["protocol_version"]))

    @property
    def current(self) -> bool:
        return self.protocol == PROTOCOL_VERSION


def leaderboards(entries: Sequence[Entry]) -> list[Leaderboard]:
    """A leaderboard for every board that an entry has results on; the newest protocol first, never two on one."""
    groups: dict[tuple[object, ...], list[tuple[Entry, Board]]] = {}
    for entry in entries:
        for board in entry.boards:
            # A fingerprint is only said, in a bundle: who says other tasks with it is on a board of their own.
            tasks = tuple(map(str, board.tasks[["task", "kind", "num_classes", "train"]].itertuples(index=False)))
            key = (*(str(board.setting[name]) for name in BOARD), tasks)
            groups.setdefault(key, []).append((entry, board))
    titles = short_titles([group[0][1] for group in groups.values()])
    found = [one for one in map(_leaderboard, groups.values(), titles) if one.rows]
    return sorted(found, key=lambda one: (-one.protocol, -sum(map(len, one.rows.values())), one.title))


def _leaderboard(group: Sequence[tuple[Entry, Board]], title: str) -> Leaderboard:
    budgets = sorted({budget for _, board in group for budget in board.budgets}, key=budget_order)
    rows: dict[str, tuple[Row, ...]] = {}
    for budget in budgets:
        mine = [
            row
            for entry, board in group
            for label in board.labels
            if (label, budget) in board.cells and (row := _row(group, entry, board, label, budget)) is not None
        ]
        if mine:
            rows[budget] = tuple(sorted(mine, key=lambda row: (row.apart, row.error.value, row.label)))
    board = group[0][1]
    return Leaderboard(title, board.title, board.setting, rows)


def _row(
    group: Sequence[tuple[Entry, Board]], entry: Entry, board: Board, label: str, budget: str
) -> Row | None:  # fmt: skip
    values = board.values(label, budget)
    error = here(values, exact=(label, budget) in board.unchanging)
    if math.isnan(error.value):
        return None
    own_first = sorted(group, key=lambda one: one[0] is not entry)
    recipe = _recipe(board, label)
    # Who compares recipes does so in one entry; others' dense nets stand in where they train by the same one.
    alike = [one for one in own_first if one[0] is entry or not recipe or _recipe(one[1], REFERENCE) in ("", recipe)]
    dense, whose = _rival(alike, board, [REFERENCE], budget)
    frozen, whose_head = _rival(own_first, board, FROZEN, budget)
    gain = None if dense is None or label == REFERENCE else here(dense - values)
    others = {name for name in (whose, whose_head) if name and name != entry.name}
    flops = board.values(label, budget, "flops")
    keys = _keys(entry, board, label, budget)
    told = [entry.rerun[key] for key in keys if key in entry.rerun]
    # The title is that of the first entry's board, and names its recipe.
    several = len({found for _, one in group for mine in one.labels if (found := _recipe(one, mine))}) > 1
    return Row(
        entry, board, label, budget, error, gain, None if frozen is None or label in FROZEN else here(frozen - values),
        f"gains over runs of {', '.join(sorted(others))}" if others else "",
        math.nan if gain is None or dense is None else _wins(dense - values),
        float(np.nanmean(flops)) if not np.isnan(flops).all() else math.nan,
        int((~np.isnan(values)).any(axis=1).sum()), error.seeds,
        sum(told), len(told) - sum(told), len(keys), recipe if several else "",
    )  # fmt: skip


def _recipe(board: Board, label: str) -> str:
    """The recipe that runs of ``label`` record; empty where they record none."""
    return str(board.options.get(label, {}).get("recipe", ""))


def _rival(
    group: Sequence[tuple[Entry, Board]], board: Board, labels: Sequence[str], budget: str
) -> tuple[Floats | None, str]:
    """(tasks, seeds) of ``board``: errors of the first of ``labels`` that an entry has at ``budget``, and whose."""
    for label in labels:
        for entry, other in group:
            if (label, budget) not in other.cells:
                continue
            values = other.values(label, budget)
            table = np.full((len(board.tasks), max(1, len(board.seeds))), math.nan)
            exact = (label, budget) in other.unchanging
            for row, index in enumerate(board.tasks["index"]):
                places = np.flatnonzero(other.tasks["index"].to_numpy() == index)
                for column, seed in enumerate(board.seeds):
                    if len(places) and exact:
                        table[row, column] = seed_means(values)[places[0]]
                    elif len(places) and seed in other.seeds:
                        table[row, column] = values[places[0], other.seeds.index(seed)]
            if not np.isnan(table).all():
                return table, entry.name
    return None, ""


def _wins(gains: Floats) -> float:
    means = seed_means(gains)
    known = means[~np.isnan(means)]
    return float((known > 0).mean()) if known.size else math.nan


def _keys(entry: Entry, board: Board, label: str, budget: str) -> list[str]:
    runs = entry.frames.runs
    mine = runs[runs["used"] & (runs["board"] == board.number) & (runs["label"] == label) & (runs["budget"] == budget)]
    return [str(key) for key in mine["key"]]
