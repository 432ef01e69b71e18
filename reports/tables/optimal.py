"""Which strategy is best at which budget, and how sure is that? Leaders, who cannot be told from them, crossings."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.boards.board import ENOUGH, Board
from reports.boards.evidence import keep_ratio
from reports.statistics.student import HERE, LIKE, Estimate, mean_of
from reports.tables.table import Column, Table

# fmt: off
_OPTIMAL = ["budget", "strategy", "keep", "error", "low", "high", "next", "gap", "gap_low", "gap_high", "like",
            "like_low", "like_high", "alike", "alike_like", "strategies", "apart", "n"]
_BEHIND = ["budget", "strategy", "behind", "low", "high", "like", "like_low", "like_high", "flops", "tasks", "n"]
# fmt: on


def optimal_table(board: Board) -> Table:
    """The leader at each budget, how far the next is behind, and which others it cannot be told from."""
    rows = []
    for budget, found in board.leads.items():
        best, after = found.leader[0], found.order[1][0] if len(found.order) > 1 else None
        error = board.estimate(best, budget)
        gap = found.gaps[after, budget] if after else None
        apart = [x for x in board.labels if (x, budget) in board.cells and not board.enough(x, budget)]
        rows.append(
            {
                "budget": budget,
                "strategy": best,
                "keep": keep_ratio(board, best) if "keep" in board.options.get(best, {}) else math.nan,
                "error": error.value,
                "low": error.share[0],
                "high": error.share[1],
                "next": after or "",
                **_ends("gap", gap.here if gap else None),
                **_ends("like", gap.like if gap else None),
                "alike": _alike([label for label, _ in found.alike(HERE)], len(found.gaps)) if gap else "",
                "alike_like": _alike([label for label, _ in found.alike(LIKE)], len(found.gaps)) if gap else "",
                "strategies": len(found.order),
                "apart": "; ".join(apart),
                "n": error.n,
            }
        )
    return Table(
        "optimal",
        "Best at each budget",
        "The strategy that is ahead of the most others, each two compared on the tasks that both could pay for. It is "
        "surely the best where nobody stands under 'not told apart': then each of the others is behind by a 95% "
        f"interval (Student's t) that lies above 0, {HERE} (seeds drawn) or {LIKE} (clusters of tasks drawn). Not "
        f"compared: what could pay for fewer than {ENOUGH:.0%} of the tasks.",
        pd.DataFrame(rows, columns=_OPTIMAL),
        (
            Column("budget", "Budget"),
            Column("strategy", "Strategy"),
            Column("keep", "Keep-ratio", "number"),
            Column("error", f"Error [95% {HERE}]", "error", low="low", high="high"),
            Column("next", "Next"),
            Column("gap", f"Next is behind by [95% {HERE}]", "signed", low="gap_low", high="gap_high"),
            Column("like", f"... [95% {LIKE}]", "signed", low="like_low", high="like_high"),
            Column("alike", f"Not told apart {HERE}", several=True),
            Column("alike_like", f"Not told apart {LIKE}", several=True),
            Column("strategies", "Of", "count"),
            Column("n", "n", "count"),
        ),
        filters={"budget": "budget"},
    )  # fmt: skip


def _ends(name: str, one: Estimate | None) -> dict[str, float]:
    value, low, high = (one.value, one.low, one.high) if one else (math.nan,) * 3
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _alike(labels: list[str], others: int) -> str:
    if len(labels) == others > 2:
        return f"all {others} others"
    return "; ".join(labels) or "none"


def behind_table(board: Board) -> Table:
    """How far each strategy is behind the leader of its budget: what the picture of leaders shows."""
    rows = []
    for budget, found in board.leads.items():
        for cell in found.order:
            gap = found.gaps.get(cell)
            rows.append(
                {
                    "budget": budget,
                    "strategy": cell[0],
                    **_ends("behind", gap.here if gap else None),
                    **_ends("like", gap.like if gap else None),
                    "flops": mean_of(board.values(*cell, "flops")),
                    "tasks": gap.here.tasks if gap else math.nan,
                    "n": gap.here.n if gap else math.nan,
                }
            )
            rows[-1] |= {"low": rows[-1].pop("behind_low"), "high": rows[-1].pop("behind_high")}
            if not gap:
                rows[-1]["behind"] = 0.0
    return Table(
        "behind",
        "Behind the leader of each budget",
        "Points of accuracy that the leader is ahead of each strategy, over the tasks that both could pay for, with "
        "95% "
        f"intervals {HERE} and {LIKE}. One that holds 0 does not tell the two apart.",
        pd.DataFrame(rows, columns=_BEHIND),
        (
            Column("strategy", "Strategy"),
            Column("budget", "Budget"),
            Column("flops", "FLOPs a task", "flops"),
            Column("behind", f"Behind by [95% {HERE}]", "points", low="low", high="high"),
            Column("like", f"... [95% {LIKE}]", "points", low="like_low", high="like_high"),
            Column("tasks", "Tasks", "count"),
            Column("n", "n", "count"),
        ),
        row_head=2,
        filters={"strategy": "strategy", "budget": "budget"},
        folded=True,
    )


class Crossing(NamedTuple):
    """Charged FLOPs a task at which ``overtakes`` becomes better than ``overtaken``; linear in ln C between budgets."""

    overtakes: str
    overtaken: str
    flops: float


def crossings(board: Board, curves: pd.DataFrame) -> list[Crossing]:
    """Where two strategies' mean errors cross, among those that are best at some budget, over charged FLOPs."""
    whole = curves[~curves["apart"].astype(bool)]
    winners = list(dict.fromkeys(optimal_table(board).frame["strategy"]))
    found = []
    for i, a in enumerate(winners):
        for b in winners[i + 1 :]:
            pa, pb = (whole[whole["strategy"] == x].sort_values("flops") for x in (a, b))
            low, high = (f(pa["flops"].agg(g), pb["flops"].agg(g)) for f, g in ((max, "min"), (min, "max")))
            if not low < high:
                continue
            x = np.unique(np.log([*pa["flops"], *pb["flops"], low, high]))
            x = x[(x >= math.log(low) - 1e-12) & (x <= math.log(high) + 1e-12)]
            gap = np.interp(x, np.log(pa["flops"]), pa["error"]) - np.interp(x, np.log(pb["flops"]), pb["error"])
            for j in np.flatnonzero(gap[:-1] * gap[1:] < 0):
                at = x[j] - gap[j] * (x[j + 1] - x[j]) / (gap[j + 1] - gap[j])
                first, second = (a, b) if gap[j] > 0 else (b, a)
                found.append(Crossing(first, second, float(math.exp(at))))
    return sorted(found, key=lambda c: c.flops)
