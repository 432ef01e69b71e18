"""Published numbers come through unchanged, with a source; a pair that is not like for like says why."""

import re
import tomllib
from pathlib import Path

import pytest

import reports.published.baselines
from harness.config.notation import parse
from harness.core.errors import UserError
from reports.published import counts
from reports.published.baselines import chosen, listing, load, published
from reports.published.compare import compare, compared
from reports.published.conditions import same_strategy
from reports.publishing.export import export
from reports.reading.frame import read
from reports.tables.table import text

FILES = sorted(Path(reports.published.baselines.__file__).parent.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_source_has_an_address_and_every_number_a_place(path):
    baseline = load(path)
    assert baseline.id == path.stem
    assert re.fullmatch(r"https://\S+", baseline.address)
    assert all(number.where for number in baseline.numbers)
    assert baseline.differences or any(number.suite for number in baseline.numbers)


def test_a_published_number_comes_through_compare_unchanged(results):
    table = compare([results])
    for path in FILES:
        content = tomllib.loads(path.read_text())
        shown = table.frame[table.frame["source"] == path.stem]["theirs"]
        assert [number["value"] for number in content["numbers"]] == list(shown)


def test_every_number_has_a_verdict_and_a_reason(results):
    frame = compare([results]).frame
    assert (frame["verdict"] != "").all()
    assert (frame["why"] != "").all()
    assert len(frame) == sum(entry["numbers"] for entry in listing())


def test_the_published_counts_of_torch_pruning_are_reproduced(results):
    frame = compare([results], ["torch_pruning"]).frame.set_index("what")
    counted = frame[frame["by"] == "arithmetic on layer shapes"]
    assert list(counted["verdict"]) == ["reproduced"] * 4
    assert counted.loc["ResNet-18, every width halved, parameters", "ours"] == pytest.approx(3.06, abs=0.005)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_counts_by_arithmetic_agree_with_the_real_net(name):
    import torch
    import torchvision
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        net = torchvision.models.get_model(name, weights=None).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(torch.zeros(1, 3, 224, 224))
    mine = counts.channel_pruned(counts.RESNETS[name], 1.0)
    assert mine.parameters == sum(p.numel() for p in net.parameters())
    assert 2 * mine.macs == counter.get_total_flops()


def test_counts_at_half_width_agree_with_a_net_that_is_really_pruned():
    import torch
    import torch_pruning
    import torchvision
    from torch.utils.flop_counter import FlopCounterMode

    net, image = torchvision.models.resnet18(weights=None), torch.zeros(1, 3, 224, 224)
    torch_pruning.pruner.MagnitudePruner(
        net, image, importance=torch_pruning.importance.MagnitudeImportance(p=1), pruning_ratio=0.5,
        ignored_layers=[net.fc], pruning_ratio_dict={}, customized_pruners={}, channel_groups={}, num_heads={},
        in_channel_groups={}, out_channel_groups={}, unwrapped_parameters=[],
    ).step()  # fmt: skip
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(image)
    mine = counts.channel_pruned(counts.RESNETS["resnet18"], 0.5)
    assert mine.parameters == sum(p.numel() for p in net.parameters())
    assert 2 * mine.macs == counter.get_total_flops()


def test_an_export_compares_with_itself_as_reproduced(results, tmp_path):
    out = export([results], tmp_path / "mine.toml").file
    frame = compare([results], [str(out)]).frame
    assert len(frame) == 7 * 3 * 8
    assert set(frame["verdict"]) == {"reproduced"}
    assert (frame["distance"].abs() < 1e-12).all()
    assert (frame["n"] == 2).all()


def test_another_size_is_not_comparable_and_says_so(one, results, tmp_path):
    out = export([results], tmp_path / "mine.toml").file
    one(tmp_path / "runs", "finetune", "1ep", 0, setting={"size": 32})
    frame = compare([tmp_path / "runs"], [str(out)]).frame
    pairs = frame[frame["by"] != ""]
    assert len(pairs) == 8
    assert set(pairs["verdict"]) == {"not comparable"}
    assert pairs["why"].str.contains("image size 32 here, 64 there").all()


def test_an_export_holds_names_of_any_kind(one, tmp_path):
    base = {
        "year": 2000,
        "domain": "x",
        "kind": "binary",
        "num_classes": 2,
        "provenance": "real",
        "phase": "development",
    }
    names = ['a "b" \\ c', "ligne\nnouvelle \x7f", "日本"]
    sizes = {"train": 9, "dev": 1, "dev_test": 5, "test": 1}
    one(tmp_path / "runs", "finetune", "1ep", 0, tasks=[{**base, "name": name, "sizes": sizes} for name in names])
    back = load(export([tmp_path / "runs"], tmp_path / "x.toml").file)
    assert [number.task for number in back.numbers] == names


def test_the_same_conditions_and_another_number_differ(one, results, tmp_path):
    out = export([results], tmp_path / "mine.toml").file
    content = out.read_text()
    moved = re.sub(r"^value = (.*)$", lambda m: f"value = {float(m.group(1)) + 30}", content, flags=re.MULTILINE)
    (tmp_path / "moved.toml").write_text(re.sub(r"(?m)^spread = .*\n", "", moved))
    assert set(compare([results], [str(tmp_path / "moved.toml")]).frame["verdict"]) == {"differs"}


def test_a_percentage_is_compared_in_percent_and_only_under_its_conditions(one, tmp_path):
    task = {"name": "cifar10", "year": 2009, "domain": "object", "kind": "multiclass", "num_classes": 10,
            "provenance": "real", "phase": "development",
            "sizes": {"train": 50, "dev": 5, "dev_test": 5, "test": 10}}  # fmt: skip
    setting = {"backbone": "torchvision:resnet50", "size": 224, "scoring": "test"}
    one(tmp_path, "finetune", "1ep", 0, tasks=[task], setting=setting)
    baseline = published()["sparse_imagenet_transfer"]
    frame = compared(read([tmp_path]), [baseline]).frame
    row = frame[frame["by"] != ""].iloc[0]
    error = read([tmp_path]).tasks["error"].iloc[0]
    assert row["theirs"] == 97.4
    assert row["ours"] == pytest.approx(100 * (1 - error))
    assert row["verdict"] == "not comparable"
    assert "150 epochs" in row["why"]
    same = baseline.model_copy(update={"differences": ()})
    assert compared(read([tmp_path]), [same]).frame.query("by != ''")["verdict"].iloc[0] == "differs"


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ("finetune", "finetune", True),
        ("finetune", "finetune(init=scratch)", False),
        ("filter_pruned(score=l1)", "filter_pruned(keep=0.5)", True),
        ("filter_pruned(score=random)", "filter_pruned(keep=0.5)", False),
        ("filter_pruned(score=random)", "filter_pruned(keep=0.5, score=random)", True),
        ("filter_pruned(keep=0.25)", "filter_pruned(keep=0.5)", False),
        ("channel_pruned", "filter_pruned(keep=0.5)", False),
        (None, "finetune", False),
    ],
)
def test_which_of_our_strategies_a_number_is_about(theirs, ours, expected):
    options = {"score": "l1", "init": "pretrained", **parse(ours).options}
    assert same_strategy(theirs, ours, options) is expected


def test_wrong_names_and_files_are_one_line(tmp_path, results):
    with pytest.raises(UserError, match="did you mean 'torch_pruning'"):
        chosen(["torch_prunning"])
    with pytest.raises(UserError, match="no baseline file"):
        chosen(["nowhere.toml"])
    (tmp_path / "bad.toml").write_text("id = 'x'\nnumbers = 3")
    with pytest.raises(UserError, match="cannot read baseline"):
        chosen([str(tmp_path / "bad.toml")])
    with pytest.raises(UserError, match=r"ends in \.tar\.xz"):
        export([results], tmp_path / "x.csv")
    with pytest.raises(UserError, match="nothing to export"):
        export([tmp_path], tmp_path / "x.toml")


def test_the_comparison_fits_a_terminal_as_text(results):
    lines = text(compare([results], ["torch_pruning"])).splitlines()
    assert lines[0].startswith("Source")
    assert len(lines) == 1 + 8
