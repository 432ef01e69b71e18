"""What is written goes before a named recipe, which goes before v1; and keys of runs stay what they were."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from tiny import OwnLoop

from harness.config.notation import Written, parse
from harness.config.options import build, flat
from harness.config.registry import make
from harness.config.suite import on_net
from harness.core.band import BANDS, band_of
from harness.core.errors import UserError
from harness.learning.recipe import RATES, V1, LearnerRecipe, Recipe, read_recipes
from strategies.learners import recipes
from strategies.learners.finetune import Finetune
from strategies.learners.recipes import in_force, shipped

TEXT = """
[mine]
about = "For this test."

[[mine.entries]]
lr = 0.5
augment = false

[[mine.entries]]
bands = ["to_10k"]
bodies = ["dense"]
lr = 0.25
clip = 2.0
"""


FIRST = {"v3": shipped()["v3"]}


def read(**changed: Any) -> dict[str, object]:
    return read_recipes(TEXT, place="here")["mine"].entry(**{"net": "n", "body": "dense", "band": "to_10k"} | changed)


def test_an_open_option_is_what_v1_says() -> None:
    settled = Recipe().settled(statistics_hold=True)
    assert (settled.lr, settled.head_lr) == RATES["frozen"]
    assert (settled.batch_size, settled.momentum, settled.clip, settled.augment) == (16, 0.9, None, True)
    assert Recipe().settled(statistics_hold=False).norm == "batch"


def test_a_later_entry_goes_before_an_earlier_one_where_it_fits() -> None:
    assert read() == {"lr": 0.25, "augment": False, "clip": 2.0}
    assert read(band="under_1k") == read(body="ot_fused") == {"lr": 0.5, "augment": False}


def test_what_is_written_goes_before_the_named_recipe_even_where_v1_says_the_same() -> None:
    recipe = Recipe(recipe="mine", augment=True, head_lr=0.1)
    settled = recipe.settled(statistics_hold=True, entry=read())
    assert (settled.augment, settled.lr, settled.head_lr, settled.clip) == (True, 0.25, 0.1, 2.0)
    assert Recipe(recipe="mine", rate=2.0).settled(statistics_hold=True, entry=read()).lr == 0.5
    assert Recipe(recipe="mine", clip="off").settled(statistics_hold=True, entry=read()).clip is None


def test_a_recipe_written_in_a_strategy_comes_back_from_its_text() -> None:
    for text in (
        "finetune(recipe=v2, augment=True, batch_size=16)",
        "finetune(clip=1.0, head_penalty=loo)",
        "finetune",
    ):
        made = make("strategies", text)
        again = str(Written("finetune", flat(made, only_changed=True)))
        assert make("strategies", again).recipe == made.recipe
        assert parse(again).options == parse(text).options


def test_who_has_another_default_says_when_he_leaves_it() -> None:
    @dataclass
    class Later:
        recipe: LearnerRecipe = LearnerRecipe(recipe="v2", clip=2.0)

    for recipe in (LearnerRecipe(clip=3.0), LearnerRecipe(recipe="v2", augment=True, clip=2.0), Later().recipe):
        options = flat(Later(recipe), only_changed=True)
        assert build("strategy", Later, Written("later", options)).recipe == recipe
    assert flat(Later(), only_changed=True) == {}


def test_the_options_that_make_a_key_are_those_of_before_where_v1_is_the_recipe() -> None:
    options = flat(make("strategies", "finetune(recipe=v1, batch_size=16, norm=auto)"))
    assert options == {
        "scope": "all", "init": "pretrained", "search_share": 0.3, "recalibrate_bn": 0, "head_init": "zero",
        "head_share": 0.3, "lr": None, "head_lr": None, "rate": 1.0, "norm": "auto", "batch_size": 16, "momentum": 0.9,
        "weight_decay": 1e-4, "warmup": 0.1, "smoothing": 0.0, "augment": True,
    }  # fmt: skip
    assert flat(make("strategies", "finetune(recipe=v1, clip=1.0)")) == {**options, "clip": 1.0}


def test_every_shipped_recipe_is_settled_for_every_band() -> None:
    for named in shipped().values():
        assert named.about
        for band in BANDS:
            entry = named.entry(net=named.nets[0] if named.nets else "any", body="any", band=band)
            assert Recipe(recipe=named.name).settled(statistics_hold=True, entry=entry).lr > 0


WHOLE = [
    "finetune", "filter_pruned(flops=0.5)", "compute_optimal", "tune", "tune(strategy=ot_fused)", "adaptive_pruned",
    "ot_merged", "avalanche", "ot_fused(learner=avalanche)",
]  # fmt: skip


@pytest.mark.parametrize("text", WHOLE)
def test_a_recipe_for_one_net_leaves_the_keys_of_other_nets_as_they_are(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keys() -> list[object]:
        made = [make("strategies", text).on_net(net) for net in ("any", "mine")]
        return [(flat(one), one.version) for one in made]

    monkeypatch.setattr(recipes, "shipped", lambda: FIRST)
    before = keys()
    assert before[0] == before[1]
    for_mine = read_recipes(TEXT.replace("[mine]", '[mine]\nnets = ["mine"]'), place="here")
    monkeypatch.setattr(recipes, "shipped", lambda: {**FIRST, **for_mine})
    after = keys()
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_the_recipe_of_a_net_is_the_last_that_is_for_it() -> None:
    assert in_force(LearnerRecipe(), "any").recipe == in_force(LearnerRecipe(), "resnet50_half").recipe == "v3"
    assert in_force(LearnerRecipe(clip=2.0), "efficientnet_lite0") == LearnerRecipe(recipe="v4", clip=2.0)
    assert in_force(LearnerRecipe(recipe="v2"), "efficientnet_lite0").recipe == "v2"


def test_a_run_has_one_name_however_its_recipe_is_written() -> None:
    def called(text: str, net: str) -> str:
        return on_net(text, make("strategies", text), net)[0]

    assert called("filter_pruned(flops=0.5, recipe=v3)", "any") == "filter_pruned(flops=0.5)"
    assert called("finetune(recipe=v3)", "efficientnet_lite0") == "finetune(recipe=v3)"
    assert called("finetune(recipe=v4, clip=2.0)", "efficientnet_lite0") == "finetune(clip=2.0)"
    assert called("finetune(recipe=v1)", "any") == "finetune(recipe=v1)"


def test_a_recipe_that_a_plugin_leaves_open_is_refused_with_what_to_do() -> None:
    @dataclass
    class Own(OwnLoop):
        recipe: LearnerRecipe = LearnerRecipe()
        made_later: Finetune = field(init=False)

    with pytest.raises(UserError, match=r"mine:Own: recipe=auto was not settled for any.* override on_net"):
        on_net("mine:Own", Own(), "any")


def test_a_recipe_for_another_net_is_refused_before_anything_runs() -> None:
    with pytest.raises(UserError, match=r"v4 is for efficientnet_lite0.* nothing of resnet50_half.* the recipe is v3"):
        make("strategies", "filter_pruned(flops=0.5, recipe=v4)").on_net("resnet50_half")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[a]\nabuot = 'x'", "abuot"),
        ("[[a.entries]]\nleraning_rate = 1.0", "leraning_rate"),
        ("[[a.entries]]\nlr = 'high'", "does not fit"),
        ("[[a.entries]]\nbands = ['1k']", "1k"),
        ("[[a.entries]]\nrate = 2.0", "give lr and head_lr"),
        ("[a", "here: "),
    ],
)
def test_a_wrong_recipe_file_is_refused_with_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        read_recipes(text, place="here")


def test_wrong_values_are_refused() -> None:
    for options in ({"warmup": 2.0}, {"clip": 0.0}, {"head_init": "rigde"}):
        with pytest.raises(UserError, match=next(iter(options))):
            build("recipe", LearnerRecipe, Written("r", options))
    with pytest.raises(UserError, match="nobody looked them up"):
        Recipe(recipe="v2").settled(statistics_hold=True)
    with pytest.raises(UserError, match="write lr and head_lr"):
        Recipe(optimiser="adamw").settled(statistics_hold=True)
    assert "lr" not in V1


def test_bands_are_images_shown() -> None:
    assert [band_of(images) for images in (0, 999, 1_000, 9_999, 10_000, 1e9)] == [
        "under_1k", "under_1k", "to_10k", "to_10k", "to_100k", "to_100k",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="expected 0 or more"):
        band_of(float("nan"))
