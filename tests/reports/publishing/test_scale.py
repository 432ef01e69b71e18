"""The report of a whole NEVIS'22 suite: 106 tasks, ten strategies, three budgets, five seeds."""

import pytest

from reports.publishing.report import write_report
from reports.reading.frame import read

STRATEGIES = ["finetune", "linear_probe", "channel_pruned(keep=0.663)", "finetune(init=scratch)",
              "filter_pruned(keep=0.5, score=random)", *(f"{name}(keep={keep})" for name, keep in [
                  ("filter_pruned", 0.75), ("filter_pruned", 0.5), ("filter_pruned", 0.25), ("ot_fused", 0.5),
                  ("ot_fused", 0.25)])]  # fmt: skip


@pytest.fixture(scope="module")
def large(made, tmp_path_factory):
    base = {"kind": "multiclass", "num_classes": 10, "phase": "development",
            "sizes": {"train": 900, "dev": 90, "dev_test": 90, "test": 90}}  # fmt: skip
    tasks = [
        {**base, "name": f"task_{i:03}", "year": 1992 + i // 4,
         "provenance": "real" if i % 3 else "emulated", "domain": ("ocr", "object", "texture", "medical")[i % 4]}
        for i in range(106)
    ]  # fmt: skip
    return made(tmp_path_factory.mktemp("large"), strategies=STRATEGIES, seeds=5, tasks=tasks)


def test_sixteen_thousand_records_all_reach_a_page_under_five_megabytes(large, tmp_path):
    page = write_report([large], tmp_path / "out")
    assert len(read([large]).tasks) == 106 * 10 * 3 * 5
    assert page.stat().st_size < 5e6
