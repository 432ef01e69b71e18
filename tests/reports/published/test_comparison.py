"""A comparison answers: what can be compared first, unknown never the same, and what it would take for the rest."""

import re
from pathlib import Path
from typing import Any

import pytest

import reports.published
from harness.config.suites import suites
from harness.storage.records import line_of, parse_line
from reports.published.baselines import published
from reports.published.compare import compare
from reports.published.comparison import comparison
from reports.published.conditions import TRAINING
from reports.published.protocols import protocols
from reports.publishing.export import export

CIFAR: dict[str, Any] = {"name": "cifar10", "year": 2009, "domain": "object", "kind": "multiclass", "num_classes": 10,
         "provenance": "real", "phase": "development",
         "sizes": {"train": 50_000, "dev": 5_000, "dev_test": 5_000, "test": 10_000}}  # fmt: skip
RESNET20 = "12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8"
ORIGINAL = {"backbone": "cifar_resnet(weights='resnet20.th')", "weights_hash": RESNET20, "size": 32, "scoring": "test"}


@pytest.fixture
def dense(one, tmp_path):
    """A run of ResNet-20 as it was trained, that errs on 8.27 % of CIFAR-10."""
    one(tmp_path / "runs", "as_trained", "0.01ep", 0, stream="official(name=cifar10)", tasks=[CIFAR], setting=ORIGINAL,
        error_of=lambda *_: 0.0827)  # fmt: skip
    return tmp_path / "runs"


def test_a_published_accuracy_is_reproduced_whatever_the_place_of_the_weights(dense):
    frame = compare([dense], ["pytorch_resnet_cifar10"]).frame.set_index("what")
    row = frame.loc["ResNet-20, dense"]
    assert (row["verdict"], row["distance"]) == ("reproduced", pytest.approx(0))
    assert row["unknown"] == "precision"
    assert frame.loc["ResNet-56, dense", "verdict"] == "not comparable"
    assert "net" in frame.loc["ResNet-56, dense", "why"]


def test_what_a_source_leaves_open_is_unknown_and_never_the_same(dense, tmp_path):
    (tmp_path / "mine.toml").write_text(
        'id = "mine"\ntitle = "Mine"\ncitation = "me"\naddress = "https://example.org"\nread = "paper"\n'
        '[[numbers]]\nwhat = "dense"\nmetric = "error"\nvalue = 8.5\nunit = "%"\nwhere = "Table 1"\n'
        'task = "CIFAR-10"\nstrategy = "as_trained"\n'
    )
    (row,) = compare([dense], [str(tmp_path / "mine.toml")]).frame.to_dict("records")
    assert row["verdict"] == "reproduced"
    assert row["unknown"] == "net, weights, image size, precision, scored split, test images"


def test_the_few_lines_of_the_guide_are_a_baseline(dense, tmp_path):
    guide = (Path(__file__).parents[3] / "docs" / "howto" / "compare.md").read_text()
    (lines,) = re.findall(r"```toml[^\n]*\n(id = .*?)```", guide, flags=re.DOTALL)
    (tmp_path / "mine.toml").write_text(lines)
    assert len(compare([dense], [str(tmp_path / "mine.toml")]).frame) == 1


def test_fewer_training_images_are_another_condition_only_for_who_learns(one, tmp_path):
    few = {**CIFAR, "sizes": {**CIFAR["sizes"], "train": 3_000}}
    for strategy in ("as_trained", "channel_pruned(flops=0.476, lr=0.01, score=l1)"):
        one(tmp_path, strategy, "20ep", 0, tasks=[few],
            setting={**ORIGINAL, "backbone": "cifar_resnet(depth=56, weights='x.th')"})  # fmt: skip
    frame = compare([tmp_path], ["torch_pruning"]).frame.set_index("what")
    assert frame.loc["ResNet-56, dense", "verdict"] != "not comparable"
    pruned = frame.loc["ResNet-56 at about 2.1x fewer FLOPs, L1"]
    assert pruned["why"] == "training images 3,000 here, 50,000 there"
    assert {"budget", "training recipe"} <= set(pruned["unknown"].split(", "))


