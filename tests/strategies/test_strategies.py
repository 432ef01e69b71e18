"""Does every strategy learn, keep its budget, and take back what it gave?"""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from harness.compute.flops import flops_forward, flops_train
from harness.compute.meter import ComputeMeter
from harness.config.registry import make
from harness.core.errors import UserError
from harness.core.spec import Precision
from harness.core.task import Split, Task
from harness.learning.batches import Features
from harness.learning.composition import Composition
from harness.learning.recipe import Settled
from harness.learning.strategy import Infeasible
from harness.learning.training import Diverged
from strategies.learners.nearest import neighbour_score, start_nearest
from strategies.learners.starting import recalibrate

Start = Callable[..., Any]
LEAST = {
    "finetune": 0.15, "finetune(init=previous)": 0.15, "finetune(init=nearest)": 0.15, "finetune(scope=norm)": 0.15,
    "finetune(scope=last_stage)": 0.2, "finetune(scope=head)": 0.25, "finetune(head_init=ridge)": 0.35,
    "finetune(head_init=ncm)": 0.4, "finetune(head_init=probe)": 0.35, "linear_probe": 0.5,
    "linear_probe(charge=uncached)": 0.25, "ncm": 0.5, "ridge": 0.55, "knn": 0.5,
}  # fmt: skip
"""What must be right of ten digits after 0.3 epochs at 32 px; chance is 0.1, and 0.14 two standard errors above it."""
FROM_FEW_UNITS = [
    "finetune(init=scratch)", "channel_pruned(flops=0.5)", "filter_pruned(keep=0.5)",
    "filter_pruned(score=random, recalibrate_bn=64)", "filter_pruned(init=scratch)", "ot_fused(keep=0.5)",
    "ot_fused(layout=channel, target_mass=free)",
]  # fmt: skip
"""Without pretraining, or with units removed, a net needs more images: a small one gets three epochs."""
CHARGES = ("cached", "uncached")


@pytest.mark.parametrize("spec", [*LEAST, *FROM_FEW_UNITS])
def test_a_budget_is_used_and_not_exceeded_and_something_is_learnt_for_it(spec: str, run: Start) -> None:
    if spec in LEAST:
        learnt, least = run(spec, epochs=0.3).learn(), LEAST[spec]
    else:
        learnt, least = run(spec, epochs=3, backbone="timm:test_resnet(weights=none)").learn(), 0.6
    assert learnt.meter.spent_flops <= learnt.meter.flops_budget * (1 + 1e-9)
    assert learnt.meter.spent_flops > 0.8 * learnt.meter.flops_budget
    assert learnt.accuracy() >= least


def test_a_probe_without_a_cache_gives_the_same_head_and_pays_for_every_look(run: Start) -> None:
    """At three epochs, which both can pay for; the backbone's forward pass is a third of its training, about."""
    cached, uncached = (run(f"linear_probe(epochs=3, charge={how})", epochs=1.5).learn() for how in CHARGES)
    assert torch.equal(cached.strategy.net.head.weight, uncached.strategy.net.head.weight)
    assert uncached.meter.flops["extract"] == pytest.approx(3 * cached.meter.flops["extract"])
    assert uncached.meter.flops["train"] == cached.meter.flops["train"]


def test_a_probe_without_a_cache_makes_the_epochs_it_is_paid_for(run: Start) -> None:
    cached, uncached = (run(f"linear_probe(charge={how})", epochs=0.8).learn() for how in CHARGES)
    assert cached.meter.flops["train"] / 30 == pytest.approx(uncached.meter.flops["train"] / 2.4, rel=0.05)
    assert uncached.accuracy() < cached.accuracy()


@pytest.mark.parametrize(("spec", "least"), [("linear_probe", 0.5), ("ridge", 0.6), ("ncm", 0.35), ("knn", 0.45)])
def test_frozen_features_tell_digits_apart_at_a_third_of_an_epoch(spec: str, least: float, run: Start) -> None:
    assert run(spec, epochs=0.4).learn().accuracy() >= least


