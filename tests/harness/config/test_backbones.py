"""A suite may be about several nets: each is a board of its own, and a run is what it would be in a suite of one."""

import json
from pathlib import Path

import pytest
from command import Harness

from harness.cli.deciding import decide
from harness.config.suite import load_suite
from harness.core.errors import UserError
from reports.boards.board import boards
from reports.reading.frame import read

NETS = ("tiny:net", "cifar_resnet")


def _suite(place: Path, head: str, setting: str = "") -> str:
    path = place / "s.toml"
    path.write_text(
        'streams = ["tiny:bars(tasks=2)"]\nstrategies = ["ridge"]\nbudgets = ["1ep"]\n'
        f"{head}\n[setting]\nsize = 16\n{setting}\n"
    )
    return str(path)


def test_a_run_of_several_nets_has_the_key_it_has_alone(tmp_path: Path) -> None:
    alone = [load_suite(_suite(tmp_path, "", f'backbone = "{net}"')).specs()[0].key for net in NETS]
    both = load_suite(_suite(tmp_path, f"backbones = {json.dumps(NETS)}")).specs()
    assert [spec.key for spec in both] == alone
    assert [spec.setting.backbone for spec in both] == list(NETS)


def test_each_net_is_a_board_and_they_stand_side_by_side(harness: Harness, tmp_path: Path) -> None:
    suite = _suite(tmp_path, "", 'backbone = "tiny:net"')
    asked = [part for net in NETS for part in ("--backbone", net)]
    assert json.loads(harness("plan", suite, *asked, "--json").stdout)["runs"] == 2
    lines = harness("run", suite, *asked, "--out", "out", "--jobs", 1).stderr
    assert "2 of 2 runs done" in lines
    assert all(f"{net} " in lines for net in NETS), "a line says of which net it is"
    found = boards(read([tmp_path / "out"]))
    assert sorted(str(board.setting["backbone"]) for board in found) == sorted(NETS)
    assert len({board.setting["stream"] for board in found}) == 1


def test_one_net_or_several_but_not_both_and_each_by_a_known_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"give backbones = \[\.\.\.\] or setting\.backbone, not both"):
        load_suite(_suite(tmp_path, 'backbones = ["tiny:net"]', 'backbone = "tiny:net"'))
    with pytest.raises(UserError, match="did you mean 'cifar_resnet'"):
        load_suite(_suite(tmp_path, 'backbones = ["tiny:net", "cifar_resnt"]')).specs()


def test_a_decision_is_about_one_of_them(tmp_path: Path) -> None:
    suite = _suite(tmp_path, f"backbones = {json.dumps(NETS)}")
    with pytest.raises(UserError, match="is about tiny:net, cifar_resnet, a decision about one of them"):
        decide("ridge", "ncm", suite=suite, out=tmp_path)
