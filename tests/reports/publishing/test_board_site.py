"""A board of strangers' bundles: bounded, escaped, protocols apart, and provenance by equal records, not by word."""

import csv
import io
import json
import lzma
import tarfile

import pytest

from harness.core.errors import UserError
from harness.core.spec import PROTOCOL_VERSION
from reports.publishing.board.leaderboard import leaderboards
from reports.publishing.board.received import address, one_line, received
from reports.publishing.board.site import write_site
from reports.publishing.board.submission import submit
from reports.publishing.export import export
from reports.reading import bundle as bundles

NOW = {"protocol_version": PROTOCOL_VERSION}
HOSTILE = "<script>document.title='x'</script>\u202e=cmd|' /C calc'!A0 " + "x" * 300


@pytest.fixture
def handed_in(made, tmp_path):
    """An entry of three strategies with three seeds, of this protocol."""
    made(tmp_path / "runs", strategies=["finetune", "ridge", "filter_pruned(keep=0.5)"], budgets=["1ep"], seeds=3,
         setting=NOW)  # fmt: skip
    out = tmp_path / "ada.tar.xz"
    assert submit([tmp_path / "runs"], out, name="Ada's net", by="Ada", address="https://example.org/x").missing == ()
    return out


@pytest.fixture
def hostile(one, tmp_path):
    tasks = [{"name": HOSTILE, "year": 2000, "domain": "=1+1", "kind": "binary", "num_classes": 2,
              "provenance": "real", "phase": "development",
              "sizes": {"train": 9, "dev": 1, "dev_test": 5, "test": 1}}]  # fmt: skip
    one(tmp_path / "bad", f"mine:A(x={HOSTILE[:40]!r})", "1ep", 0, stream=HOSTILE, tasks=tasks, setting=NOW)
    out = export([tmp_path / "bad"], tmp_path / "<img src=x onerror=alert(1)>.tar.xz").file
    said = {"name": HOSTILE, "by": "<b>", "about": "javascript:", "address": "javascript:alert(1)"}
    bundles.write_bundle(bundles.read_bundle(out), out, entry=said)
    return out


def packed(path, name, data, *, size=None):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        facts = tarfile.TarInfo(name)
        facts.size = len(data)
        tar.addfile(facts, io.BytesIO(data))
        if size is not None:
            claim = tarfile.TarInfo("x/run.json")
            claim.size = size
            tar.fileobj.write(claim.tobuf(tarfile.GNU_FORMAT))
    path.write_bytes(lzma.compress(content.getvalue()))
    return path


def test_a_leaderboard_ranks_with_gains_and_says_who_gained_over_what(handed_in):
    (entry,), refused = received([handed_in])
    assert not refused
    assert (entry.name, entry.by, entry.address) == ("Ada's net", "Ada", "https://example.org/x")
    (board,) = leaderboards([entry])
    rows = {row.label: row for row in board.rows["1ep"]}
    pruned = rows["filter_pruned(keep=0.5)"]
    assert pruned.over_dense.value == pytest.approx(rows["finetune"].error.value - pruned.error.value)
    assert pruned.over_frozen.value == pytest.approx(rows["ridge"].error.value - pruned.error.value)
    assert 0 <= pruned.wins <= 1
    assert rows["finetune"].over_dense is None
    assert [row.error.value for row in board.rows["1ep"]] == sorted(row.error.value for row in rows.values())


def test_a_leaderboard_says_whose_recipe_is_another_and_takes_no_gain_over_it(made, tmp_path):
    for name, recipe, strategies in (("old", "v3", ["finetune", "ridge"]), ("new", "v4", ["filter_pruned(keep=0.5)"])):
        made(tmp_path / name, strategies=strategies, budgets=["1ep"], seeds=1, setting=NOW,
             options={"recipe": recipe})  # fmt: skip
        if name == "old":
            made(tmp_path / name, strategies=["finetune(recipe=v2)"], budgets=["1ep"], seeds=1, setting=NOW)
        out = export([tmp_path / name], tmp_path / f"{name}.tar.xz").file
        bundles.write_bundle(bundles.read_bundle(out), out, entry={"name": name, "by": "Ada"})
    entries, _ = received([tmp_path / "old.tar.xz", tmp_path / "new.tar.xz"])
    (board,) = leaderboards(entries)
    rows = {row.label: row for row in board.rows["1ep"]}
    assert (rows["finetune"].recipe, rows["filter_pruned(keep=0.5)"].recipe) == ("v3", "v4")
    assert rows["filter_pruned(keep=0.5)"].over_dense is None
    assert rows["finetune(recipe=v2)"].over_dense is not None, "compared in one entry"
    write_site([tmp_path / "old.tar.xz", tmp_path / "new.tar.xz"], tmp_path / "site")
    assert "<small>recipe v4</small>" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_protocol_versions_are_never_on_one_leaderboard(made, handed_in, tmp_path):
    made(tmp_path / "old", strategies=["finetune"], budgets=["1ep"], seeds=1, setting={"protocol_version": 4})
    old = export([tmp_path / "old"], tmp_path / "old.tar.xz").file
    found = leaderboards(received([old, handed_in])[0])
    assert [(one.protocol, one.current) for one in found] == [(PROTOCOL_VERSION, True), (4, False)]
    assert {row.entry.name for row in found[1].rows["1ep"]} == {"old"}
    text = write_site([old, handed_in], tmp_path / "site").read_text()
    assert text.index("Ada") < text.index("Earlier protocols") < text.index("Protocol 4")


