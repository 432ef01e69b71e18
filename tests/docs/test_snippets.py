"""Every command and every snippet of the documentation works: each page is carried out, in an empty folder.

It is the real command line, with what keeps it cheap: small suites stand for those that come along, and runs are
carried out in this process instead of one each. What is no command of ours is on a list of what has a test elsewhere.
"""

import re
import shlex
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from command import Harness
from PIL import Image

import harness as package
from harness.config import suites
from harness.config.registry import make
from harness.config.suite import load_suite
from harness.core.spec import RunSpec
from harness.running import executor, runner
from harness.running.executor import Outcome
from reports.boards.board import Board
from reports.publishing.export import export
from reports.reading.frame import Frames
from reports.reading.shipped import shipped

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples/plugin/README.md",
    *sorted(ROOT.glob("docs/**/*.md")),
]
SMALL = """
about = "Stands for a suite that comes along"
streams = ["tiny:bars(tasks=1)"]
strategies = ["finetune", "ridge"]
budgets = ["0.5ep"]
seeds = 1
[setting]
backbone = "timm:test_efficientnet(weights=none)"
size = 32
"""
QUICK = {"check": ["--stream", "tiny:bars", "--backbone", "tiny:net", "--size", "16"], "decide": ["--at-most", "0"]}
"""Options that a command gets on top."""

ELSEWHERE = ("git clone ", "cd ", "source .venv/bin/activate", "pip install -e .", "pytest", "pre-commit install")
"""What a person types that is not ours, or has a test of its own (the plugin's)."""


class Block(NamedTuple):
    """A fenced block: what language, which file it is to be saved as, what stands in it."""

    language: str
    file: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w+)([^\n]*)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        language, about, content = match.groups()
        title = re.search(r'title="([^"]+)"', about)
        # Where the page is read as it is, as the README, the sentence before names the file.
        before = re.findall(r"[Ss]ave\s+this\s+as\s+`([^`]+)`|names\s+them,\s+`([^`]+)`", text[: match.start()][-400:])
        file = title[1] if title else "".join(before[-1]) if before and language != "sh" else ""
        yield Block(language, file, re.sub(r'^--8<-- "(.*)"\n', lambda m: (ROOT / m[1]).read_text(), content))


def commands(text: str) -> Iterator[list[str]]:
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def in_this_process(specs: Sequence[RunSpec], out: Path, **_: Any) -> list[Outcome]:
    """Instead of a process each, here or on Ray."""
    return [Outcome(spec, runner.run(spec, out), "") for spec in specs]


