"""What people write is read without being run, and what is wrong is said in one line with the nearest right thing."""

import json
import tomllib
from pathlib import Path

import pytest
from command import Harness
from hypothesis import given
from hypothesis import strategies as st

from harness.config.notation import Written, parse
from harness.config.registry import make
from harness.config.suite import load_suite
from harness.core.budget import Budget
from harness.core.errors import UserError
from harness.core.task import Phase, Split

WORDS = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda w: w not in {"inf"} and not __import__("keyword").iskeyword(w)
)
VALUES = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(), st.text(max_size=9)
)


@given(name=WORDS, options=st.dictionaries(WORDS, VALUES | st.lists(VALUES, max_size=3), max_size=3))
def test_what_is_written_is_read_back(name: str, options: dict[str, object]) -> None:
    assert parse(str(Written(name, options))) == Written(name, options)


def test_a_bare_word_stands_for_itself() -> None:
    assert parse("finetune(init=scratch, lr=1e-2)") == parse("finetune(init='scratch', lr=0.01)")
    assert parse("nevis-mini").name == "nevis-mini"
    assert parse("torchvision:resnet50(weights=none)").name == "torchvision:resnet50"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(",
        "a(",
        "a)",
        "a(1)",
        "a(**b)",
        "a(b=__import__('os').system('x'))",
        "a(b=x y)",
        "a(b='x)",
        "a(b=[1)",
        "a(b=1)(c=2)",
        "a(b=1, b=2)",
        "a(b=fold:x/y)",
        "a b",
        "é" * 9,
        "a(" + "(" * 500,
    ],
)
def test_what_is_no_name_with_literals_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"cannot read"):
        parse(text)


@pytest.mark.parametrize(
    "inner",
    [
        "nevis22(seed=4, tasks=[voc-2007, umist])",
        "nevis-mini",
        "my_module:stream(k=[1, (2, x)])",
        "folder(name='a (b), c.toml')",
    ],
)
def test_a_spec_inside_another_takes_every_form_that_stands_outside(inner: str) -> None:
    quoted = parse(f"capped(stream={str(parse(inner))!r}, train=250)")
    assert parse(f"capped(stream={inner}, train=250)") == quoted
    assert parse(quoted.options["stream"]) == parse(inner)


def test_words_with_other_signs_are_asked_for_in_quotes() -> None:
    with pytest.raises(UserError, match="written in quotes"):
        parse("nevis22(tasks=[voc/2007])")
    assert parse("nevis22(tasks=[voc-2007])").options["tasks"] == ["voc-2007"]


@pytest.mark.parametrize("text", ["0.1ep", "2e+12flops", "60s", "stream:1ep", "stream:60s"])
def test_budgets_are_read_back(text: str) -> None:
    assert str(Budget.parse(text)) == text