DIGITS: list[dict[str, Any]] = [
    {"name": f"mnist-{k + 1}of5", "year": 1998, "domain": "OCR", "kind": "binary", "num_classes": 2,
     "provenance": "real", "phase": "development",
     "sizes": {"train": 12_000, "dev": 1_200, "dev_test": 1_200, "test": 2_000}}
    for k in range(5)
]  # fmt: skip
SI = next(n.strategy for n in published()["avalanche_reproductions"].numbers if "damping" in (n.strategy or ""))


def test_a_score_of_a_whole_stream_is_the_mean_over_its_tasks_after_the_last(one, tmp_path):
    def split_mnist(out, test):
        tasks = [{**task, "sizes": {**task["sizes"], "test": test}} for task in DIGITS]
        run = one(tmp_path / out, SI, "10ep", 0, stream="official(name=mnist, tasks=5)", tasks=tasks,
                  setting={"backbone": "split_mlp", "weights_hash": "", "size": 28, "scoring": "test"},
                  error_of=lambda *_: 0.01)  # fmt: skip
        lines = [parse_line(line) for line in (run / "events.jsonl").read_text().splitlines(keepends=True)]
        last = next(line for line in lines if line["event"] == "eval" and line["task"] == "mnist-5of5")
        again = [{**last, "task": f"mnist-{k}of5", "value": 0.035} for k in range(1, 5)]
        (run / "events.jsonl").write_text("".join(map(line_of, [*lines[:-1], *again, lines[-1]])))
        return compare([tmp_path / out], ["avalanche_reproductions"]).frame.set_index("what")

    frame = split_mnist("whole", 2_000)
    row = frame.loc["Split-MNIST, task-incremental, Synaptic Intelligence"]
    assert row["ours"] == pytest.approx(1 - (4 * 0.035 + 0.01) / 5), "not the .99 right after each task"
    assert (row["verdict"], row["unknown"]) == ("reproduced", "precision")
    assert set(frame["verdict"].drop(row.name)) == {"not comparable"}
    assert "test images 5,000 here, 10,000 there" in split_mnist("part", 1_000).loc[row.name, "why"]


def test_another_share_of_flops_is_another_condition(one, tmp_path):
    one(tmp_path, "channel_pruned(flops=0.7, score=l1)", "20ep", 0, tasks=[CIFAR],
        setting={**ORIGINAL, "backbone": "cifar_resnet(depth=56)"})  # fmt: skip
    frame = compare([tmp_path], ["torch_pruning"]).frame.set_index("what")
    assert "share of FLOPs" in frame.loc["ResNet-56 at about 2.1x fewer FLOPs, L1", "why"]


def test_the_answer_begins_with_what_can_be_compared_and_fits_the_terminal(dense):
    text = comparison([dense]).answer(named="runs")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("Published numbers beside yours")
    assert re.search(r"pytorch_resnet_cifar10 +ResNet-20, dense +8.27 +8.27 +\+0.00 % reproduced", text)
    assert "harness run published-cifar10-resnet56 --final" in text
    assert re.search(r"\d+ more need .*ImageNet.*harness compare runs --all", text)


def test_every_number_fits_the_terminal_with_its_reason_and_what_would_change_it(dense):
    text = comparison([dense]).every_number()
    assert max(map(len, text.splitlines())) <= 100
    assert sum(len(one.numbers) for one in published().values()) <= len(text.splitlines())
    assert all(f"{one.id}  {one.address}" in text for one in published().values())
    lines = " ".join(text.split())
    assert (
        "harness run published-cifar10-resnet20-finetuned --final: needs CIFAR-10, resnet20.th; about 3 hours" in lines
    )
    assert "no suite makes runs for it" in lines


def test_a_default_result_is_answered_in_100_columns_with_its_claims(results):
    text = comparison([results]).answer(named="results")
    assert max(map(len, text.splitlines())) <= 100
    assert re.search(r"^C1  \w+: At low compute", text, flags=re.MULTILINE)
    assert "nothing we record measures this" not in text
    assert text.splitlines()[0] == "No published number can be compared with these runs."


def test_what_a_claim_measures_points_to_the_claim(results):
    (row,) = compare([results], ["compute_optimal_transfer"]).frame.to_dict("records")
    assert row["claim"] == "C1"
    assert "claim C1" in row["why"]