def test_a_pruned_net_learns_digits_in_an_epoch(run: Start) -> None:
    assert run("filter_pruned(keep=0.5)", epochs=1, size=64).learn().accuracy() >= 0.5
    assert run("ot_fused(keep=0.5)", epochs=1, size=64).learn().accuracy() >= 0.5


@pytest.mark.parametrize("spec", ["finetune", "linear_probe", "ridge", "filter_pruned(keep=0.5)"])
def test_less_than_one_example_a_class_is_infeasible(spec: str, run: Start) -> None:
    with pytest.raises(Infeasible):
        run(spec, epochs=0.005).learn()


@pytest.mark.parametrize(("spec", "phase"), [("filter_pruned", "prune"), ("ot_fused", "fuse"), ("finetune", "train")])
def test_what_is_done_before_the_stream_is_told_by_name(spec: str, phase: str, run: Start) -> None:
    setup = run(spec, epochs=1).setup
    assert setup.seconds[phase] > 0
    assert (setup.flops[phase] > 0) is (spec == "ot_fused")
    assert sum(setup.flops.values()) == setup.flops[phase]


def test_only_the_part_that_is_named_learns(run: Start) -> None:
    for spec, learns in (
        ("finetune(scope=norm, choose=end)", lambda name: "bn" in name),
        ("finetune(scope=head, choose=end)", lambda name: False),
        ("finetune(scope=last_stage, choose=end)", lambda name: name.startswith(("blocks.6", "conv_head", "bn2"))),
    ):
        learnt = run(spec, epochs=0.3).learn()
        before = dict(learnt.ctx.body().named_parameters())
        for name, parameter in learnt.strategy.net.body.named_parameters():
            assert torch.equal(parameter, before[name]) is not learns(name), (spec, name)


def test_fewer_trainable_weights_cost_less(run: Start) -> None:
    costs = []
    for scope in ("head", "last_stage", "norm", "all"):
        net = run(f"finetune(scope={scope})", epochs=0.3).learn().strategy.net
        costs.append(flops_train(net, 2, 3, 32, 32))
    assert costs == sorted(costs)
    assert costs[0] < 0.4 * costs[-1]


