"""The report as a whole: complete, self-contained, honest about what is missing, safe with any name."""

import csv
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import reports
from harness.config.registry import entries
from harness.core.errors import UserError
from reports.boards.board import boards
from reports.figures.style import COLORS, FAMILIES, looks
from reports.page import words
from reports.page.strip import strip
from reports.publishing.report import write_report
from reports.publishing.summary import summary
from reports.reading.frame import read
from reports.tables.curves import curves
from reports.tables.optimal import optimal_table


@pytest.fixture(scope="module")
def report(results, tmp_path_factory):
    return write_report([results], tmp_path_factory.mktemp("report"))


def test_page_tables_and_figures_are_written(report):
    names = {path.relative_to(report.parent).as_posix() for path in report.parent.rglob("*") if path.is_file()}
    assert {"report.html", "tables/curves.csv", "tables/curves.tex", "tables/tasks_1ep.csv", "tables/runs.csv",
            "figures/curves.svg", "figures/curves.pdf", "figures/curves_column.pdf"} <= names  # fmt: skip


def test_the_page_asks_the_network_for_nothing(report):
    text = report.read_text()
    # Links to the files beside the page are followed by whoever clicks them.
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:|tables/|figures/)""", text.replace("xlink:href", "href"))
    assert "@import" not in text
    assert "url(http" not in text


def test_page_csv_and_latex_hold_the_same_numbers(report):
    table = pd.read_csv(report.parent / "tables" / "curves.csv")
    page, tex = report.read_text(), (report.parent / "tables" / "curves.tex").read_text()
    for row in table.itertuples():
        shown = f"{row.error:.3f} [{row.low:.3f}, {row.high:.3f}]"
        assert shown in page
        assert shown in tex


def test_a_mean_in_the_page_is_the_mean_of_the_records(results, report):
    records = read([results]).tasks
    part = records[(records["label"] == "linear_probe") & (records["budget"] == "0.3ep")]
    table = pd.read_csv(report.parent / "tables" / "curves.csv").set_index(["strategy", "budget"])
    row = table.loc[("linear_probe", "0.3ep")]
    assert row["error"] == pytest.approx(part["error"].mean())
    assert row["flops"] == pytest.approx(part["flops"].mean())
    assert row["n"] == len(part) == 16


def test_records_csv_has_a_line_for_every_planned_task(results, report):
    with (report.parent / "tables" / "records.csv").open() as lines:
        assert sum(1 for _ in csv.DictReader(lines)) == len(read([results]).tasks)


def test_the_same_results_give_the_same_figures(results, report, tmp_path):
    again = write_report([results], tmp_path)
    for name in ("curves.svg", "curves.pdf"):
        assert (again.parent / "figures" / name).read_bytes() == (report.parent / "figures" / name).read_bytes()


def test_what_could_pay_for_too_few_tasks_is_shown_apart_and_on_no_front(one, tmp_path):
    one(tmp_path, "finetune", "1ep", 0)
    one(tmp_path, "ot_fused(keep=0.5)", "1ep", 0, infeasible=["font_glyphs", "mnist_5k"])
    table = curves(boards(read([tmp_path]))[0]).set_index("strategy")
    assert table["error"]["ot_fused(keep=0.5)"] < table["error"]["finetune"]
    assert not table.loc["ot_fused(keep=0.5)", "on_front"]
    page = write_report([tmp_path], tmp_path / "out").read_text()
    assert "6 of 8 (apart)" in page
    assert "\u2013 (6 tasks)" in page
    (row,) = [line for line in (tmp_path / "out/tables/budgets.tex").read_text().splitlines() if "ot\\_fused" in line]
    assert "-- (6 tasks)" in row
    assert "infeasible: the budget does not pay" in page


def test_a_failed_run_is_shown_with_the_place_of_its_failure(one, tmp_path):
    trace = (
        'Traceback (most recent call last):\n  File "a.py", line 3, in f\n  File "b.py", line 7, in g\nValueError: odd'
    )
    one(tmp_path, "finetune", "1ep", 0, status="failed", error=trace, stop_after=2)
    page = write_report([tmp_path], tmp_path / "out").read_text()
    assert "b.py:7: ValueError: odd" in page
    assert "the run failed before it" in page
    assert "1 run failed" in page


def test_an_empty_folder_gives_a_page_that_says_so(tmp_path):
    page = write_report([tmp_path], tmp_path / "out").read_text()
    assert "No run was found" in page


def test_a_run_that_has_learnt_nothing_yet_gives_a_page(one, tmp_path):
    one(tmp_path, "finetune", "1ep", 0, stop_after=0, status="running")
    page = write_report([tmp_path], tmp_path / "out").read_text()
    assert "the run goes on" in page


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        write_report([tmp_path / "nowhere"], tmp_path)


NASTY = ["<script>alert(1)</script>", 'it\'s "quoted" & $x^2$ {brace}', "Größe_日本語_" + "x" * 200, "</style><b>"]


def test_any_name_is_shown_as_it_is_and_breaks_nothing(one, tmp_path):
    base = {"year": 2000, "domain": "<i>", "kind": "multiclass", "num_classes": 3, "provenance": "real",
            "phase": "development", "sizes": {"train": 10, "dev": 2, "dev_test": 9, "test": 2}}  # fmt: skip
    tasks = [{"name": name, **base} for name in NASTY]
    for strategy in ("mine:A(x='<img src=x onerror=alert(1)>')", "finetune"):
        for budget in ("0.1ep", "1ep"):
            one(tmp_path, strategy, budget, 0, stream="s<'\"&>", tasks=tasks)
    page = write_report([tmp_path], tmp_path / "out")
    text = page.read_text()
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "日本語" in text
    tex = (page.parent / "tables" / "tasks_1ep.tex").read_text()
    assert r"\$x\textasciicircum{}2\$ \{brace\}" in tex


def test_two_backbones_are_named_in_every_file_and_stand_beside_each_other(made, tmp_path):
    for backbone, size in (("efficientnet_lite0", 64), ("torchvision:resnet18(weights='made/r.pt')", 32)):
        made(tmp_path / "runs", strategies=["finetune", "ridge"], budgets=["1ep"], seeds=1,
             setting={"backbone": backbone, "size": size})  # fmt: skip
    write_report([tmp_path / "runs"], tmp_path, picture=tmp_path / "docs" / "main.svg")
    tables = {path.stem for path in (tmp_path / "tables").glob("*.csv")}
    nets = ("efficientnet_lite0", "resnet18")
    assert {f"nevis-mini_{net}_{name}" for net in nets for name in ("curves", "claims", "optimal")} <= tables
    overview = pd.read_csv(tmp_path / "tables" / "overview.csv").set_index("backbone")
    for net, row in overview.iterrows():
        own = f"nevis-mini_{'resnet18' if 'resnet18' in net else net}_optimal.csv"
        alone = pd.read_csv(tmp_path / "tables" / own).iloc[0]
        assert (row["strategy"], row["error"], row["n"]) == (alone["strategy"], alone["error"], alone["n"])
    verdicts = pd.read_csv(tmp_path / "tables" / "verdicts.csv")
    assert len(verdicts) == 17
    assert sum(name.startswith("verdict") for name in verdicts.columns) == 2 * 2 * 2
    svg = (tmp_path / "docs" / "main.svg").read_text()
    assert len(svg) < 150_000
    assert "prefers-color-scheme:dark" in svg
    assert all(f"nevis-mini, {net}<" in svg for net in nets)
    assert svg.count("tasks: 7 real, 1 emulated") == 2


def test_no_interval_of_an_error_passes_zero_or_one(one, facts, tmp_path):
    def error(strategy, task, budget, seed):
        return 0.0 if seed else 0.02 if strategy == "finetune" else 0.99

    for strategy in ("finetune", "ridge"):
        for seed in range(2):
            one(tmp_path, strategy, "1ep", seed, error_of=error, tasks=facts[:2])
    board = boards(read([tmp_path]))[0]
    ends = curves(board)[["low", "error", "high"]].to_numpy(float)
    assert ((ends >= 0) & (ends <= 1)).all()
    assert (np.diff(ends, axis=1) >= 0).all()


def test_mixed_streams_and_settings_are_kept_apart(one, tmp_path):
    one(tmp_path, "finetune", "1ep", 0)
    one(tmp_path, "finetune", "1ep", 0, setting={"size": 32})
    one(tmp_path, "finetune", "1ep", 0, fingerprint="e" * 64, packages={"torch": "9"})
    page = write_report([tmp_path], tmp_path / "out")
    text = page.read_text()
    assert "3 streams or settings" in text
    assert "2 sets of package versions" in text
    assert len(list((page.parent / "tables").glob("*curves.csv"))) == 3


def test_the_summary_is_plain_lines_with_every_strategy_and_budget(results):
    text = summary([results])
    assert all(name in text for name in ("ot_fused(keep=0.5)", "0.1ep", "1ep", "42 runs: 42 done"))
    assert max(map(len, text.splitlines())) < 130
    assert "*" in text


def test_every_latex_row_has_a_cell_for_each_column(report):
    for path in (report.parent / "tables").glob("*.tex"):
        lines = path.read_text().splitlines()
        rows = [line for line in lines if line.endswith("\\\\")]
        columns = len(re.search(r"tabular}{(\w+)}", "\n".join(lines)).group(1))
        assert rows
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {columns}


def luminance(color):
    def linear(part):
        value = int(part, 16) / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(color[i : i + 2]) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("pair", COLORS)
def test_every_color_stands_out_from_its_ground_and_is_the_pages(pair):
    light, dark = pair
    assert 1.05 / (luminance(light) + 0.05) >= 3
    assert (luminance(dark) + 0.05) / (luminance("#16181a") + 0.05) >= 3
    css = (Path(reports.__file__).parent / "page" / "page.css").read_text()
    place = COLORS.index(pair)
    assert [f"--c{place}: {color};" in css for color in pair] == [True, True]


def test_no_two_strategies_look_alike():
    labels = [f"{family}(keep={keep})" for family in (*FAMILIES, "mine:One", "mine:Two") for keep in range(6)]
    found = looks(labels)
    assert len({(look.light, look.marker, look.dash) for look in found.values()}) == len(labels)


def test_a_family_keeps_its_color_whatever_else_is_there():
    assert looks(["finetune", "ot_fused"])["ot_fused"].light == looks(["ot_fused", "ridge", "a", "b"])["ot_fused"].light


def test_every_registered_strategy_is_explained_to_who_reads_the_page():
    board: Any = SimpleNamespace(labels=[f"{name}(x=1)" for name in entries("strategies")])
    assert all(meaning and "``" not in meaning for _, meaning in words.terms([board]))
    assert {name for name, _ in words.terms([board])} >= set(entries("strategies"))


def test_a_strip_marks_what_is_over_fewer_tasks_and_says_why_a_leader_may_be_higher(one, facts, tmp_path):
    hard = facts[0]["name"]
    for seed in range(2):
        one(tmp_path / "runs", "finetune", "1ep", seed, error_of=lambda *_: 0.3)
        one(tmp_path / "runs", "ridge", "1ep", seed, infeasible=[hard], error_of=lambda *_: 0.4)
    (board,) = boards(read([tmp_path / "runs"]))
    shown = strip(board, curves(board), looks(board.labels))
    cells = {row["label"]: row["cells"][0] for row in shown["rows"]}
    assert (cells["finetune"]["part"], cells["ridge"]["part"]) == ("", "7/8")
    page = write_report([tmp_path / "runs"], tmp_path / "out").read_text()
    assert "<small>7/8</small>" in page
    assert "pair by pair" in page


def test_who_cannot_be_told_from_any_other_is_said_in_three_words(one, tmp_path):
    for place, strategy in enumerate(("finetune", "ridge", "ncm", "knn")):
        one(tmp_path, strategy, "1ep", 0, error_of=lambda *_, place=place: 0.3 + place / 100)
    (board,) = boards(read([tmp_path]))
    assert optimal_table(board).frame["alike"].tolist() == ["all 3 others"]
