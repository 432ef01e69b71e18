"""A log can be trusted up to its first bad byte, and no further."""

import json
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from harness.core.schema import number
from harness.learning.evaluation import mean_average_precision
from harness.storage.records import canonical, line_of, parse_line, read_log
from harness.storage.run_folder import Busy, RunFolder


def lines(tasks: int) -> list[bytes]:
    found = []
    for index in range(tasks):
        for metric in ("error", "cross_entropy"):
            found.append(
                line_of({"event": "eval", "task": f"t{index}", "metric": metric, "value": 0.25, "n": 8}).encode()
            )
        found.append(line_of({"event": "learn", "task": f"t{index}", "index": index, "flops": 10 * index}).encode())
    return found


def tasks_done(content: bytes) -> int:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        path.write_bytes(content)
        return sum(record["event"] == "learn" for record in read_log(path).records)


@given(cut=st.integers(0, 2000))
def test_any_prefix_of_a_log_holds_the_tasks_whose_learn_line_is_whole(cut: int) -> None:
    whole = lines(4)
    content = b"".join(whole)
    cut = min(cut, len(content))
    ends = np.cumsum([len(line) for line in whole])[2::3]
    assert tasks_done(content[:cut]) == int((ends <= cut).sum())


@settings(max_examples=300)
@given(data=st.data())
def test_any_damaged_byte_is_found_and_only_what_precedes_it_counts(data: st.DataObject) -> None:
    whole = lines(3)
    content = bytearray(b"".join(whole))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    ends = np.cumsum([len(line) for line in whole])[2::3]
    assert tasks_done(bytes(content)) == int((ends <= place).sum())


@given(
    st.dictionaries(
        st.text(max_size=5).filter(lambda key: key != "crc32"),
        st.integers() | st.text() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
        max_size=5,
    )
)
def test_a_record_is_read_back_and_its_checksum_covers_the_rest(record: dict[str, Any]) -> None:
    line = line_of(record)
    assert parse_line(line) == record
    loaded = json.loads(line)
    checksum = loaded.pop("crc32")
    assert checksum == zlib.crc32(json.dumps(loaded, sort_keys=True, separators=(",", ":")).encode())


def test_no_number_is_written_that_json_does_not_have() -> None:
    assert number(float("nan")) is None
    assert number(float("inf")) is None
    assert number(3.0) == 3
    with pytest.raises(ValueError, match="Out of range"):
        line_of({"value": float("nan")})


def test_canonical_records_have_no_clock() -> None:
    record = {
        "event": "learn",
        "flops": 1,
        "seconds": 2.0,
        "seconds_train": 2.0,
        "cpu_seconds": 1.0,
        "latency_seconds": 0.1,
        "peak_bytes": 5,
    }
    assert canonical([record]) == [{"event": "learn", "flops": 1}]


def test_one_run_is_held_by_one_process(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run").claim(), pytest.raises(Busy), RunFolder(tmp_path / "run").claim():
        pass
    with RunFolder(tmp_path / "run").claim():
        pass


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 5))
def test_average_precision_is_scikit_learns(seed: int, n: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, (n, labels)).astype(float)
    truth = rng.integers(0, 2, (n, labels))
    truth[0] = 1
    theirs = average_precision_score(truth, scores, average="macro")
    assert mean_average_precision(scores, truth) == pytest.approx(theirs)
