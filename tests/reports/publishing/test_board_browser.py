"""The board in a real browser: nothing of strangers runs, nothing leaves it, and everybody can read it."""

import io
import lzma
import tarfile
from pathlib import Path

import pytest

from harness.core.spec import PROTOCOL_VERSION
from reports.publishing.board.site import write_site
from reports.publishing.board.submission import submit
from reports.publishing.export import export
from reports.reading import bundle as bundles

SHIPPED = sorted((Path(__file__).parents[3] / "reports" / "reference").glob("*.tar.xz"))
HOSTILE = (
    "</script><script>globalThis.hacked = document.title = 'hacked'</script><img src=x onerror=alert(1)>\u202e"
    + "x" * 300
)


@pytest.fixture(scope="session")
def visited(chromium, made, one, facts, tmp_path_factory):
    """A board of the shipped bundles, one of this protocol, one of an earlier, a hostile one, and a claim of 3 GB."""
    here = tmp_path_factory.mktemp("board")
    now = {"protocol_version": PROTOCOL_VERSION}
    made(here / "now", strategies=["finetune", "ridge", "filter_pruned(flops=0.5)"], budgets=["1ep"], seeds=3,
         setting=now)  # fmt: skip
    mine = here / "mine.tar.xz"
    assert submit([here / "now"], mine, name="Ada's net", by="Ada", address="https://example.org/x").missing == ()
    made(here / "old", strategies=["finetune"], budgets=["1ep"], seeds=1, setting={"protocol_version": 3})
    old = export([here / "old"], here / "old.tar.xz").file
    one(here / "bad", f"mine:A(x={HOSTILE[:60]!r})", "1ep", 0, stream=HOSTILE, setting=now,
        tasks=[{**facts[0], "name": HOSTILE, "domain": HOSTILE}])  # fmt: skip
    bad = export([here / "bad"], here / "bad.tar.xz").file
    said = {"name": HOSTILE, "by": HOSTILE, "about": HOSTILE, "address": "javascript:alert(1)"}
    bundles.write_bundle(bundles.read_bundle(bad), bad, entry=said)
    bundled = [*SHIPPED, mine, old, bad, claiming(here / "claim.tar.xz", 3 * 2**30)]
    index = write_site(bundled, here / "site")
    (here / "shots").mkdir()
    return chromium("site.mjs", here / "shots", index, *sorted((here / "site" / "entries").glob("*.html"))[-3:])


def claiming(path, size):
    """A small archive whose member is said to have ``size`` bytes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        claim = tarfile.TarInfo("x/run.json")
        claim.size = size
        tar.fileobj.write(claim.tobuf(tarfile.GNU_FORMAT))
    path.write_bytes(lzma.compress(content.getvalue()))
    return path


def test_nothing_of_a_stranger_runs_and_nothing_leaves_the_board(visited):
    assert visited["console"] == []
    assert visited["requests"] == []
    assert visited["dialogs"] == 0
    for view in visited["views"]:
        assert view["scripts"] == 0
        assert view["title"] != "hacked"
        assert set(view["links"]) <= {"file:", "https:"}


def test_axe_finds_no_serious_violation_and_nothing_runs_over_the_edge(visited):
    assert len(visited["views"]) == 8
    for view in visited["views"]:
        assert view["violations"] == []
        assert view["scrollWidth"] <= view["width"]


def test_the_board_says_what_is_comparable_and_what_was_not_taken(visited):
    text = visited["views"][1]["text"]
    assert text.index("Ada's net") < text.index("Earlier protocols") < text.index("Not taken")
    assert "larger than a whole bundle may be" in text
    assert "Protocol 3" in text