def test_a_bundle_is_a_baseline_and_equal_records_are_the_same(results, tmp_path):
    bundle = export([results], tmp_path / "theirs.tar.xz").file
    found = comparison([results], [str(bundle)])
    assert not len(found.published.frame)
    assert set(found.references.frame["verdict"]) == {"the same"}
    assert len(found.references.frame) == 7 * 3
    assert max(map(len, found.answer().splitlines())) <= 100


def test_cells_beside_a_reference_name_what_differs_and_are_judged_by_their_spread(one, tmp_path):
    def run(out, seeds, error, **changes):
        for seed in range(seeds):
            one(tmp_path / out, "finetune", "1ep", seed, error_of=lambda *x: error + 0.001 * x[3], **changes)
        return export([tmp_path / out], tmp_path / f"{out}.tar.xz").file

    run("mine", 3, 0.2)
    cases: list[tuple[str, float, dict[str, Any], str, str]] = [
        ("close", 0.2005, {}, "within spread", "seeds"),
        ("far", 0.3, {}, "differs", "seeds"),
        ("older", 0.3, {"setting": {"protocol_version": 0}}, "not judged", "protocol 1, the reference's 0"),
        ("rewritten", 0.3, {"strategy_version": 2}, "not judged", "strategy version 1, the reference's 2"),
        ("elsewhere", 0.2005, {"fingerprint": "e" * 64}, "within spread", "by name and size only"),
    ]
    for name, error, changes, verdict, why in cases:
        bundle = run(name, 3, error, **changes)
        (row,) = comparison([tmp_path / "mine"], [str(bundle)]).references.frame.to_dict("records")
        assert row["verdict"] == verdict
        assert why in row["why"]


def test_the_shipped_records_reproduce_published_accuracies_of_five_nets():
    frame = compare([Path(reports.published.__file__).parent / "records" / "remade.tar.xz"]).frame
    judged = frame[frame["verdict"].isin(["reproduced", "within spread", "differs"])]
    verdicts = {(row["source"], row["what"]): row["verdict"] for _, row in judged.iterrows()}
    for net in ("ResNet-20", "ResNet-32", "ResNet-56"):
        row = judged[(judged["source"] == "pytorch_resnet_cifar10") & (judged["what"] == f"{net}, dense")].iloc[0]
        assert abs(row["distance"]) < 0.005
    assert verdicts["distiller", "ResNet-20, dense"] == "reproduced"
    assert verdicts["fashion_mnist", "MLP 256-128-100, no preprocessing"] == "within spread"
    assert verdicts["fashion_mnist", "2 Conv+pooling, no preprocessing, TensorFlow's guide"] == "reproduced"
    assert not any(source == "elpv" for source, _ in verdicts), "which cells the paper tests is unknown"


def test_other_images_of_the_same_name_are_no_shared_task(one, tmp_path):
    one(tmp_path / "mine", "finetune", "1ep", 0, tasks=[CIFAR])
    fewer = {**CIFAR, "sizes": {**CIFAR["sizes"], "train": 600}}
    one(tmp_path / "theirs", "finetune", "1ep", 0, tasks=[fewer], fingerprint="e" * 64)
    bundle = export([tmp_path / "theirs"], tmp_path / "theirs.tar.xz").file
    assert comparison([tmp_path / "mine"], [str(bundle)]).references.frame.empty


def test_every_suite_of_a_published_protocol_says_what_it_needs_and_costs():
    named = {number.suite for one in published().values() for number in one.numbers if number.suite}
    shipped = {name for name in suites() if name.startswith("published-")}
    assert named <= shipped
    assert named <= set(protocols()) <= shipped


@pytest.mark.parametrize("name", sorted(name for name in suites() if name.startswith("published-")))
def test_a_published_suite_is_refused_without_its_data_and_says_what_is_missing(name, tmp_path, monkeypatch):
    from harness.config.suite import load_suite
    from harness.core.errors import UserError

    monkeypatch.setenv("NEVIS_HARNESS_DATA", str(tmp_path))
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"are not here|are not at|no weights file|cannot"):
        load_suite(name).specs()


def test_the_options_of_training_are_those_of_recipes():
    from dataclasses import fields

    from harness.learning.recipe import LearnerRecipe

    assert {field.name for field in fields(LearnerRecipe)} == TRAINING
