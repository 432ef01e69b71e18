"""What was run, and what was not? Every run and every task that has no result, with the reason."""

import re
from collections import Counter

import pandas as pd

from reports.reading.frame import MISSING, Frames
from reports.tables.table import Column, Table


def traceback_place(error: str) -> str:
    """The last ``file:line`` of a traceback and its final line; the text itself if it is no traceback."""
    frames = re.findall(r'File "([^"]+)", line (\d+)', error)
    last = next((line.strip() for line in reversed(error.splitlines()) if line.strip()), "")
    return f"{frames[-1][0]}:{frames[-1][1]}: {last}" if frames else last


def runs_table(frames: Frames) -> Table:
    """A row for every run folder, the unreadable and the repeated ones too."""
    runs = frames.runs
    ends: dict[int, list[str]] = {}
    for (run, status), number in Counter(zip(frames.tasks["run"], frames.tasks["status"], strict=True)).items():
        if status != MISSING:
            ends.setdefault(int(run), []).append(f"{number} {_ENDED.get(status, status)}")
    kept = ["folder", "stream", "backbone", "board", "budget", "seed", "status", "attempts", "done", "planned"]
    rows = []
    for row in runs.to_dict("records"):
        changed = " (changed)" if row["dirty"] is True else ""
        rows.append(
            {key: row[key] for key in kept}
            | {
                "strategy": row["label"] if isinstance(row["label"], str) else "",
                "used": "yes" if row["used"] else "no",
                "ended": ", ".join(ends.get(int(row["run"]), [])),
                "trouble": traceback_place(row["error"]),
                "commit": f"{row['commit']:.10}{changed}",
                "key": f"{row['key']:.8}",
            }
        )
    columns = ["strategy", "used", *kept, "ended", "trouble", "commit", "key"]
    return Table(
        "runs",
        "Runs",
        "Every run folder that was found. How tasks ended: by themselves, or at the limit of FLOPs or seconds; "
        "infeasible ones could not see one example a class.",
        pd.DataFrame(rows, columns=columns),
        (
            Column("strategy", "Strategy"),
            Column("stream", "Stream"),
            Column("backbone", "Backbone"),
            Column("budget", "Budget"),
            Column("seed", "Seed", "count"),
            Column("status", "Status"),
            Column("done", "Tasks done", "count"),
            Column("planned", "of", "count"),
            Column("ended", "How tasks ended"),
            Column("trouble", "Trouble"),
            Column("attempts", "Attempts", "count"),
            Column("commit", "Commit"),
            Column("folder", "Folder"),
        ),
        filters={"strategy": "strategy", "budget": "budget", "of": "board"},
        folded=True,
    )


_ENDED = {"done": "by themselves", "flops": "at the FLOPs limit", "seconds": "at the time limit"}


def gaps_table(frames: Frames) -> Table:
    """A row for every task of a used run that has no error."""
    tasks = frames.tasks[frames.tasks["error"].isna() & (frames.tasks["used"] == True)]  # noqa: E712 - object column
    status = frames.runs.set_index("run")["status"].to_dict()
    shown = tasks[["label", "budget", "seed", "index", "task", "domain", "provenance", "status"]].assign(
        reason=[_reason(str(row.status), str(status[row.run])) for row in tasks.itertuples()]
    )
    return Table(
        "gaps",
        "Tasks without a result",
        "They are in no mean. A strategy that misses a task is drawn hollow and stands on no front.",
        shown,
        (
            Column("label", "Strategy"),
            Column("budget", "Budget"),
            Column("seed", "Seed", "count"),
            Column("task", "Task"),
            Column("domain", "Domain"),
            Column("provenance", "Provenance"),
            Column("reason", "Why"),
        ),
        filters={"strategy": "label", "budget": "budget", "domain": "domain", "provenance": "provenance"},
        filtered="hide",
        folded=len(shown) > 20,
    )


def _reason(task: str, run: str) -> str:
    if task == MISSING:
        return {"failed": "the run failed before it", "running": "the run goes on", "done": "no record"}.get(
            run, f"the run was {run}"
        )
    return {
        "infeasible": "infeasible: the budget does not pay for one example a class",
        "diverged": "diverged: the loss ended above its start, or was not finite",
    }.get(task, "learnt, and no error on record")


def settings_table(frames: Frames) -> Table:
    """What the runs were made with: each value, and how many runs have it."""
    rows = []
    readable = frames.runs[frames.runs["key"] != ""]

    def count(what: str, values: "pd.Series[str]") -> None:
        for value, number in values.value_counts(dropna=False, sort=True).items():
            rows.append({"what": what, "value": str(value), "runs": int(number)})

    for what in ("stream", "backbone", "size", "precision", "scoring", "protocol_version", "threads"):
        count(what.replace("_", " "), readable[what].map(lambda v: "unknown" if pd.isna(v) else str(v)))
    count("seeds", readable["seed"].map(str))
    count("commit", readable["commit"] + readable["dirty"].map(lambda d: " (changed)" if d is True else ""))
    for part in ("cpu", "cores", "memory_bytes", "gpu", "system"):
        count(part.replace("_", " "), readable["hardware"].map(lambda h, part=part: str(h.get(part, "unknown"))))
    packages = sorted({name for found in readable["packages"] for name in found})
    for name in packages:
        count(f"package {name}", readable["packages"].map(lambda p, name=name: p.get(name, "not recorded")))
    return Table(
        "settings",
        "Made with",
        "Versions, hardware and settings, with the number of runs of each. Two values for one thing: mixed results.",
        pd.DataFrame(rows, columns=["what", "value", "runs"]),
        (Column("what", "What"), Column("value", "Value"), Column("runs", "Runs", "count")),
        row_head=2,
        folded=True,
    )
