"""What bench/FUSION.md says of other tasks is what bench/TRANSFER.md found."""

from bench.fusion import OUT, other_tasks


def test_the_rows_for_other_tasks_are_those_of_the_file_they_come_from() -> None:
    rows = list(other_tasks())
    assert any(row.startswith("| resnet50_half, 0.5 |") for row in rows)
    assert OUT.read_text(encoding="utf-8").endswith("\n".join([*rows, ""]))