@pytest.fixture(scope="module")
def some_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few of the runs that come along, as the folder that they were."""
    out = tmp_path_factory.mktemp("some")
    (bundle,) = shipped()["nevis-mini-half"]
    with tarfile.open(bundle) as tar:
        wanted = re.compile(r"/(finetune|ridge)/(0\.1|1)ep/seed[01]-")
        tar.extractall(out, [name for name in tar.getmembers() if wanted.search(name.name)], filter="data")
    assert export([out], out / "theirs.tar.xz").runs == 2 * 2 * 2
    return out


@pytest.fixture
def desk(tmp_path: Path, some_results: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the pages take for granted: results, pictures of flowers."""
    small = tmp_path / "small.toml"
    small.write_text(SMALL)
    known = dict.fromkeys(suites.suites(), small)
    monkeypatch.setattr("harness.config.suite.suites", lambda: known)
    monkeypatch.setattr(executor, "run_all", in_this_process)
    monkeypatch.setattr("harness.running.ray.run_on_ray", in_this_process)
    monkeypatch.setattr("harness.running.study.check_device", lambda device: None)
    monkeypatch.setattr("harness.notebook.shipped", lambda: {"reference": (some_results / "theirs.tar.xz",)})
    (tmp_path / "results").symlink_to(some_results)
    (tmp_path / "theirs.tar.xz").symlink_to(some_results / "theirs.tar.xz")
    random = np.random.default_rng(0)
    for name in ("daisy", "rose"):
        folder = tmp_path / "pictures" / "flowers" / name
        folder.mkdir(parents=True)
        for number in range(12):
            Image.fromarray(random.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    for folder in (tmp_path, ROOT / "examples", ROOT / "examples" / "plugin"):
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    return tmp_path


@pytest.fixture
def pages_unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports read all that they are given, and write no page: drawing is dear, and has tests of its own."""

    def without_pictures(frames: Frames, found: Sequence[Board], out: Path, **_: Any) -> Path:
        assert len(frames.runs) and found
        return out / "report.html"

    monkeypatch.setattr("reports.publishing.report.publish", without_pictures)
    monkeypatch.setattr("harness.notebook.publish", without_pictures)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.usefixtures("pages_unwritten")
@pytest.mark.timeout(900)
def test_what_a_page_says_works(page: Path, desk: Path, harness: Harness) -> None:
    names: dict[str, Any] = {}
    for block in blocks(page):
        if block.file:
            (desk / block.file).write_text(block.text)
            if re.search("^streams = ", block.text, flags=re.MULTILINE):
                for strategy in load_suite(block.file).strategies:
                    make("strategies", strategy)
                (desk / block.file).write_text(SMALL)
        elif block.language == "bibtex":
            continue  # It has a test of its own.
        elif block.language in ("python", "py"):
            exec(compile(block.text, str(page), "exec"), names)
        else:
            assert block.language == "sh", f"{page}: a block of {block.language} without a file to save it as"
            for words in commands(block.text):
                carry_out(words, desk, harness)


def test_what_readme_asks_to_cite_is_what_citation_cff_says_of_this_version() -> None:
    (entry,) = (block.text for block in blocks(ROOT / "README.md") if block.language == "bibtex")
    cited = dict(re.findall(r"^  (\w+) += \{+(.*?)\}+,?$", entry, flags=re.MULTILINE))
    facts = dict(re.findall(r'^(title|version): "?(.*?)"?$', (ROOT / "CITATION.cff").read_text(), flags=re.MULTILINE))
    assert {name: cited[name] for name in facts} == facts
    assert f"\nversion = {facts['version']}\n" in (ROOT / "setup.cfg").read_text()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "RESULTS.md"])
def test_what_a_page_outside_of_the_site_links_to_is_there(page: str) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text(encoding="utf-8"))
    assert [link for link in targets if not link.startswith("https://") and not (ROOT / link).exists()] == []


def carry_out(words: list[str], desk: Path, harness: Harness) -> None:
    while re.match(r"[A-Z_]+=", words[0]):  # variables of the environment
        words = words[1:]
    line = shlex.join(words)
    if words[0] == "harness":
        asked = [word.replace("/shared/", f"{desk}/") for word in words[1:]]
        if "half_frozen" in line and not (desk / "half_frozen.py").exists():
            # The name is there where the plugin is installed: tests/examples/test_plugin.py. Here it lies on the path.
            asked = [re.sub(r"\bhalf_frozen\b(?!:)", "half_frozen:HalfFrozen", word) for word in asked]
        harness(*asked, *QUICK.get(asked[0], []))
    elif words[0] == "make":
        subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, check=True, capture_output=True)
        if words[1] == "benchmark":
            # The same as harness run and harness report, which the pages have as well; what it leaves is there already.
            options = dict(word.split("=") for word in words[2:])
            assert load_suite(options.get("SUITE", "default"))
            (desk / Path(options.get("OUT", "done")).name).symlink_to(desk / "results")
    elif words[0] == "sbatch":
        carry_out(shlex.split(words[words.index("--wrap") + 1]), desk, harness)
    else:
        assert line.startswith(ELSEWHERE), f"nobody checks: {line}"


def test_every_command_has_a_place_in_the_reference_of_the_command_line() -> None:
    from harness.cli import _COMMANDS

    shown = {
        words[1]
        for block in blocks(ROOT / "docs/api/cli.md")
        for words in commands(block.text)
        if words[0] == "harness"
    }
    assert set(_COMMANDS) <= shown


def test_every_public_name_has_a_place_in_the_reference() -> None:
    asked = {line.removeprefix("::: ") for page in ROOT.glob("docs/api/*.md") for line in page.read_text().splitlines()}
    for name, home in vars(package)["_HOME"].items():
        assert f"harness.{home}.{name}" in asked, f"{name} is missing in docs/api"