@pytest.mark.parametrize("text", ["", "ep", "-1ep", "0s", "1", "1 epoch", "1e999flops", "stream:", "1.2.3ep", "nanep"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="budget"):
        Budget.parse(text)


@given(epochs=st.floats(1e-3, 1e3), dense=st.floats(1, 1e12), images=st.integers(1, 10**6))
def test_an_epoch_is_the_dense_nets_training_over_all_images(epochs: float, dense: float, images: int) -> None:
    assert Budget(epochs=epochs).flops_for(dense_flops=dense, images=images) == epochs * dense * images


GOOD = """streams = ["tiny:bars"]
strategies = ["tiny:Finetune"]
budgets = ["1ep"]
[setting]
backbone = "tiny:net"
size = 16
"""


def test_a_sweep_is_every_combination(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    swept = 'use = "tiny:Finetune"\nsweep = {lr = [0.1, 0.2], dies_at = ["a"]}'
    path.write_text(f'streams = ["tiny:bars"]\nbudgets = ["1ep"]\n[[strategies]]\n{swept}\n')
    assert load_suite(str(path)).strategies == ("tiny:Finetune(lr=0.1, dies_at=a)", "tiny:Finetune(lr=0.2, dies_at=a)")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD.replace("[setting]", "strems = 1\n[setting]"), "no key 'strems'; did you mean 'streams'?"),
        (GOOD.replace("size", "sise"), "no key 'sise'; did you mean 'size'?"),
        (GOOD.replace("tiny:bars", "nevis-mni"), "no stream 'nevis-mni'; did you mean 'nevis-mini'?"),
        (GOOD.replace("tiny:Finetune", "finetun"), "no strategy 'finetun'; did you mean 'finetune'?"),
        (GOOD.replace("tiny:Finetune", "tiny:Finetun"), "did you mean 'Finetune'?"),
        (GOOD.replace("tiny:Finetune", "tiny:Finetune(lrr=1)"), "did you mean 'lr'?"),
        (GOOD.replace("tiny:Finetune", "tiny:Finetune(lr=fast)"), "option lr='fast' does not fit"),
        (GOOD.replace("tiny:Finetune", "filter_pruned(keep=1.0)"), "removes nothing"),
        (GOOD.replace("tiny:Finetune", "nowhere:Thing"), "no module 'nowhere'"),
        (GOOD.replace("1ep", "1epoch"), "cannot read budget '1epoch'"),
        (GOOD.replace("tiny:net", "efficientnet_lite9"), "did you mean 'efficientnet_lite"),
        (GOOD.replace('["1ep"]', '"1ep"'), "budgets = '1ep'"),
        (GOOD.replace('["1ep"]', "[]"), "budgets = []"),
        (GOOD.replace("size = 16", "size = 0"), "setting.size = 0"),
        (GOOD.replace('streams = ["tiny:bars"]', ""), "key 'streams' is missing"),
        (GOOD.replace("budgets", "seeds = []\nbudgets"), "seeds are []"),
        ("streams = [", "is not TOML"),
        ("\x00", "is not TOML"),
    ],
)
def test_a_wrong_suite_is_one_line_and_nothing_is_written(
    harness: Harness, tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "bad.toml").write_text(content)
    lines = harness("run", "bad.toml", "--out", "out", code=2).stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert said in lines[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rn", "smoke"), "did you mean 'run'?"),
        (("run", "smoek"), "did you mean 'smoke'?"),
        (("run", "gone.toml"), "cannot read suite gone.toml"),
        (("run", "smoke", "--seeds", "0"), "--seeds"),
        (("run", "smoke", "--shard", "3/2"), "--shard 3/2"),
        (("run", "smoke", "--device", "quantum"), "--device quantum"),
        (("check", "finetune", "--device", "quantum"), "--device quantum"),
        (("run", "smoke", "--executor", "abacus"), "no executor 'abacus'"),
        (("list", "strategy"), "did you mean 'strategies'?"),
        (("show", "task", "digits"), "expected STREAM/TASK"),
        (("show", "strategy", "filter_pruned(keep=2.0)"), "keep"),
    ],
)
def test_a_wrong_command_is_one_line_and_exit_code_2(harness: Harness, arguments: tuple[str, ...], said: str) -> None:
    lines = harness(*arguments, code=2).stderr.splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_a_folder_that_cannot_be_written_is_said_before_any_run(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(GOOD)
    (tmp_path / "file").write_text("")
    said = harness("run", "s.toml", "--out", "file/out", code=2).stderr
    assert "cannot write results to file/out" in said


def test_a_working_folder_that_is_gone_is_said(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said = harness("list", "suites", code=2)
    assert said.stderr == "error: the folder in which this was called is gone; go to one that is there\n"


def test_json_is_one_document_and_nothing_else(harness: Harness) -> None:
    for kind in ("streams", "strategies", "backbones", "suites"):
        assert all(row["name"] for row in json.loads(harness("list", kind, "--json").stdout))
    shown = json.loads(harness("show", "stream", "tiny:bars", "--json").stdout)
    assert shown.keys() == {"name", "version", "fingerprint", "tasks"}
    assert shown["tasks"][1]["kind"] == "multilabel"
    assert shown["tasks"][3]["phase"] == "held_out"
    counts = json.loads(
        harness("show", "strategy", "tiny:Finetune", "--backbone", "tiny:net", "--size", 16, "--json").stdout
    )
    assert counts["dense"] == counts["adapted"]
    assert counts["dense"].keys() == {"parameters", "flops_forward", "train_flops_per_image"}


def test_a_plan_prices_the_runs_that_are_missing(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(GOOD)
    before = json.loads(harness("plan", "s.toml", "--out", "out", "--json").stdout)
    assert (before["runs"], before["missing"], before["tasks"]) == (1, 1, 3)
    assert not (tmp_path / "out").exists()
    harness("run", "s.toml", "--out", "out")
    after = json.loads(harness("plan", "s.toml", "--out", "out", "--json").stdout)
    assert (after["done"], after["missing"], after["flops"]) == (1, 0, 0)
    spent = [
        json.loads(line)["flops"]
        for line in next(tmp_path.rglob("events.jsonl")).read_text().splitlines()
        if '"learn"' in line
    ]
    assert 0.9 * before["flops"] <= sum(spent) <= before["flops"]


def test_a_plan_says_what_a_budget_is_in_images_shown_bands_and_steps(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(GOOD)
    arguments = ("plan", "s.toml", "--budget", "0.5ep", "--budget", "50ep", "--budget", "9s")
    half, fifty, seconds = json.loads(harness(*arguments, "--json").stdout)["budgets"]
    stream = make("streams", tomllib.loads(GOOD)["streams"][0])
    sizes = [task.sizes[Split.TRAIN] for task in stream if task.phase is Phase.DEVELOPMENT]
    assert (half["least"], half["most"]) == pytest.approx((min(sizes) / 2, max(sizes) / 2))
    assert fifty["most"] == pytest.approx(100 * half["most"])
    assert seconds["most"] == 0
    said = harness(*arguments).stdout
    assert f"50ep: {50 * min(sizes):,} to" in said or f"50ep: {50 * min(sizes):,} images" in said
    assert "(under 1,000 images)" in said
    assert "9s: as many images as the device manages" in said


def test_shards_are_every_run_once(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(GOOD)
    found = []
    for shard in ("1/3", "2/3", "3/3"):
        facts = json.loads(harness("plan", "s.toml", "--seeds", 7, "--shard", shard, "--json").stdout)
        found += [row["key"] for row in facts["missing_runs"]]
    assert len(found) == len(set(found)) == 7


def test_results_are_compared_shared_and_asked_for_advice(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(GOOD)
    harness("run", "s.toml", "--out", "out", "--strategy", "tiny:Finetune", "--strategy", "tiny:OwnLoop", "--seeds", 2)
    assert "tiny:OwnLoop" in harness("report", "out").stdout
    assert (tmp_path / "out" / "report" / "report.html").exists()
    harness("export", "out", "--out", "mine.toml")
    assert "tiny:Finetune" in harness("compare", "out", "--baseline", "mine.toml").stdout
    flops = json.loads(harness("plan", "s.toml", "--json").stdout)["flops"] / 3
    advice = json.loads(harness("advise", "out", "--flops", flops, "--json").stdout)
    assert advice[0]["candidates"]
    assert "ready" in harness("data", "status", "tiny:bars").stdout
    for wrong in (("report", "gone"), ("compare", "out", "--baseline", "gone"), ("advise", "out", "--flops", "much")):
        assert len(harness(*wrong, code=2).stderr.splitlines()) == 1


def test_words_that_python_keeps_for_itself_are_words_like_others() -> None:
    assert parse("pruned(allocation=global, keep=0.5)") == Written("pruned", {"allocation": "global", "keep": 0.5})
    assert parse(str(parse("pruned(allocation = global )"))) == Written("pruned", {"allocation": "global"})
