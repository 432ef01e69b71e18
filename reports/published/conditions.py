"""Do a published number and a run of ours stand under the same conditions? Each condition: same, other, or unknown.

What a source leaves open is unknown, never the same: it is named beside the verdict, so that a reader knows how much a
small distance means. A condition that is known to differ makes the pair not comparable.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.config.notation import Written, parse
from harness.core.errors import UserError
from reports.boards.board import Board, plain
from reports.published.baselines import Baseline, Number

TRAINING = frozenset({
    "recipe", "lr", "head_lr", "rate", "norm", "batch_size", "momentum", "weight_decay", "warmup", "smoothing",
    "augment", "optimiser", "schedule", "clip", "crop", "flip", "head_init", "head_share", "head_penalty", "choose",
    "choose_else",
})  # fmt: skip
"""Options that say how a learner trains: what a source does not say of them is unknown, and no other strategy."""

AMOUNT = ("keep", "flops")
"""Options that say how much is kept."""

EQUAL_SHARE = 0.01
"""Shares of FLOPs closer than this are the same."""

AS_TRAINED = "as_trained"
"""The learner that learns nothing: neither training images nor budget change what it gives."""


@dataclass(frozen=True)
class Conditions:
    """What differs, a sentence each, and the names of what the source leaves open."""

    other: tuple[str, ...]
    unknown: tuple[str, ...]


def conditions(baseline: Baseline, number: Number, board: Board, label: str, budget: str) -> Conditions:
    """How the run of ``label`` at ``budget`` on ``board`` stands to ``number``, whose task and strategy it has."""
    other = list(baseline.differences if number.differences is None else number.differences)
    unknown: list[str] = []
    setting, places = board.setting, _places(number, board)
    for name, theirs, ours in _asked(number, board, label, budget):
        if theirs is None:
            unknown.append(name)
        elif not _agree(name, theirs, ours):
            other.append(f"{name} {_short(ours)} here, {_short(theirs)} there")
    if number.fingerprint is not None and number.fingerprint != setting["fingerprint"]:
        other.append("the stream holds other images, or other splits")
    if number.protocol_version is not None and number.protocol_version != setting["protocol_version"]:
        other.append(f"protocol {setting['protocol_version']} here, {number.protocol_version} there")
    kinds = sorted({str(kind) for kind in board.tasks["provenance"].iloc[places]} - {"real"})
    if baseline.read != "export" and kinds:
        other.append(f"our task is {', '.join(kinds)}")
    return Conditions(tuple(other), (*unknown, *number.open))


def _asked(number: Number, board: Board, label: str, budget: str) -> list[tuple[str, object, object]]:
    """Name of each condition, theirs and ours; theirs is None where the source does not say it."""
    setting, places = board.setting, _places(number, board)
    ours = _parsed(label)
    asked: list[tuple[str, object, object]] = [
        ("net", number.backbone, setting["backbone"]),
        ("weights", number.weights_hash, setting["weights_hash"]),
        ("image size", number.size, setting["size"]),
        ("precision", number.precision, setting["precision"]),
        ("scored split", number.split, setting["scoring"]),
    ]
    # The fingerprint of a stream names its images; without it their numbers are all that can be told.
    if number.fingerprint is None:
        asked.append(("test images", number.test_images, _images(board, str(setting["scoring"]), places)))
    if (share := ours.options.get("flops")) is not None and number.strategy and "flops" not in number.strategy:
        theirs = None if number.flops_change is None else 1 + number.flops_change / 100
        asked.append(("share of FLOPs", theirs, float(share)))
    if not learns(label):
        return asked
    asked.append(("budget", number.budget, budget))
    if number.fingerprint is None:
        asked.append(("training images", number.train_images, _images(board, "train", places)))
    written = parse(number.strategy).options if number.strategy and _readable(number.strategy) else {}
    said = number.strategy == label or any(name in TRAINING for name in written)
    asked.append(("training recipe", "said" if said else None, "said"))
    # A net that is drawn anew has no weights to be the same.
    return [one for one in asked if one[0] != "weights" or setting["weights_hash"]]


def _agree(name: str, theirs: object, ours: object) -> bool:
    if name == "net":
        return _net(str(theirs)) == _net(str(ours))
    if name == "share of FLOPs":
        return abs(float(str(theirs)) - float(str(ours))) <= EQUAL_SHARE
    return str(theirs) == str(ours)


def _net(written: str) -> str:
    """A backbone without the place of its weights, which have a condition of their own."""
    if not _readable(written):
        return written
    found = parse(written)
    return str(Written(found.name, {name: value for name, value in found.options.items() if name != "weights"}))


def _images(board: Board, split: str, places: Sequence[int]) -> object:
    """How many images the tasks at ``places`` have in ``split``; None where nobody knows."""
    rows = board.rows[board.rows["index"].isin(board.tasks["index"].iloc[list(places)])]
    count = rows.groupby("index")[split].max().sum(min_count=1) if split in rows else math.nan
    return None if math.isnan(count) else int(count)


def _short(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return repr(text[:24]) if isinstance(value, str) else text


def learns(label: str) -> bool:
    """Whether the strategy learns from training images."""
    written = _parsed(label)
    return written.name != AS_TRAINED and written.options.get("learner") != AS_TRAINED


def same_strategy(theirs: str | None, ours: str, options: Mapping[str, Any]) -> bool:
    """Whether ``ours`` does what ``theirs`` names: the same name, and no option that makes it another method.

    Args:
        options: all options of ours, defaults included. How much is kept and how it trains may be left open by theirs
            (:func:`conditions` says so); no other option that ours changes may be.
    """
    if theirs is None:
        return False
    try:
        a, b = parse(theirs), parse(ours)
    except UserError:
        return theirs == ours
    named = all(options.get(key, b.options.get(key)) == value for key, value in a.options.items())
    return a.name == b.name and named and all(key in a.options for key in b.options if key not in {*AMOUNT, *TRAINING})


def is_about(number: Number, board: Board) -> bool:
    """Whether the board has what the number was measured on: its task, or all tasks of its stream."""
    if number.task is None and number.stream is not None:
        return _parsed(number.stream) == _parsed(str(board.setting["stream"]))
    return place_of(number, board) is not None


def data_of(number: Number) -> str:
    """The data set that the stream of the number is made of, where its written form names one."""
    return str(_parsed(number.stream).options.get("name", "")) if number.stream else ""


def _places(number: Number, board: Board) -> list[int]:
    """Where on the board the tasks of the number are; none where it has none of them."""
    if number.task is None and number.stream is not None:
        return list(range(len(board.tasks))) if is_about(number, board) else []
    place = place_of(number, board)
    return [] if place is None else [place]


def place_of(number: Number, board: Board) -> int | None:
    """Where on the board the number's task is; names agree in their letters and digits."""
    return board.task_rows.get(plain(number.task)) if number.task else None


def _parsed(label: str) -> Written:
    return parse(label) if _readable(label) else Written(label)


def _readable(text: str) -> bool:
    try:
        parse(text)
    except UserError:
        return False
    return True


def without_training(label: str) -> str:
    """The written strategy without what says how it trains."""
    written = _parsed(label)
    kept = {name: value for name, value in written.options.items() if name not in TRAINING}
    return str(Written(written.name, kept))
