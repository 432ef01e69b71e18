"""What can be compared? A board: runs of the same tasks in the same setting, as tables of tasks x seeds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.band import Band, band_of
from reports.reading.frame import BOARD, REFERENCE, Frames, budget_order
from reports.reading.labels import common_recipe
from reports.statistics.arrays import Floats
from reports.statistics.student import HERE, Both, Estimate, both, here, mean_of, seed_means, unchanging

ENOUGH = 0.8
"""A strategy that could pay for a smaller share of the tasks at a budget is listed apart there."""

Unpaid = Literal["apart", "constant"]
"""What becomes of a task that a budget could not pay for: it is left out, or it counts as the constant prediction."""


@dataclass(frozen=True)
class Board:
    """Results that answer one question: the same stream content, backbone, size, precision, scoring and protocol.

    Attributes:
        title: what sets it apart, for people.
        rows: the used rows of ``Frames.tasks`` of this board.
        tasks: a row a task, in stream order, with its facts.
        labels: strategies, those that went to the largest budget first, and of these the best there; those that
            could pay for too few tasks at every budget last.
        budgets: as written, from small to large.
        options: all options of each label, defaults included.
        codes: of each label the version of the strategy, and the digest of its source where it is a plugin.
        pretrained_on: the stream that the net was pretrained on, where that is known.
    """

    number: int
    title: str
    setting: dict[str, object]
    rows: pd.DataFrame
    tasks: pd.DataFrame
    labels: tuple[str, ...]
    budgets: tuple[str, ...]
    options: dict[str, dict[str, Any]]
    codes: dict[str, tuple[int, str]]
    pretrained_on: str = ""

    @cached_property
    def seeds(self) -> list[int]:
        return sorted(int(seed) for seed in self.rows["seed"].unique())

    @property
    def clusters(self) -> list[str]:
        """The data set family of each task, in the order of ``tasks``."""
        return [str(family) for family in self.tasks["cluster"]]

    @cached_property
    def task_rows(self) -> dict[str, int]:
        """Row of ``tasks`` of each task, by the letters and digits of its name."""
        return {plain(str(name)): row for row, name in enumerate(self.tasks["task"])}

    @cached_property
    def reference(self) -> str | None:
        """The dense finetuning, or None if it was not run."""
        return REFERENCE if REFERENCE in self.labels else None

    @cached_property
    def _rows_of(self) -> dict[tuple[str, str], NDArray[np.intp]]:
        """Places in ``rows`` of each (strategy, budget)."""
        pairs = zip(self.rows["label"].map(str), self.rows["budget"].map(str), strict=True)
        found: dict[tuple[str, str], list[int]] = {}
        for place, pair in enumerate(pairs):
            found.setdefault(pair, []).append(place)
        return {pair: np.asarray(places, dtype=np.intp) for pair, places in found.items()}

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Every (strategy, budget) that was run, in the order of labels and budgets."""
        return [(label, budget) for label in self.labels for budget in self.budgets if (label, budget) in self._rows_of]

    def rows_of(self, cells: Iterable[tuple[str, str]]) -> pd.DataFrame:
        """The rows of these (strategy, budget), in the order of ``rows``."""
        places = [self._rows_of[cell] for cell in set(cells) if cell in self._rows_of]
        return self.rows.iloc[np.sort(np.concatenate(places)) if places else []]

    @cached_property
    def prediction_flops(self) -> dict[str, float]:
        """FLOPs of one prediction of each strategy, mean over tasks: what evaluation was metered at, over its images.

        nan where nothing was evaluated.
        """
        return {label: self._prediction_flops(label) for label in self.labels}

    def _prediction_flops(self, label: str) -> float:
        part = self.rows_of((label, budget) for budget in self.budgets)
        part = part[part["n"] > 0]
        each = (part["flops_evaluate"] / part["n"]).replace([0, math.inf], math.nan).dropna()
        return float(each.groupby(part["index"]).mean().mean()) if len(each) else math.nan

    def values(self, label: str, budget: str, column: str = "error") -> Floats:
        """(tasks, seeds) of a column of ``rows``; nan where there is none. The caller's own copy."""
        key = (label, budget, column)
        if key not in self._tables:
            self._tables[key] = self._table(*key)
        return self._tables[key].copy()

    @cached_property
    def _tables(self) -> dict[tuple[str, str, str], Floats]:
        return {}

    @cached_property
    def _spots(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Of each of ``rows``, the row and column in a table of tasks x seeds."""
        return (
            pd.Index(self.tasks["index"]).get_indexer(pd.Index(self.rows["index"])),
            pd.Index(self.seeds).get_indexer(pd.Index(self.rows["seed"])),
        )

    def _table(self, label: str, budget: str, column: str) -> Floats:
        table = np.full((len(self.tasks), max(1, len(self.seeds))), math.nan)
        places = self._rows_of.get((label, budget))
        if places is not None:
            task, seed = (spots[places] for spots in self._spots)
            table[task, seed] = self.rows[column].to_numpy(float)[places]
        return table

    def images(self, budget: str) -> Floats:
        """(tasks,): images that the dense net could be trained on with ``budget``; nan where nobody knows.

        By the FLOPs that a task might spend; in seconds and for a whole stream, by the most that a run has spent.
        """
        needed = ["index", "flops", "budget_flops", "dense_flops"]
        part = self.rows.loc[self.rows["budget"] == budget, needed]
        given = part["flops" if budget.startswith("stream:") or part["budget_flops"].isna().all() else "budget_flops"]
        most = (given / part["dense_flops"]).groupby(part["index"]).max()
        return np.asarray(self.tasks["index"].map(most).to_numpy(float))

    def band(self, budget: str) -> Band | None:
        """The band in which ``budget`` lies for the middle one of the tasks; None where nobody knows."""
        images = self.images(budget)
        known = images[images >= 0]  # Somebody else's record may say anything.
        return band_of(float(np.median(known))) if len(known) else None

    def only(self, provenance: str) -> "Board":
        """This board with the tasks of one provenance, real or emulated."""
        tasks = self.tasks[self.tasks["provenance"] == provenance].reset_index(drop=True)
        return replace(self, rows=self.rows[self.rows["index"].isin(tasks["index"])], tasks=tasks)

    def complete(self, label: str, budget: str) -> bool:
        """Whether every task has an error from at least one seed."""
        return bool((~np.isnan(self.values(label, budget))).any(axis=1).all())

    def share(self, label: str, budget: str) -> float:
        """Share of the tasks that have an error from at least one seed."""
        return float((~np.isnan(self.values(label, budget))).any(axis=1).mean()) if len(self.tasks) else 0.0

    def enough(self, label: str, budget: str) -> bool:
        """Whether the strategy was run and could pay for :data:`ENOUGH` of the tasks; others are listed apart."""
        return (label, budget) in self._rows_of and self.share(label, budget) >= ENOUGH - 1e-9

    @cached_property
    def unchanging(self) -> frozenset[tuple[str, str]]:
        """The cells whose errors are the same with every seed: their seeds are one."""
        return frozenset(cell for cell in self.cells if unchanging(self.values(*cell)))

    def estimate(self, label: str, budget: str, column: str = "error") -> Estimate:
        """Mean over the tasks that there are, on these tasks."""
        return here(self.values(label, budget, column), exact=column == "error" and (label, budget) in self.unchanging)

    def differences(self, first: tuple[str, str], second: tuple[str, str], column: str = "error") -> Floats:
        """(tasks, seeds): ``first`` minus ``second`` where both have the task with the same seed; else nan."""
        return self.values(*first, column) - self.values(*second, column)

    def ahead(self, first: tuple[str, str], second: tuple[str, str]) -> Both:
        """How much less the error of ``first`` is, over the tasks that both could pay for: both statements."""
        exact = {first, second} <= self.unchanging
        return both(self.differences(second, first), self.clusters, exact=exact)

    @cached_property
    def leads(self) -> dict[str, "Leads"]:
        """For each budget at which there is one, its strategies that could pay for enough tasks, pair by pair."""
        found = {}
        for budget in self.budgets:
            labels = [label for label in self.labels if self.enough(label, budget)]
            if labels:
                found[budget] = leads(self, [(label, budget) for label in labels])
        return found


@dataclass(frozen=True)
class Leads:
    """Which of several cells leads, each pair compared on the tasks that both could pay for.

    Attributes:
        order: the cells, the leader first: by how many others they are ahead of, then by how far on average.
        gaps: for each cell but the leader, how far the leader is ahead of it.
    """

    order: tuple[tuple[str, str], ...]
    gaps: dict[tuple[str, str], Both]

    @property
    def leader(self) -> tuple[str, str]:
        return self.order[0]

    def alike(self, scope: str = HERE) -> list[tuple[str, str]]:
        """The cells that the leader is not surely ahead of; all others where nothing is known.

        The leader is better than all of them only if it is better than each: every one is tested at the whole level.
        That the leader was chosen by the same numbers is paid for by testing on both sides.
        """
        return [cell for cell, gap in self.gaps.items() if not (one := gap.here if scope == HERE else gap.like).low > 0
                or not one.known]  # fmt: skip


def leads(board: Board, cells: list[tuple[str, str]]) -> Leads:
    """``cells`` in the order of who leads, and what the leader is ahead by."""
    means = np.stack([seed_means(board.values(*cell)) for cell in cells])
    there = ~np.isnan(means)
    filled, paid = np.where(there, means, 0.0), there.astype(float)
    # (i, j): mean error of j minus mean error of i, over the tasks that both could pay for.
    shared = np.maximum(paid @ paid.T, 1)
    of = filled @ paid.T / shared
    gap = of.T - of
    wins = (gap > 1e-12).sum(axis=1)
    rank = sorted(range(len(cells)), key=lambda i: (-wins[i], -gap[i].mean(), i))
    order = tuple(cells[i] for i in rank)
    return Leads(order, {cell: board.ahead(order[0], cell) for cell in order[1:]})


def plain(name: str) -> str:
    """Letters and digits of a name: ``CIFAR-10`` and ``cifar10`` are one data set."""
    return "".join(c for c in name.lower() if c.isalnum())


def boards(frames: Frames, *, unpaid: Unpaid = "apart") -> list[Board]:
    """The boards of all runs that are used: the stream with the most rows first, and its backbones side by side.

    Args:
        unpaid: with ``constant``, a task that a budget could not pay for counts with the error of the best constant
            prediction; by itself it is left out.
    """
    found = []
    runs = frames.runs[frames.runs["used"]]
    for number, group in runs.groupby("board", sort=True):
        rows = frames.tasks[(frames.tasks["board"] == number) & frames.tasks["used"]]
        facts = ["index", "task", "year", "domain", "kind", "num_classes", "provenance", "phase", "chance", "train",
                 "epoch_flops", "cluster"]  # fmt: skip
        tasks = rows[facts].drop_duplicates("index").sort_values("index").reset_index(drop=True)
        if "constant_error" in rows:
            recorded = tasks["index"].map(rows.groupby("index")["constant_error"].max())
            tasks["chance"] = recorded.fillna(tasks["chance"])
        if unpaid == "constant":
            rows = _constant(rows, tasks)
        setting = {name: group[name].iloc[0] for name in BOARD}
        labels = sorted({str(label) for label in group["label"]})
        budgets = _ascending({str(budget) for budget in group["budget"]}, rows)
        options = {str(label): dict(held) for label, held in zip(group["label"], group["options"], strict=True)}
        codes = {
            str(label): (int(version), str(source))
            for label, version, source in zip(group["label"], group["strategy_version"], group["source"], strict=True)
        }
        recipe = common_recipe(group)
        title = f"{_title(setting)}, recipe {recipe}" if recipe else _title(setting)
        board = Board(int(str(number)), title, setting, rows, tasks, tuple(labels), budgets, options, codes,
                      str(group["pretrained_on"].max()))  # fmt: skip
        found.append(replace(board, labels=tuple(sorted(labels, key=partial(_rank, board)))))
    size = {str(board.setting["stream"]): 0 for board in found}
    for board in found:
        size[str(board.setting["stream"])] += len(board.rows)
    # The backbones of a stream stand together, and in one order in every stream.
    found.sort(key=lambda board: [-size[stream := str(board.setting["stream"])], stream, _backbone_order(found, board)])
    return _told_apart(found)


def _ascending(budgets: Iterable[str], rows: pd.DataFrame) -> tuple[str, ...]:
    """``budgets`` from small to large: of one unit as written, else by the FLOPs that they pay for, mean over tasks.

    Where one of them is none of FLOPs, units stand one after another.
    """
    found = sorted(budgets, key=budget_order)
    if len({budget_order(budget)[:2] for budget in found}) < 2:
        return tuple(found)
    each = rows.groupby(["budget", "index"])["budget_flops"].mean()
    costs = each.groupby("budget").mean().reindex(found).to_numpy(float)
    if not np.isfinite(costs).all():
        return tuple(found)
    # What a whole stream may spend and what a task may stay apart.
    return tuple(
        found[place] for place in sorted(range(len(found)), key=lambda i: (budget_order(found[i])[0], costs[i]))
    )


def _constant(rows: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """``rows`` with the error of the constant prediction where a budget could not pay for the task."""
    chance = rows["index"].map(tasks.set_index("index")["chance"])
    return rows.assign(error=rows["error"].where(rows["status"] != "infeasible", chance))


def _backbone_order(found: list[Board], board: Board) -> tuple[int, str]:
    name = str(board.setting["backbone"])
    return -sum(len(other.rows) for other in found if other.setting["backbone"] == name), name


def _rank(board: Board, label: str) -> tuple[int, int, float, str]:
    budgets = [budget for budget in board.budgets if (label, budget) in board.cells]
    whole = [budget for budget in budgets if board.enough(label, budget)]
    last = (whole or budgets or [""])[-1]
    value = mean_of(board.values(label, last))
    reached = board.budgets.index(last) if last else -1
    return (0 if whole else 1, -reached, value if not math.isnan(value) else math.inf, label)


def _title(setting: dict[str, object]) -> str:
    parts = [str(setting["stream"]), str(setting["backbone"]), f"{setting['size']} px"]
    parts += [str(setting["precision"])] if setting["precision"] != "fp32" else []
    return ", ".join(parts + (["test split"] if setting["scoring"] == "test" else []))


def _told_apart(found: list[Board]) -> list[Board]:
    """Adds to equal titles what differs between them."""
    for title in {board.title for board in found}:
        same = [board for board in found if board.title == title]
        for name, form in (
            ("fingerprint", "stream {:.8}"),
            ("weights_hash", "weights {:.8}"),
            ("protocol_version", "protocol {}"),
            ("around", "code of {:.13}"),
        ):
            if len({board.setting[name] for board in same}) > 1:
                for board in same:
                    place = next(i for i, b in enumerate(found) if b.number == board.number)
                    found[place] = replace(
                        found[place], title=f"{found[place].title}, {form.format(str(board.setting[name]))}"
                    )
    return found
