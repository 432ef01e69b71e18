"""Whose results are shown? Of some strategies only, where a person names them."""

from collections.abc import Sequence

from harness.core.errors import unknown
from reports.reading.frame import Frames


def only_labels(frames: Frames, labels: Sequence[str]) -> Frames:
    """``frames`` without the runs of other strategies than ``labels``, and a note that says so; all if none is given.

    Raises:
        UserError: no run is called as one of ``labels`` is.
    """
    if not labels:
        return frames
    there = {str(label) for label in frames.runs.loc[frames.runs["used"], "label"]}
    for label in labels:
        if label not in there:
            raise unknown("strategy in these results", label, there)
    left = len(there - set(labels))
    runs, tasks, evals = (part[part["label"].isin(labels)] for part in (frames.runs, frames.tasks, frames.evals))
    others = f"{left} other {'strategy was' if left == 1 else 'strategies were'} run, and left out"
    note = f"Only {', '.join(labels)} here: {others}."
    return frames._replace(runs=runs, tasks=tasks, evals=evals, notes=(*frames.notes, note))
