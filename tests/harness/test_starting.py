"""A strategy is begun with a file that keeps the contract already."""

import sys

import pytest
from click.testing import CliRunner

from harness.cli.starting import KINDS, strategies
from harness.conformance.promises import conformance
from harness.core.errors import UserError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_keeps_the_contract(here, kind):
    done = CliRunner().invoke(strategies, ["new", f"fresh_{kind}", "--kind", kind], catch_exceptions=False)
    assert f"fresh_{kind}:Fresh{kind.capitalize()}" in done.output
    try:
        answers = conformance(f"fresh_{kind}:Fresh{kind.capitalize()}")
    finally:
        sys.modules.pop(f"fresh_{kind}", None)
    assert [answer for answer in answers if not answer.holds] == []


def test_no_file_is_written_over(here):
    (here / "mine.py").write_text("x")
    with pytest.raises(UserError, match="here already"):
        CliRunner().invoke(strategies, ["new", "mine"], catch_exceptions=False)