def test_provenance_is_by_equal_records_of_runs_made_here(handed_in, one, tmp_path):
    text = write_site([handed_in], tmp_path / "a").read_text()
    assert "self-reported" in text
    assert "re-run here, equal" not in text
    text = write_site([handed_in], tmp_path / "b", rerun=[tmp_path / "runs"]).read_text()
    assert text.count("re-run here, equal records (3)") == 3
    # One that was run here gave another error for the same key.
    for seed in range(3):
        one(tmp_path / "other", "finetune", "1ep", seed, setting=NOW, error_of=lambda *_: 0.123)
    text = write_site([handed_in], tmp_path / "c", rerun=[tmp_path / "other"]).read_text()
    assert "3 of 3 runs gave OTHER records" in text


def test_names_are_escaped_cut_and_never_formulas(handed_in, hostile, tmp_path):
    index = write_site([hostile, handed_in], tmp_path / "site")
    for page in (index, *(tmp_path / "site/entries").glob("*.html")):
        text = page.read_text()
        assert "<script" not in text.lower()
        assert "<img" not in text.lower()
        assert "javascript:alert" not in text
        assert "\u202e" not in text
        assert "default-src 'none'" in text
        assert "x" * 200 not in text
    (table,) = (tmp_path / "site/entries").glob("001-*.csv")
    for row in csv.reader(io.StringIO(table.read_text())):
        assert not [cell for cell in row if cell[:1] in ("=", "+", "@")]
    assert all(path.name.isascii() for path in (tmp_path / "site/entries").iterdir())


def test_a_claim_of_3_gb_a_bomb_a_link_and_rubbish_are_listed_and_the_rest_stands(handed_in, tmp_path, monkeypatch):
    monkeypatch.setattr(bundles, "MOST_BYTES", 4 * 2**20)
    claim = packed(tmp_path / "claim.tar.xz", "a/run.json", b"{}", size=3 * 2**30)
    bomb = packed(tmp_path / "bomb.tar.xz", "a/run.json", bytes(8 * 2**20))
    (tmp_path / "rubbish.tar.xz").write_bytes(b"no archive")
    (tmp_path / "torn.tar.xz").write_bytes(handed_in.read_bytes()[:200])
    entries, refused = received([claim, bomb, tmp_path / "rubbish.tar.xz", tmp_path / "torn.tar.xz", handed_in])
    assert [entry.name for entry in entries] == ["Ada's net"]
    assert len(refused) == 4
    assert "larger than a whole bundle may be" in refused[0].why
    assert "more than 4 MiB" in refused[1].why
    assert str(tmp_path) not in " ".join(one.why for one in refused)


def test_a_link_out_of_a_bundle_is_passed_over(tmp_path):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        link = tarfile.TarInfo("a/run.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    (tmp_path / "link.tar.xz").write_bytes(lzma.compress(content.getvalue()))
    assert bundles.read_bundle(tmp_path / "link.tar.xz") == []


def test_an_error_that_no_run_can_have_is_refused(one, tmp_path):
    one(tmp_path / "runs", "finetune", "1ep", 0, setting=NOW, error_of=lambda *_: -0.5)
    entries, (refused,) = received([export([tmp_path / "runs"], tmp_path / "x.tar.xz").file])
    assert not entries
    assert "which no run can have" in refused.why


def test_submit_says_what_is_missing_with_the_command_and_writes_nothing(made, tmp_path):
    made(tmp_path / "runs", strategies=["filter_pruned(keep=0.5)"], budgets=["1ep"], seeds=2, setting=NOW)
    found = submit([tmp_path / "runs"], tmp_path / "mine.tar.xz")
    assert [part in " ".join(found.missing) for part in ("no finetune at 1ep", "no frozen head", "2 of 3 seeds")] == [
        True
    ] * 3
    assert "harness run default" in found.missing[0]
    assert not (tmp_path / "mine.tar.xz").exists()


def test_submit_writes_the_bundle_and_its_text_and_the_bundle_is_one_like_others(handed_in):
    text = handed_in.with_name("ada.md").read_text()
    assert text.startswith("# Ada's net")
    assert "`filter_pruned(keep=0.5)`" in text
    assert json.loads(json.dumps(bundles.read_entry(handed_in)))["by"] == "Ada"
    assert len(bundles.read_bundle(handed_in)) == 9


def test_a_board_is_not_written_over_other_files(handed_in, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(UserError, match="holds other files"):
        write_site([handed_in], tmp_path / "mine")
    write_site([handed_in], tmp_path / "site")
    write_site([handed_in], tmp_path / "site")


def test_what_strangers_write_is_one_plain_line():
    assert one_line("a\n\u202eb\x1b[31m\x00c  d") == "a b[31mc d"
    assert len(one_line("x" * 999)) == 120
    assert address("https://example.org/a?b=c#d") == "https://example.org/a?b=c#d"
    assert [address(text) for text in ("http://a.b", "javascript:1", 'https://a"onclick=', "https://a b")] == [""] * 4
