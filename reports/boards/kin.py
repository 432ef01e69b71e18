"""Which tasks are near to what the net was pretrained on? Those of a data set family that it has seen."""

from harness.config.notation import parse
from harness.core.errors import UserError
from reports.boards.anchors import base_stream
from reports.boards.board import Board
from reports.reading.unrecorded import family_of


def pretraining_kin(board: Board) -> list[str]:
    """Names of the evaluated tasks whose family was pretrained on; empty where nobody wrote down what was.

    Where the stream of the pretraining names no tasks, all of the same stream are.
    """
    if not (stream := board.pretrained_on):
        return []
    try:
        written = parse(stream)
    except UserError:
        return []
    names = written.options.get("tasks")
    if names is None:
        same = base_stream(stream) == base_stream(str(board.setting["stream"]))
        return [str(task) for task in board.tasks["task"]] if same else []
    seen = {family_of(str(name)) for name in names}
    tasks = zip(board.tasks["task"], board.clusters, strict=True)
    return [str(task) for task, family in tasks if family in seen or family_of(str(task)) in seen]
