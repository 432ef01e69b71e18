"""What can be compared? A board: runs of the same tasks in the same setting, as tables of tasks x seeds."""

import math
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.reading.frame import BOARD, REFERENCE, Frames, budget_order
from reports.statistics.bootstrap import Draws, Interval, mean_of, percentile, seed_means

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Board:
    """Results that answer one question: the same stream content, backbone, size, precision, scoring and protocol.

    Attributes:
        title: what sets it apart, for people.
        rows: the used rows of ``Frames.tasks`` of this board.
        tasks: a row a task, in stream order, with its facts.
        labels: strategies, those that went to the largest budget first, and of these the best there; those with
            missing tasks at every budget last.
        budgets: as written, from small to large.
        options: all options of each label, defaults included.
    """

    number: int
    title: str
    setting: dict[str, object]
    rows: pd.DataFrame
    tasks: pd.DataFrame
    labels: tuple[str, ...]
    budgets: tuple[str, ...]
    options: dict[str, dict[str, Any]]

    @cached_property
    def seeds(self) -> list[int]:
        return sorted(int(seed) for seed in self.rows["seed"].unique())

    @cached_property
    def draws(self) -> Draws:
        """The resamples that everything on this board shares, so that all differences are paired."""
        return Draws(len(self.tasks), max(1, len(self.seeds)))

    @cached_property
    def place(self) -> dict[str, int]:
        """Row of each task, by the letters and digits of its name."""
        return {plain(str(name)): place for place, name in enumerate(self.tasks["task"])}

    @cached_property
    def reference(self) -> str | None:
        """The dense finetuning, or None if it was not run."""
        return REFERENCE if REFERENCE in self.labels else None

    @cached_property
    def _place(self) -> dict[tuple[str, str], NDArray[np.intp]]:
        pairs = zip(self.rows["label"].map(str), self.rows["budget"].map(str), strict=True)
        found: dict[tuple[str, str], list[int]] = {}
        for place, pair in enumerate(pairs):
            found.setdefault(pair, []).append(place)
        return {pair: np.asarray(places, dtype=np.intp) for pair, places in found.items()}

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Every (strategy, budget) that was run, in the order of labels and budgets."""
        return [(label, budget) for label in self.labels for budget in self.budgets if (label, budget) in self._place]

    def values(self, label: str, budget: str, column: str = "error") -> Floats:
        """(tasks, seeds) of a column of ``rows``; nan where there is none. The caller's own copy."""
        key = (label, budget, column)
        if key not in self._tables:
            self._tables[key] = self._table(*key)
        return self._tables[key].copy()

    def means(self, label: str, budget: str, column: str = "error") -> Floats:
        """Resampled means over tasks and seeds, (resamples,); drawn once."""
        key = (label, budget, column)
        if key not in self._means:
            self._means[key] = self.draws.means(self.values(*key))
        return self._means[key]

    @cached_property
    def _tables(self) -> dict[tuple[str, str, str], Floats]:
        return {}

    @cached_property
    def _means(self) -> dict[tuple[str, str, str], Floats]:
        return {}

    def _table(self, label: str, budget: str, column: str) -> Floats:
        table = np.full((len(self.tasks), max(1, len(self.seeds))), math.nan)
        places = self._place.get((label, budget))
        if places is not None:
            part = self.rows.iloc[places]
            row = pd.Index(self.tasks["index"]).get_indexer(pd.Index(part["index"]))
            seed = pd.Index(self.seeds).get_indexer(pd.Index(part["seed"]))
            table[row, seed] = part[column].to_numpy(float)
        return table

    def only(self, provenance: str) -> "Board":
        """This board with the tasks of one provenance, real or emulated."""
        tasks = self.tasks[self.tasks["provenance"] == provenance].reset_index(drop=True)
        return replace(self, rows=self.rows[self.rows["index"].isin(tasks["index"])], tasks=tasks)

    def complete(self, label: str, budget: str) -> bool:
        """Whether every task has an error from at least one seed."""
        return bool((~np.isnan(self.values(label, budget))).any(axis=1).all())

    def interval(self, label: str, budget: str, column: str = "error") -> Interval:
        """Mean over tasks, and its bootstrap interval over tasks and seeds."""
        values = self.values(label, budget, column)
        return percentile(mean_of(values), self.means(label, budget, column), values)

    def difference(self, first: tuple[str, str], second: tuple[str, str], column: str = "error") -> Interval:
        """Paired: mean of ``first`` minus mean of ``second`` over the tasks that both have."""
        a, b = self.values(*first, column), self.values(*second, column)
        alone = np.isnan(a).all(axis=1) | np.isnan(b).all(axis=1)
        a[alone], b[alone] = math.nan, math.nan
        return percentile(mean_of(a) - mean_of(b), self.draws.means(a) - self.draws.means(b), a)

    @cached_property
    def eased(self) -> dict[tuple[str, str], Interval]:
        """For each complete cell, its mean and an interval without what makes tasks differ in difficulty.

        From each task's errors its mean over the complete strategies at the same budget is taken before resampling
        (Cousineau 2005), the spread is widened by sqrt(m/(m-1)) for m strategies (Morey 2008), and the strategy's own
        mean put back; what then passes 0 or 1 is cut, for no error does. Where two such intervals lie apart, the
        strategies differ on these tasks.
        """
        found: dict[tuple[str, str], Interval] = {}
        for budget in self.budgets:
            group = [cell for cell in self.cells if cell[1] == budget and self.complete(*cell)]
            if len(group) < 2:
                found |= {cell: self.interval(*cell) for cell in group}
                continue
            tables = {cell: self.values(*cell) for cell in group}
            easy = np.mean([seed_means(table) for table in tables.values()], axis=0)
            widen = math.sqrt(len(group) / (len(group) - 1))
            # Every task is there, so that resampled means are linear: those of what is taken out are drawn once.
            eased = self.draws.means(np.repeat(easy[:, None], max(1, len(self.seeds)), axis=1)) - easy.mean()
            for cell, table in tables.items():
                spread = (self.means(*cell) - mean_of(table) - eased) * widen
                value = mean_of(table)
                # An error lies in [0, 1]; moved and widened, a resample need not.
                found[cell] = percentile(value, np.clip(value + spread, 0, 1), table)
        return found