def test_batch_norm_measured_anew_is_charged_and_is_measured(run: Start) -> None:
    learnt = run("filter_pruned(recalibrate_bn=64)", epochs=0.3).learn()
    assert learnt.meter.flops["recalibrate"] == 64 * flops_forward(learnt.net.body, 2, 3, 32, 32) / 2
    body, data = learnt.ctx.body(), learnt.task.load(Split.TRAIN)[:48]
    learnt.ctx.meter = ComputeMeter()
    recalibrate(body, data, learnt.ctx, images=48, name="all of them")
    first = next(module for module in body.modules() if isinstance(module, nn.BatchNorm2d))
    with torch.inference_mode():
        seen = next(m for m in body.modules() if isinstance(m, nn.Conv2d))(learnt.ctx.inputs(data))
    torch.testing.assert_close(first.running_mean, seen.mean((0, 2, 3)), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(first.running_var, seen.var((0, 2, 3)), rtol=1e-3, atol=1e-2)


def test_a_state_taken_back_goes_on_as_if_nothing_had_happened(run: Start) -> None:
    first = run("finetune(init=previous)", epochs=0.2).learn()
    second = run("finetune(init=previous)", epochs=0.2)
    second.strategy.load_state(first.strategy.state())
    results = []
    for one in (first, second):
        one.task = replace(one.task, name="digits again")
        one.meter = ComputeMeter(flops=first.meter.flops_budget)
        torch.manual_seed(0)
        one.learn()
        results.append(logits(one))
    torch.testing.assert_close(*results)


def logits(one: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = one.strategy.predict(one.task, one.ctx.inputs(one.task.load(Split.DEV_TEST)))
    return found


def test_previous_starts_where_the_task_before_ended(run: Start) -> None:
    """After a second task of very few steps the net is still near the end of the first, and far from the backbone."""
    one = run("finetune(init=previous)", epochs=0.6).learn()
    end = {name: value.clone() for name, value in one.strategy.net.body.named_parameters()}
    one.task = replace(one.task, name="second")
    one.meter = ComputeMeter(flops=0.1 * one.meter.flops_budget)
    one.learn()
    now, backbone = (dict(net.named_parameters()) for net in (one.strategy.net.body, one.ctx.body()))
    to_end, to_backbone = (sum((now[x] - other[x]).norm().item() for x in now) for other in (end, backbone))
    assert 0 < to_end < 0.5 * to_backbone


def test_the_nearest_start_is_the_net_whose_features_tell_the_classes_apart(run: Start) -> None:
    one = run("finetune(init=nearest)", epochs=2, size=32)
    good = one.ctx.body().state_dict()
    blind = {name: torch.zeros_like(value) for name, value in good.items()}
    body = one.ctx.body()
    body.load_state_dict(blind)
    one.ctx.meter = ComputeMeter(flops=one.meter.flops_budget)
    with one.ctx.meter as meter:
        start_nearest(body, [blind, good, blind], one.task, one.ctx, share=0.3, reserve=0)
    assert all(torch.equal(value, good[name]) for name, value in body.state_dict().items())
    assert 0.2 * meter.flops_budget < meter.flops["search"] == meter.spent_flops <= 0.3 * meter.flops_budget


def test_what_a_search_does_not_pay_for_is_not_begun(run: Start) -> None:
    one = run("finetune", epochs=0.05)
    body = one.ctx.body()
    one.ctx.meter = one.meter
    with one.meter:
        start_nearest(body, [one.ctx.body(pretrained=False).state_dict()], one.task, one.ctx, share=0.3, reserve=0)
    assert one.meter.spent_flops == 0
    assert all(torch.equal(value, body.state_dict()[name]) for name, value in one.ctx.body().state_dict().items())


def test_five_neighbours_vote_as_in_scikit_learn(digits: Task) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    train, dev = (digits.load(split) for split in (Split.TRAIN, Split.DEV))
    shown, asked = (Features(torch.from_numpy(data.images).flatten(1).float(), data.labels) for data in (train, dev))
    theirs = KNeighborsClassifier(n_neighbors=5).fit(shown.values, shown.labels).score(asked.values, asked.labels)
    assert neighbour_score(shown, asked, digits, "cpu") == pytest.approx(theirs, abs=0.011)


@pytest.mark.parametrize("method", ["Naive", "LwF", "SI", "MAS", "GEM", "AGEM"])
def test_methods_of_avalanche_keep_the_budget_over_two_tasks(method: str, run: Start) -> None:
    one = run(f"avalanche(method={method})", epochs=0.2)
    for name in ("first", "second"):
        one.task = replace(one.task, name=name)
        one.meter = ComputeMeter(flops=one.meter.flops_budget)
        one.learn()
        assert 0.7 < one.meter.spent_flops / one.meter.flops_budget <= 1 + 1e-9
    assert one.strategy.shares_weights
    one.task = replace(one.task, name="first")
    assert logits(one).shape == (200, 10)


@pytest.mark.parametrize("method", ["Naive", "GEM", "AGEM", "EWC"])
def test_statistics_hold_whatever_a_method_looks_at(method: str, run: Start) -> None:
    one = run(f"avalanche(method={method})", epochs=0.2, backbone="timm:test_resnet(weights=none)")
    before = {name: value.clone() for name, value in one.strategy.net.body.named_buffers()}
    for name in ("first", "second"):
        one.task = replace(one.task, name=name)
        one.meter = ComputeMeter(flops=one.meter.flops_budget)
        one.learn()
    assert all(torch.equal(value, before[name]) for name, value in one.strategy.net.body.named_buffers())


def test_a_head_of_avalanche_may_start_solved(run: Start) -> None:
    zero, means = (run(f"avalanche(head_init={how})", epochs=0.3).learn() for how in ("zero", "ncm"))
    assert means.meter.flops["extract"] > 0 == zero.meter.flops["extract"]
    assert means.accuracy() > zero.accuracy()


def test_naive_of_avalanche_costs_what_finetuning_costs(run: Start) -> None:
    ours, theirs = run("finetune", epochs=0.3).learn(), run("avalanche", epochs=0.3).learn()
    assert ours.meter.examples == theirs.meter.examples
    assert ours.meter.spent_flops == pytest.approx(theirs.meter.spent_flops, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "precision"),
    [
        ("lr=0.3, smoothing=0.4", "fp32"),
        ("lr=0.3, weight_decay=1.0", "fp32"),
        ("recipe=v3, init=scratch", "fp32"),
        ("lr=0.3, optimiser=adamw, head_lr=0.001, weight_decay=1.0, clip=0.5", "bf16"),
    ],
)
def test_naive_of_avalanche_is_finetuning(options: str, precision: Precision, run: Start) -> None:
    """All images in a batch, so that their order says nothing: what differs is the order of sums."""
    written = options if "recipe" in options else f"recipe=v1, {options}"
    theirs, ours = (
        run(
            f"{strategy}({written}, batch_size=400, augment=False)", epochs=5, backbone="timm:test_resnet(weights=none)"
        )
        for strategy in ("finetune", "avalanche")
    )
    begun = copy.deepcopy(ours.strategy.net.body)
    theirs.strategy.begin_with(begun)
    for one in (theirs, ours):
        one.ctx.setting = replace(one.ctx.setting, precision=precision)
        one.learn()
    assert theirs.meter.steps == ours.meter.steps >= 4
    assert ours.ctx.trainings[-1].loss_last == pytest.approx(theirs.ctx.trainings[-1].loss_last, rel=0.01)
    before, end = begun.state_dict(), ours.strategy.net.body.state_dict()
    for name, value in theirs.strategy.net.body.state_dict().items():
        moved = float((value - before[name]).float().norm())
        assert float((value - end[name]).float().norm()) <= 0.02 * moved + 1e-5, name


@pytest.mark.parametrize("method", ["Naive", "EWC", "LwF", "SI", "MAS", "Replay", "GEM", "AGEM"])
def test_every_method_of_avalanche_trains_in_the_number_format_of_the_setting(method: str, run: Start) -> None:
    one = run(f"avalanche(method={method}, smoothing=0.1)", epochs=0.3, backbone="timm:test_resnet(weights=none)")
    one.ctx.setting = replace(one.ctx.setting, precision="bf16")
    net, inside, seen = one.strategy.net, [False], set()
    # Prices are asked for outside of the net that Avalanche calls.
    net.register_forward_pre_hook(lambda *_: inside.__setitem__(0, True))
    net.register_forward_hook(lambda *_: inside.__setitem__(0, False))
    last = [module for module in net.body.modules() if isinstance(module, nn.Conv2d)][-1]
    last.register_forward_hook(lambda module, given, out: seen.add(out.dtype) if inside[0] else None)
    for name in ("first", "second"):
        one.task = replace(one.task, name=name)
        one.meter = ComputeMeter(flops=one.meter.flops_budget)
        one.learn()
        assert one.meter.steps > 0
        assert one.meter.spent_flops <= one.meter.flops_budget * (1 + 1e-9)
    assert seen == {torch.bfloat16}
    assert all(value.isfinite().all() for value in net.state_dict().values())


def test_labels_are_smoothed_over_the_classes_of_an_images_own_task() -> None:
    from strategies.learners.avalanche_parts import RULED_OUT, Targets

    wanted = Targets()
    wanted.smoothing = 0.2
    few, many = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.5, 0.0, -0.5]])
    padded = torch.cat([nn.functional.pad(few, (0, 1), value=RULED_OUT), many])
    each = [nn.functional.cross_entropy(row, torch.tensor([1]), label_smoothing=0.2) for row in (few, many)]
    torch.testing.assert_close(wanted(padded, torch.tensor([1, 1])), sum(each) / 2)


