"""What is said of the emulation's fidelity is what the measured file says, and says it of the pairs it names."""

from pathlib import Path

import pytest

from bench.fidelity_solved import DEVELOP, REPORT, Row, agreement, lines, read

MEASURED = Path(__file__).parents[2] / "streams" / "nevis22" / "MEASURED.md"
ERRORS = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}


def _rows(real: dict[str, float], emulated: dict[str, float]) -> list[Row]:
    return [
        Row("t", "object", side, name, error, error, -error, 300, 200)
        for side, errors in (("real", real), ("emulated", emulated))
        for name, error in errors.items()
    ]


@pytest.mark.parametrize(
    ("emulated", "rank"),
    [
        ({name: 0.5 + error for name, error in ERRORS.items()}, 1),
        ({name: -error for name, error in ERRORS.items()}, -1),
    ],
)
def test_only_the_order_of_strategies_counts(emulated: dict[str, float], rank: int) -> None:
    assert agreement(_rows(ERRORS, emulated), "t") == pytest.approx((rank, -1))


def test_measured_says_what_the_file_says() -> None:
    rows = read()
    tasks = {row.task for row in rows}
    assert len(tasks) >= 18 and tasks <= {*DEVELOP, *REPORT}
    text = MEASURED.read_text(encoding="utf-8")
    assert [line for line in lines(rows) if line and line not in text] == []


def test_both_sides_of_a_pair_are_trained_on_and_scored_alike() -> None:
    sizes = {row.task: set[tuple[int, int]]() for row in read()}
    for row in read():
        sizes[row.task].add((row.train, row.scored))
    assert all(len(one) == 1 for one in sizes.values())
