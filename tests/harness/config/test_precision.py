"""``precision = "auto"`` is settled before a run has a key: by the net and by the processor."""

from pathlib import Path

import pytest
from torch import nn

from harness.config import precision
from harness.config.precision import resolved
from harness.config.suite import load_suite
from harness.core.errors import UserError


class Builds:
    """A backbone of one convolution."""

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def build(self, *, pretrained: bool) -> nn.Module:
        assert not pretrained
        return nn.Sequential(nn.Conv2d(8, 8, 3, groups=self.groups))


@pytest.mark.parametrize(
    ("groups", "computes", "becomes"), [(1, True, "bf16"), (8, True, "fp32"), (2, True, "bf16"), (1, False, "fp32")]
)
def test_auto_is_bf16_where_net_and_processor_reward_it(
    groups: int, computes: bool, becomes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "computes_bf16", lambda: computes)
    assert resolved("auto", Builds(groups)) == becomes
    assert [resolved(written, Builds(groups)) for written in ("fp32", "bf16")] == ["fp32", "bf16"]


def test_a_run_has_what_auto_became(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {}
    for written in ("auto", "fp32", "bf16"):
        path = tmp_path / f"{written}.toml"
        path.write_text(
            'streams = ["tiny:bars"]\nstrategies = ["tiny:Finetune"]\nbudgets = ["1ep"]\n'
            f'[setting]\nbackbone = "tiny:net"\nsize = 16\nprecision = "{written}"\n'
        )
        monkeypatch.setattr(precision, "computes_bf16", lambda: True)
        monkeypatch.setattr(precision, "has_depthwise", lambda net: False)
        (keys[written],) = [spec.key for spec in load_suite(str(path)).specs()]
    assert keys["auto"] == keys["bf16"] != keys["fp32"]


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('streams = ["a"]\nstrategies = ["b"]\nbudgets = ["1ep"]\n[setting]\nprecision = "fp16"\n')
    with pytest.raises(UserError, match="precision"):
        load_suite(str(path))
