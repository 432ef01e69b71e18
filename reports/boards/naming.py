"""What are the files of a board called? By stream and backbone, and by what else tells it from the others."""

from collections.abc import Sequence

from harness.config.notation import parse
from harness.core.spec import path_safe
from reports.boards.board import Board

_MORE = ("size", "precision", "scoring", "protocol_version", "weights_hash", "fingerprint", "around")


def prefixes(found: Sequence[Board]) -> list[str]:
    """What the names of each board's files and anchors begin with: nothing where there is one board only.

    They depend on what the boards are and not on their order, so that a text can refer to a table by name.
    """
    if len(found) < 2:
        return ["" for _ in found]
    names = [f"{_bare(board, 'stream')}_{_bare(board, 'backbone')}" for board in found]
    for fact in _MORE:
        for name in {name for name in names if names.count(name) > 1}:
            same = [place for place, mine in enumerate(names) if mine == name]
            if len({str(found[place].setting[fact]) for place in same}) > 1:
                for place in same:
                    names[place] += f"_{path_safe(str(found[place].setting[fact]))[:8]}"
    # What is left differs in the options of its stream or backbone only.
    return [f"{name}{f'_{names[:place].count(name) + 1}' if names.count(name) > 1 else ''}_" for place, name in
            enumerate(names)]  # fmt: skip


def short_title(board: Board) -> str:
    """Stream and backbone, for a heading over a small picture or a column."""
    return f"{_bare(board, 'stream')}, {_bare(board, 'backbone')}"


def _bare(board: Board, fact: str) -> str:
    """``resnet18`` of ``torchvision:resnet18(weights=...)``; of a stream made from a stream, that one's name."""
    written = parse(str(board.setting[fact]))
    if fact == "stream" and "stream" in written.options:
        written = parse(str(written.options["stream"]))
    return path_safe(written.name.rpartition(":")[2])