def plain(name: str) -> str:
    """Letters and digits of a name: ``CIFAR-10`` and ``cifar10`` are one data set."""
    return "".join(c for c in name.lower() if c.isalnum())


def boards(frames: Frames) -> list[Board]:
    """The boards of all runs that are used: the stream with the most rows first, and its backbones side by side."""
    found = []
    runs = frames.runs[frames.runs["used"]]
    for number, group in runs.groupby("board", sort=True):
        rows = frames.tasks[(frames.tasks["board"] == number) & frames.tasks["used"]]
        facts = ["index", "task", "year", "domain", "kind", "num_classes", "provenance", "phase", "chance", "train",
                 "epoch_flops"]  # fmt: skip
        tasks = rows[facts].drop_duplicates("index").sort_values("index").reset_index(drop=True)
        setting = {name: group[name].iloc[0] for name in BOARD}
        labels = sorted({str(label) for label in group["label"]})
        budgets = tuple(sorted({str(budget) for budget in group["budget"]}, key=budget_order))
        options = {str(label): dict(held) for label, held in zip(group["label"], group["options"], strict=True)}
        board = Board(int(str(number)), _title(setting), setting, rows, tasks, tuple(labels), budgets, options)
        found.append(replace(board, labels=tuple(sorted(labels, key=partial(_rank, board)))))
    size = {str(board.setting["stream"]): 0 for board in found}
    for board in found:
        size[str(board.setting["stream"])] += len(board.rows)
    # The backbones of a stream stand together, and in one order in every stream.
    found.sort(key=lambda board: [-size[stream := str(board.setting["stream"])], stream, _backbone_order(found, board)])
    return _told_apart(found)


def _backbone_order(found: list[Board], board: Board) -> tuple[int, str]:
    name = str(board.setting["backbone"])
    return -sum(len(other.rows) for other in found if other.setting["backbone"] == name), name


def _rank(board: Board, label: str) -> tuple[int, int, float, str]:
    budgets = [budget for budget in board.budgets if (label, budget) in board.cells]
    whole = [budget for budget in budgets if board.complete(label, budget)]
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