def test_an_epoch_of_avalanche_does_not_end_in_a_batch_of_one(digits: Task, run: Start) -> None:
    one = run("avalanche(init=scratch, batch_size=133)", epochs=3, backbone="timm:test_resnet(weights=none)")
    one.learn()
    assert one.meter.steps > 4
    assert one.meter.examples == 133 * one.meter.steps


@pytest.mark.parametrize("strategy", ["avalanche", "adaptive_pruned"])
@pytest.mark.parametrize("option", ["choose=dev", "choose_else=average", "choose_else=start"])
def test_a_choice_that_could_not_be_made_is_refused(strategy: str, option: str) -> None:
    with pytest.raises(UserError, match=f"leave out {option.partition('=')[0]}$"):
        make("strategies", f"{strategy}({option})")


def test_an_unknown_method_of_avalanche_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'Replay'"):
        make("strategies", "avalanche(method=Repaly)")


def test_si_takes_its_damping_and_may_begin_with_random_weights(run: Start) -> None:
    one = run(
        "avalanche(method=SI, strength=1.0, damping=0.001, init=scratch)", epochs=0.05, backbone="split_mlp", size=28
    )
    drawn = one.ctx.body(pretrained=False).state_dict()
    assert all(torch.equal(value, drawn[name]) for name, value in one.strategy.net.body.state_dict().items())
    one.learn()
    (si,) = (plugin for plugin in one.strategy._kept["plugins"] if hasattr(plugin, "si_lambda"))
    assert (si.si_lambda, si.eps) == ([1.0], 0.001)
    with pytest.raises(UserError, match="only SI has"):
        make("strategies", "avalanche(method=EWC, damping=0.001)")


