"""What does a run leave behind? Flat JSON records, one a line, each with a checksum; read up to the first bad line."""

import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.core.schema import UNREPEATED, Record

_COMPACT = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def line_of(record: Mapping[str, Any]) -> str:
    """One line of ``events.jsonl``: compact JSON with sorted keys, closed by ``crc32`` of that JSON without it.

    Raises:
        ValueError: a value is infinite or not a number; write None instead.
    """
    text = _COMPACT.encode(dict(record))
    return f'{text[:-1]}{"," if record else ""}"crc32":{zlib.crc32(text.encode())}}}\n'


def parse_line(line: str) -> Record:
    """The record of one line.

    Raises:
        ValueError: the line is torn, is not JSON, or its checksum does not match.
    """
    if not line.endswith("\n"):
        raise ValueError("the line is torn")
    record = json.loads(line)
    if not isinstance(record, dict) or "crc32" not in record:
        raise ValueError("the line has no checksum")
    checksum = record.pop("crc32")
    # Written again it must be the same line, checksum and all: nothing else is ours.
    if line != line_of(record) or not line.endswith(f'"crc32":{checksum}}}\n'):
        raise ValueError("the checksum does not match")
    return record


class Log(NamedTuple):
    """A log as far as it can be trusted.

    Attributes:
        records: of committed tasks only: up to the last valid ``learn`` line.
        damage: what is wrong with the first bad line, or None.
        length: bytes of the trusted part.
    """

    records: list[Record]
    damage: str | None
    length: int


def read_log(path: Path) -> Log:
    """Read ``events.jsonl``. A torn, damaged or repeated line and all after it are tasks not done."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Log([], None, 0)
    return parse_log(content, str(path))


def parse_log(content: bytes, name: str) -> Log:
    """The log in ``content``; ``name`` is how its damage is told of."""
    records: list[Record] = []
    damage, length, committed, position, tasks = None, 0, 0, 0, 0
    for number, raw in enumerate(content.splitlines(keepends=True), start=1):
        try:
            record = parse_line(raw.decode())
            if record.get("event") == "learn":
                if record.get("index") != tasks:
                    raise ValueError(f"the record of task {tasks + 1} was expected")
                tasks += 1
        except ValueError as error:
            damage = f"{name}: line {number}: {error}"
            break
        records.append(record)
        position += len(raw)
        if record.get("event") == "learn":
            committed, length = len(records), position
    return Log(records[:committed], damage, length)


def canonical(records: Iterable[Mapping[str, Any]]) -> list[Record]:
    """The records without clocks, latency and peak memory: equal for two executions of one spec."""
    return [{key: value for key, value in record.items() if key not in UNREPEATED} for record in records]
