"""Every number in a written text comes from the tables: it is filled in, checked, and none stands beside its source."""

import re
from pathlib import Path

import pandas as pd
import pytest

from harness.core.errors import UserError
from reports.boards.board import boards
from reports.publishing.export import export
from reports.publishing.report import tables_of, write_report
from reports.publishing.results import MARK, filled
from reports.reading.frame import read
from reports.tables.table import Column, Table

HERE = Path(__file__).parents[3]
REFERENCE = HERE / "reports" / "reference"

TABLE = Table(
    "curves", "Curves", "",
    pd.DataFrame({"strategy": ["a(x=1)", "a(x=1)", "b"], "budget": ["1ep", "3ep", "1ep"], "error": [0.25, 0.125, 0.5],
                  "low": [0.2, float("nan"), 0.4], "high": [0.3, float("nan"), 0.6], "gap": [-0.0213, 0.0, 1.0],
                  "0: odd": [1.0, 2.0, 3.0]}),
    (Column("strategy", "Strategy"), Column("budget", "Budget"),
     Column("error", "Error [95%]", "error", low="low", high="high")), row_head=2,
)  # fmt: skip
TABLES = {"curves": TABLE}
_QUOTED = re.compile(r"```.*?```|`[^`\n]*`|<!--.*?-->|\]\([^)\s]*\)|https?://\S+|arXiv \d{4}\.\d{4,5}", re.DOTALL)
_NUMBER = re.compile(r"\d+\.\d+|\d+(?=\s?(?:%|points?\b))")
# The level of every interval is the one share that a text may name without a mark.
LEVEL = "95%"


@pytest.mark.parametrize(
    ("mark", "shown"),
    [("curves[error] strategy=a(x=1); budget=1ep", "0.250 [0.200, 0.300]"), ("curves[error] budget=3ep", "0.125"),
     ("curves[error*100:.1f] strategy=b", "50.0"), ("curves[gap*100:+.1f] strategy=a(x=1); budget=1ep", "\u22122.1"),
     ("curves[0: odd] strategy=b", "3"), ("curves[strategy] error=0.5", "b")],
)  # fmt: skip
def test_a_mark_within_a_line_becomes_its_cell(mark, shown):
    text = f"Here <!--= {mark} -->?<!--/--> it is."
    assert filled(text, TABLES) == f"Here <!--= {mark} -->{shown}<!--/--> it is."


def test_a_mark_of_several_lines_becomes_a_markdown_table():
    text = "<!--= curves[strategy, error] strategy=a(x=1) | b; budget=1ep -->\n<!--/-->"
    table = (
        "| Strategy | Error [95%] |\n| --- | ---: |\n| a(x=1) | 0.250 [0.200, 0.300] |\n| b | 0.500 [0.400, 0.600] |"
    )
    assert table in filled(text, TABLES)
    assert filled(filled(text, TABLES), TABLES) == filled(text, TABLES)


@pytest.mark.parametrize(
    ("mark", "said"),
    [("curve[error] -->", "did you mean 'curves'"), ("curves[eror] -->", "did you mean 'error'"),
     ("curves[error] -->", "1 columns, 3 rows: expected one"), ("curves[error] strategy=c -->", "0 rows: expected one"),
     ("curves[error] nothing -->", "no column 'nothing'"), ("curves(error) -->", "cannot be read")],
)  # fmt: skip
def test_a_mark_that_names_nothing_is_one_line_that_helps(mark, said):
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        filled(f"x <!--= {mark}?<!--/-->", TABLES)


def test_a_mark_that_is_not_closed_is_said():
    with pytest.raises(UserError, match="not closed"):
        filled("x <!--= curves[error] strategy=b -->0.5", TABLES)


def unmarked_numbers(text: str) -> list[str]:
    """The lines with a decimal number, a share or points outside of marks, quotes of code, and addresses.

    Also a mark within a line that begins the line: Markdown takes such a line for HTML and shows its source.
    """
    begun = [line for line in text.splitlines() if line.startswith("<!--=") and line.count("-->") > 1]
    # Lines stay lines: what is taken out leaves its line breaks.
    bare = MARK.sub(lambda found: "\n" * found[0].count("\n"), text)
    bare = _QUOTED.sub(lambda found: "\n" * found[0].count("\n"), bare).replace(LEVEL, "")
    lines = zip(bare.splitlines(), text.splitlines(), strict=False)
    return list(dict.fromkeys([*begun, *(whole for line, whole in lines if _NUMBER.search(line))]))


@pytest.mark.parametrize(
    "line", ["It gains 2.3 points.", "Error 0.25.", "A gain of 20 % was claimed.", "About 7 points.",
             "<!--= curves[error] strategy=b -->0.5<!--/--> begins the line."],
)  # fmt: skip
def test_a_number_without_its_source_is_found(line):
    assert unmarked_numbers(f"# Title\n\nAll well.\n{line}\n") == [line]


def test_what_is_no_result_needs_no_source():
    text = (
        "Two nets, 24 tasks, 95% intervals, `flops=0.5`, arXiv 2304.13164, [page](https://a.org/1.5).\n"
        "```sh\nharness run --budget 0.1ep\n```\nIt is <!--= curves[error] strategy=b -->0.5<!--/--> here.\n"
    )
    assert unmarked_numbers(text) == []


def test_the_report_brings_a_text_up_to_date(made, tmp_path):
    runs = made(tmp_path / "runs", strategies=["finetune", "ridge"], budgets=["0.1ep", "1ep"], seeds=2)
    bundle = export([runs], tmp_path / "x.tar.xz").file
    text = tmp_path / "RESULTS.md"
    text.write_text("Dense: <!--= curves[error] strategy=finetune; budget=1ep -->old<!--/-->.\n"
                    "<!--= claims[id, verdict, said] id=C1 | C6 -->\n<!--/-->\n")  # fmt: skip
    write_report([bundle], tmp_path / "report", results=text)
    row = pd.read_csv(tmp_path / "report/tables/curves.csv").set_index(["strategy", "budget"]).loc[("finetune", "1ep")]
    assert f"-->{row['error']:.3f} [{row['low']:.3f}, {row['high']:.3f}]<!--/-->." in text.read_text()
    assert "| C6 | not tested |" in text.read_text()
    frames = read([bundle])
    assert filled(text.read_text(), tables_of(frames, boards(frames))) == text.read_text()


@pytest.fixture(scope="module")
def reference():
    found = sorted(REFERENCE.glob("*.tar.xz"))
    if not found:
        pytest.skip(f"no reference results yet: {REFERENCE.relative_to(HERE)} holds no bundle")
    return found


def test_every_number_in_the_published_results_comes_from_the_bundle(reference):
    text = (HERE / "RESULTS.md").read_text(encoding="utf-8")
    frames = read(reference)
    tables = tables_of(frames, boards(frames))
    assert filled(text, tables) == text, "run: harness report reports/reference/* --results RESULTS.md"
    assert unmarked_numbers(text) == []


def test_the_reference_bundle_is_small_and_suites_make_it_again(reference):
    assert sum(path.stat().st_size for path in reference) < 5e6
    assert list((HERE / "harness" / "config" / "suites").glob("reference-*.toml"))
