"""A TOML file is read in whatever Unicode an editor saved it."""

from pathlib import Path

import pytest

from harness.config.suite import load_suite
from harness.config.toml_file import decoded, read_toml
from harness.core.errors import UserError
from reports.published.baselines import load

TEXT = 'about = "größer"\r\nstreams = ["nevis-mini"]\nstrategies = ["ncm"]\nbudgets = ["1ep"]\n'
WRITTEN = {
    "UTF-8": TEXT.encode(),
    "with a mark": TEXT.encode("utf-8-sig"),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "UTF-16 without a mark": TEXT.encode("utf-16-le"),
}


@pytest.mark.parametrize("content", WRITTEN.values(), ids=WRITTEN)
def test_a_suite_that_any_editor_wrote_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(content)
    assert load_suite(str(path)).about == "größer"
    assert decoded(content) == TEXT


def test_a_baseline_with_a_mark_is_a_baseline(tmp_path: Path) -> None:
    shipped = next(iter(sorted((Path(load.__code__.co_filename).parent).glob("*.toml"))))
    (tmp_path / "b.toml").write_bytes(b"\xef\xbb\xbf" + shipped.read_bytes())
    assert load(tmp_path / "b.toml") == load(shipped)


@pytest.mark.parametrize(
    ("content", "said"), [(b"a = \xe4", "save it as UTF-8"), (b"a = [", "is not TOML"), (b"\x00", "is not TOML")]
)
def test_what_is_no_toml_is_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "s.toml").write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        read_toml(tmp_path / "s.toml", what="suite s.toml")
    assert "suite s.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read suite x: No such file"):
        read_toml(tmp_path / "x", what="suite x")
