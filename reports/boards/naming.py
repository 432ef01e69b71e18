"""What are a board and its files called? By stream and backbone, and by what else tells it from the others."""

from collections.abc import Sequence
from pathlib import PurePath

from harness.config.notation import parse
from harness.core.errors import UserError
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


def short_titles(found: Sequence[Board]) -> list[str]:
    """What each board is called for people, in a few words, and no two alike: the spec says the rest."""
    names = [_title(board) for board in found]
    for fact, form in _FORMS:
        for name in {name for name in names if names.count(name) > 1}:
            same = [place for place, mine in enumerate(names) if mine == name]
            if len({str(found[place].setting[fact]) for place in same}) > 1:
                for place in same:
                    names[place] += f", {form.format(str(found[place].setting[fact]))}"
    return [
        f"{name}, {names[:place].count(name) + 1}" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]


_FORMS = (
    ("size", "{} px"),
    ("precision", "{}"),
    ("protocol_version", "protocol {}"),
    ("weights_hash", "weights {:.8}"),
    ("fingerprint", "stream {:.8}"),
    ("around", "code of {:.13}"),
)


def _title(board: Board) -> str:
    test = ", test split" if board.setting["scoring"] == "test" else ""
    return f"{stream_title(str(board.setting['stream']))}, {_bare(board, 'backbone')}{test}"


def stream_title(spec: str) -> str:
    """``nevis22 spread (250 images a task)`` of ``capped(stream='nevis22(variant=spread)', train=250)``."""
    try:
        written = parse(spec)
        said = []
        while "stream" in written.options:
            train = written.options.get("train")
            said.append(f"{train:,} images a task" if isinstance(train, int) else written.name)
            written = parse(str(written.options["stream"]))
    except UserError:
        return spec
    tasks = written.options.get("tasks")
    said += [f"{len(tasks)} of its tasks"] if isinstance(tasks, list) else []
    variant = written.options.get("variant", "")
    name = PurePath(written.name.partition(":")[2]).stem if written.name.startswith("folder:") else written.name
    return " ".join(filter(None, (name, str(variant), f"({', '.join(said)})" if said else "")))


def _bare(board: Board, fact: str) -> str:
    """``resnet18`` of ``torchvision:resnet18(weights=...)``; of a stream made from a stream, that one's name."""
    written = parse(str(board.setting[fact]))
    if fact == "stream" and "stream" in written.options:
        written = parse(str(written.options["stream"]))
    return path_safe(written.name.rpartition(":")[2])
