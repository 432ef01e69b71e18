"""A thousand suite files and specs that are wrong in every way: exit 2, one line, no traceback, nothing written."""

import itertools
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from command import Harness
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config.suite import load_suite
from harness.core.budget import Budget
from harness.running import executor
from harness.running.study import shard_of

SUITE = """about = "one sentence"
streams = ["tiny:bars(tasks=2)"]
budgets = ["0.1ep", "stream:2e9flops", "60s"]
seeds = [0, 1]

[[strategies]]
use = "tiny:Finetune(lr=0.1)"
sweep = {lr = [0.1, 0.2]}

[setting]
backbone = "tiny:net"
size = 16
precision = "fp32"
"""
VALUES = [
    "1",
    "-1",
    "0.5",
    "true",
    '""',
    '"x"',
    "[]",
    "[[]]",
    "{}",
    "nan",
    "inf",
    "1979-05-27",
    '"\\u0000"',
    "[1, 'a']",
]
NAMES = ["tiny:SIZES", "tiny:np", "tiny:Net", "tiny:Finetune", "tiny:bars", "tiny:net", "tiny:Backbone", "tiny:task"]
NAMES += [
    "tiny",
    "tiny:",
    ":tiny",
    "tiny.bars:x",
    "finetune",
    "nevis-mini",
    "nevis22(variant=)",
    "os.path:join",
    "../x",
]
SPECS = ["filter_pruned(keep=0.5, score=l1)", "ot_fused(keep=0.3, layout=filter)", "tiny:Finetune(lr=0.1)", *NAMES]
SIGNS = "()[]{},=:'\"\\#.-+_*/ \n\t\0\x1baé☃0129e"


class Reached(Exception):
    """Nothing was wrong: the runs would begin now."""


def mangled(text: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(text) + 1)
        match rng.randrange(4):
            case 0:
                text = text[:at] + rng.choice(SIGNS) + text[at:]
            case 1:
                text = text[:at] + text[at + rng.randint(1, 6) :]
            case 2:
                text = text[:at] + rng.choice(SIGNS) + text[at + 1 :]
            case 3:
                text = text[:at]
    return text


def suites(rng: random.Random) -> Iterator[bytes]:
    lines = SUITE.splitlines(keepends=True)
    while True:
        number = rng.randrange(len(lines))
        key = lines[number].partition("=")[0]
        match rng.randrange(5):
            case 0:
                yield mangled(SUITE, rng).encode()
            case 1:
                changed = [*lines[:number], f"{key} = {rng.choice(VALUES)}\n", *lines[number + 1 :]]
                yield "".join(changed).encode()
            case 2:
                yield "".join(lines[:number] + lines[number + 1 :] + [lines[number]]).encode()
            case 3:
                place = rng.choice(["tiny:bars(tasks=2)", "tiny:Finetune(lr=0.1)", "tiny:net", "0.1ep"])
                yield SUITE.replace(place, rng.choice(NAMES)).encode()
            case 4:
                yield rng.randbytes(rng.randint(1, 60))


def arguments(rng: random.Random) -> Iterator[list[str]]:
    while True:
        option = rng.choice(["--strategy", "--strategy", "--stream", "--budget", "--backbone", "--shard"])
        base = {"--budget": "stream:0.1ep", "--shard": "1/3", "--backbone": "tiny:net"}.get(option, rng.choice(SPECS))
        written = mangled(base, rng).replace("\0", "?")
        yield [f"{option}={written}"]


PARTS = {
    "streams": st.sampled_from(["tiny:bars", "tiny:bars(tasks=2)", "tiny:bars(tasks=4)"]),
    "strategies": st.sampled_from(["tiny:Finetune", "tiny:OwnLoop", "tiny:Finetune(lr=0.5)", "tiny:Broken(how=nan)"]),
    "budgets": st.sampled_from(["0.1ep", "1ep", "stream:1ep", "60s", "1e9flops"]),
    "seeds": st.integers(0, 99),
}


@settings(deadline=None, max_examples=60)
@given(
    parts=st.fixed_dictionaries(
        {key: st.lists(one, min_size=1, max_size=4, unique=True) for key, one in PARTS.items()}
    ),
    shards=st.integers(1, 9),
)
def test_a_suite_is_every_combination_once_and_its_shards_are_all_of_it(
    tmp_path_factory: pytest.TempPathFactory, parts: dict[str, list[Any]], shards: int
) -> None:
    path = tmp_path_factory.mktemp("suite") / "s.toml"
    setting = '[setting]\nbackbone = "tiny:net"\nsize = 16\n'
    path.write_text("".join(f"{key} = {json.dumps(values)}\n" for key, values in parts.items()) + setting)
    specs = load_suite(str(path)).specs()
    found = [(spec.stream, spec.strategy, str(spec.budget), spec.seed) for spec in specs]
    assert sorted(found) == sorted(
        (stream, strategy, str(Budget.parse(budget)), seed)
        for stream, strategy, budget, seed in itertools.product(*(parts[key] for key in PARTS))
    )
    assert len({spec.folder for spec in specs}) == len({spec.key for spec in specs}) == len(specs)
    dealt = [spec.key for number in range(shards) for spec in shard_of(specs, f"{number + 1}/{shards}")]
    assert sorted(dealt) == sorted(spec.key for spec in specs)


@pytest.fixture
def refused(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Whether a command was refused as it should be; False where there was nothing to refuse."""

    def reached(*_: object, **__: object) -> NoReturn:
        raise Reached

    monkeypatch.setattr(executor, "run_all", reached)
    (tmp_path / "good.toml").write_text(SUITE)

    def call(suite: str, *options: str) -> bool:
        try:
            said = harness("run", suite, "--out", "out", *options, code=2)
        except Reached:
            shutil.rmtree(tmp_path / "out")
            return False
        assert said.stdout == ""
        assert len(said.stderr.splitlines()) == 1, said.stderr
        assert said.stderr.startswith("error: ")
        assert not (tmp_path / "out").exists()
        return True

    return call


@pytest.mark.parametrize("seed", range(5))
def test_a_malformed_suite_file_is_one_line_and_exit_code_2(refused: Any, tmp_path: Path, seed: int) -> None:
    count = 0
    for content in suites(random.Random(seed)):
        (tmp_path / "bad.toml").write_bytes(content)
        count += refused("bad.toml")
        if count == 100:
            return


@pytest.mark.parametrize("seed", range(5))
def test_a_malformed_spec_is_one_line_and_exit_code_2(refused: Any, seed: int) -> None:
    count = 0
    for options in arguments(random.Random(seed)):
        count += refused("good.toml", *options)
        if count == 100:
            return
