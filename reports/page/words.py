"""What does the page say in words? Facts, captions and warnings, each from the numbers that it is about."""

from collections.abc import Sequence

import pandas as pd

from harness.config.registry import entries, summary
from reports.boards.answer import regime
from reports.boards.board import ENOUGH, Board
from reports.boards.kin import pretraining_kin
from reports.reading.frame import MISSING, Frames
from reports.statistics.student import FEWEST, HERE, LIKE
from reports.tables.optimal import crossings, optimal_table
from reports.tables.table import Table

NOT_TESTED = "not tested"

MAIN = (
    f"Mean error over tasks. Bars: 95% intervals {HERE}, Student's t on means of seeds. Grey band: the Pareto front, "
    "what no other beats on the tasks that both could pay for, costs within 2% taken as equal. Hollow: tasks are "
    "missing; without a line: so many that the mean is over other tasks and cannot be compared."
)
CUT = "An interval that runs out of the picture is cut at its edge; hover and the table have it in full."
GAINS = (
    "Points of accuracy that a strategy is ahead of dense finetuning at the same budget, over the tasks that both "
    f"could pay for. Bars: 95% intervals {HERE}, Student's t on means of seeds; hollow: one seed, no interval. The "
    f"tables have those {LIKE}, too."
)
OVERVIEW = (
    "Mean error over tasks against charged FLOPs, a panel for each stream and backbone. Streams differ in their tasks: "
    "compare heights within a stream only. Bars, grey band and hollow points as in the pictures below."
)
SECONDS = "The same errors against measured seconds, which depend on the machine and its load."
BEST = (
    "How far each strategy is behind the leader of its budget, over the tasks that both could pay for, with 95% "
    f"intervals {HERE}; who never comes within 15 points is left out. Where nets of three sizes were run at three "
    "budgets, the law fitted to them, with its 95% band."
)
PROFILES = "Performance profiles at the largest budget."


TERMS = (
    ("error", "Share of test images that are classified wrongly. Where an image has several labels, 1 minus the mean "
     "average precision. A mean over tasks counts every task the same."),
    ("[a, b]", "95% interval by Student's t. n says how many results, one a task and seed, are behind a number."),
    (HERE, "Only seeds are drawn: where the number would lie if the same tasks were learnt with other seeds."),
    (LIKE, "Tasks are drawn as well: where the number would lie on other tasks of such a kind. Tasks that share images "
     f"or a data set family are one cluster; from {FEWEST} clusters on."),
    ("apart", f"What could pay for fewer than {ENOUGH:.0%} of the tasks: listed, and compared with nobody."),
    ("FLOPs", "Floating-point operations. Charged is all that a strategy does for a task, but for testing it; what is "
     "done once before the stream is charged to the first task."),
    ("budget", "What a task may cost. 1ep is what one pass over its training images costs the dense net, forward and "
     "backward; who needs half the FLOPs an image sees twice the images."),
    ("dense", "The pretrained net as it is, nothing removed."),
    ("score=random, init=scratch", "Controls: units that are removed at random; weights that begin at random."),
    ("keep, flops", "How much of the net is left: the share of the widths, or of the FLOPs of a prediction."),
    ("real, partial, emulated", "Images of the data set itself, of a copy of it that lacks some of its "
     "classes (its task is easier), or images drawn by a generator that imitates its kind. What "
     "holds for emulated tasks need not hold for real ones."),
    ("Pareto front", "Results that no other beats in both error and cost."),
    ("seed", "The start of all that is random in a run; several seeds tell luck from effect."),
    ("dev_test", "Images kept back from training to compare on; the test split stays unseen for a final scoring."),
)  # fmt: skip
"""What a newcomer must know to read the page."""


def terms(found: Sequence[Board]) -> list[tuple[str, str]]:
    """Words with their meaning, and the registered strategies that were run, as their docstrings begin."""
    names = {label.partition("(")[0].partition(" ")[0] for board in found for label in board.labels}
    registered = entries("strategies")
    return [*TERMS, *((name, summary(registered[name]).replace("``", "")) for name in registered if name in names)]


def untested(claims: Table) -> str:
    """The claims that nothing was run for, in a line."""
    names = list(dict.fromkeys(row["id"] for row in claims.rows if row["verdict"] == row["verdict_here"] == NOT_TESTED))
    if not names:
        return ""
    return f"{len(names)} of {claims.frame['id'].nunique()} claims were not tested by these runs: {', '.join(names)}."


def decided(claims: Table) -> str:
    """What the claims table says, counted: ``3 supported, 1 refuted, 5 inconclusive``."""
    counts = claims.frame["verdict_here"].value_counts()
    return ", ".join(f"{counts[x]} {x}" for x in ("supported", "refuted", "inconclusive") if x in counts)