@pytest.mark.parametrize("spec", ["linear_probe(head_lr=1e30)", "compute_optimal(recipe=v1, lr=1e30, head_lr=1e30)"])
def test_where_training_diverges_what_it_left_is_scored(spec: str, run: Start) -> None:
    one = run(spec, epochs=0.5, backbone="timm:test_resnet(weights=none)")
    with pytest.raises(Diverged):
        one.learn()
    assert logits(one).shape == (200, 10)
    first = one.strategy.net
    one.meter = ComputeMeter(flops=one.meter.flops_budget)
    with pytest.raises(Diverged):
        one.learn()
    assert one.strategy.net is not first


@pytest.mark.parametrize("spec", ["ridge", "ncm", "knn"])
def test_classes_written_as_labels_are_learnt_as_classes(spec: str, digits: Task, run: Start) -> None:
    """A digit that has the label of its class and no other: a solved head must tell it as well as the class itself."""

    def load(split: Split) -> Any:
        examples = digits.load(split)
        labels = nn.functional.one_hot(torch.from_numpy(examples.labels), 10).byte().numpy()
        return type(examples)(examples.images, labels)

    one = run(spec, epochs=0.4)
    one.task = replace(one.task, load=load, kind="multilabel")
    as_labels, as_classes = (logits(each.learn()).argmax(dim=1) for each in (one, run(spec, epochs=0.4)))
    assert float((as_labels == as_classes).float().mean()) >= 0.95
    assert float((as_labels.numpy() == digits.load(Split.DEV_TEST).labels).mean()) >= 0.55


@pytest.mark.parametrize(
    ("spec", "norm"),
    [
        ("finetune", "frozen"),
        ("finetune(init=scratch)", "batch"),
        ("filter_pruned(recipe=v1)", "batch"),
        ("filter_pruned", "frozen"),
        ("filter_pruned(recipe=v1, head_init=ridge)", "frozen"),
        ("filter_pruned(head_init=ridge, init=scratch)", "batch"),
        ("filter_pruned(norm=frozen)", "frozen"),
    ],
)
def test_statistics_stay_where_they_belong_to_the_weights_or_a_head_was_solved_with_them(
    spec: str, norm: str, run: Start
) -> None:
    one = run(spec, epochs=0.1)
    learner = one.strategy.learner if isinstance(one.strategy, Composition) else one.strategy
    seen: list[str] = []

    def train(net: Any, data: Any, task: Any, ctx: Any, recipe: Settled) -> Any:
        seen.append(recipe.norm)
        return net

    learner.train = train
    one.learn()
    assert seen == [norm]