def describe_leads(board: Board) -> str:
    rows = optimal_table(board).frame.itertuples()
    return "Leads at each budget: " + "; ".join(f"{r.strategy} at {r.budget}" for r in rows) + "."


def describe_front(curve: pd.DataFrame) -> str:
    """The picture in a sentence, for those who cannot see it."""
    front = curve[curve["on_front"].astype(bool)].sort_values("flops")
    if front.empty:
        return "Error against compute: nothing is complete yet."
    points = "; ".join(f"{r.strategy} at {r.budget}: {r.error:.3f} for {r.flops:.2e} FLOPs" for r in front.itertuples())
    return f"Error against charged FLOPs and seconds a task. On the Pareto front, from cheap to dear: {points}."


def facts(frames: Frames) -> list[tuple[str, object]]:
    used = frames.runs[frames.runs["used"]]
    counts = used["status"].value_counts()
    results = int((frames.tasks["error"].notna() & (frames.tasks["used"] == True)).sum())  # noqa: E712 - object column
    return [
        ("Runs", f"{len(frames.runs)}"),
        *(
            (f"Runs {status}", int(counts[status]))
            for status in ("failed", "interrupted", "running")
            if status in counts
        ),
        ("Task results", f"{results} of {int((frames.tasks['used'] == True).sum())}"),  # noqa: E712
        ("Strategies", used["label"].nunique()),
        ("Seeds", used["seed"].nunique()),
    ]


def board_facts(board: Board) -> list[tuple[str, object]]:
    return [
        ("Tasks", tasks_of(board)),
        ("Seeds", ", ".join(map(str, board.seeds)) or "none"),
        ("Scored on", board.setting["scoring"]),
        ("Budgets", "; ".join(str(regime(board, budget)) for budget in board.budgets)),
    ]


def tasks_of(board: Board) -> str:
    """``28 emulated tasks``, ``7 real and 1 emulated tasks``."""
    kinds = [f"{count} {kind}" for kind, count in board.tasks["provenance"].value_counts().items()]
    return f"{' and '.join(kinds)} {'task' if len(board.tasks) == 1 else 'tasks'}"


def crossed(board: Board, curve: pd.DataFrame) -> str:
    """Where the best strategies overtake one another, in a sentence."""
    found = crossings(board, curve)
    parts = [f"{c.overtakes} overtakes {c.overtaken} at {c.flops:.2g} FLOPs a task" for c in found[:4]]
    return f"Crossing budgets: {'; '.join(parts)}." if parts else ""


def board_notes(board: Board) -> list[str]:
    torn = [f"{label} at {budget}" for label, budget in board.cells if not board.enough(label, budget)]
    notes = []
    if torn:
        more = f", and {len(torn) - 6} more" if len(torn) > 6 else ""
        notes.append(
            f"Fewer than {ENOUGH:.0%} of the tasks could be paid for by {'; '.join(torn[:6])}{more}: listed apart."
        )
    if len(board.seeds) == 1:
        notes.append(f"One seed only: there is no interval {HERE}.")
    if 1 < (clusters := len(set(board.clusters))) < FEWEST:
        notes.append(f"{clusters} clusters of tasks, fewer than {FEWEST}: nothing is said of other tasks.")
    if kin := pretraining_kin(board):
        notes.append(f"The net was pretrained on data of the same family as {', '.join(kin)}: not far from it.")
    return notes


def notes(frames: Frames, found: Sequence[Board]) -> list[str]:
    notes = list(frames.notes)
    if not len(frames.runs):
        notes.append("No run was found: there is nothing to report yet.")
    failed = frames.runs[frames.runs["status"] == "failed"]
    if len(failed):
        runs = "run" if len(failed) == 1 else "runs"
        notes.append(f"{len(failed)} {runs} failed; what they finished before is used. What was run says where.")
    if len(found) > 1:
        notes.append(f"The runs are of {len(found)} streams or settings; those are not compared with one another.")
    for what, name in (("commit", "commits"), ("packages", "sets of package versions"), ("hardware", "machines")):
        different = frames.runs.loc[frames.runs["used"], what].map(str).nunique()
        if different > 1:
            notes.append(f"The runs come from {different} {name}.")
    return notes if len(notes) <= 30 else [*notes[:30], f"and {len(notes) - 30} more"]


def ran_lead(frames: Frames) -> str:
    planned, learnt = len(frames.tasks), int((frames.tasks["status"] != MISSING).sum())
    runs = len(frames.runs)
    return f"{runs} run folders, {planned} planned tasks, {learnt} learnt; records.csv holds all {planned} rows."
