"""The table has NEVIS'22's tasks, orders, years and repeats, as counted from its repository."""

import numpy as np
import pytest

from harness.config.registry import make
from harness.core.errors import UserError
from harness.core.task import Kind, Phase, Provenance, Split
from streams.nevis22 import nevis22
from streams.nevis22.table import VARIANTS, entries, rows

# variant: tasks, distinct data sets, development, held out
COUNTS = {
    "full": (106, 97, 92, 14),
    "short": (29, 28, 25, 4),
    "tiny": (7, 6, 6, 1),
    "debug": (2, 2, 2, 0),
    "imagenet_only": (1, 1, 1, 0),
    "major_domain": (70, 64, 56, 14),
    "large_dataset": (67, 64, 53, 14),
    "spread": (28, 28, 28, 0),
}
YEARS = {1992: 2, 1998: 3, 2000: 1, 2001: 2, 2004: 2, 2005: 3, 2006: 4, 2007: 1, 2008: 1, 2009: 2, 2010: 4, 2011: 10}
YEARS |= {2012: 5, 2013: 5, 2014: 1, 2015: 4, 2016: 14, 2017: 4, 2018: 11, 2019: 13, 2020: 3, 2021: 11}
TWICE = {"brodatz", "olivetti_face", "coil20", "coil100", "mnist", "caltech101", "scenes15", "imagenet2012"}
TWICE |= {"oxford_flowers102"}
SHORT = [
    *[(2004, "coil100"), (2004, "mnist"), (2006, "pascal_voc2005"), (2006, "caltech_categories"), (2006, "uiuc_cars")],
    *[(2009, "pascal_voc2006"), (2010, "caltech101"), (2011, "ig02"), (2011, "scenes15"), (2011, "voc/2007")],
    *[(2011, "lfw"), (2013, "sketch"), (2013, "brodatz"), (2014, "imagenet2012"), (2014, "voc/2012")],
    *[(2014, "caltech256"), (2018, "cifar100"), (2018, "cifar10"), (2018, "usps"), (2018, "mnist"), (2018, "mnist_m")],
    *[(2018, "office_caltech_10"), (2018, "pacs"), (2018, "melanoma"), (2019, "fashion_mnist")],
    *[(2020, "stanford_dogs"), (2020, "caltech_birds2011"), (2020, "stanford_cars"), (2020, "fgvc_aircraft_family")],
]
TINY = [(2004, "mnist"), (2010, "caltech101"), (2014, "voc/2012"), (2018, "cifar100"), (2018, "mnist")]
TINY += [(2018, "melanoma"), (2020, "caltech_birds2011")]


@pytest.mark.parametrize("variant", COUNTS)
def test_variants_have_as_many_tasks_as_counted(variant: str) -> None:
    found = entries(variant)
    held = sum(entry.phase is Phase.HELD_OUT for entry in found)
    assert (len(found), len({entry.dataset for entry in found}), len(found) - held, held) == COUNTS[variant]


def test_short_tiny_and_debug_have_their_own_orders_and_years() -> None:
    def order(variant: str) -> list[tuple[int, str]]:
        return [(entry.year, entry.dataset) for entry in entries(variant)]

    assert order("short") == SHORT
    assert order("tiny") == TINY
    assert order("debug") == [(1999, "voc/2007"), (2000, "coil20")]


def test_the_full_stream_has_its_tasks_a_year_in_order_of_years() -> None:
    years = [entry.year for entry in entries("full")]
    assert years == sorted(years)
    assert {year: years.count(year) for year in set(years)} == YEARS
    assert [int(row["position"]) for row in rows()] == list(range(1, 107))


def test_nine_multilabel_tasks_and_seven_binary_ones() -> None:
    kinds = [entry.kind for entry in entries("full")]
    assert (kinds.count(Kind.MULTILABEL), kinds.count(Kind.BINARY)) == (9, 7)


@pytest.mark.parametrize(
    ("variant", "first", "last"), [("without_first_30", 30, 106), ("without_last_30", 0, 92 - 30), ("full", 0, 106)]
)
def test_ablations_drop_thirty_development_tasks_and_keep_the_held_out(variant, first, last) -> None:
    whole = [int(entry.row["position"]) for entry in entries("full")]
    kept = [int(entry.row["position"]) for entry in entries(variant)]
    assert set(range(93, 107)) <= set(kept)
    assert len(kept) == len(whole) - (0 if variant == "full" else 30)
    assert kept == sorted(kept)


def test_without_imagenet_keeps_only_its_held_out_repeat() -> None:
    found = entries("without_imagenet")
    assert len(found) == 105
    assert [entry.year for entry in found if entry.dataset == "imagenet2012"] == [2021]


def test_a_random_subset_is_drawn_as_dm_nevis_draws_it() -> None:
    full = entries("full")
    drawn = [(entry.year, entry.dataset) for entry in full if entry.phase is Phase.DEVELOPMENT]
    np.random.default_rng(3).shuffle(drawn)
    found = entries("random_subset", subset=40, subset_seed=3)
    assert {(e.year, e.dataset) for e in found if e.phase is Phase.DEVELOPMENT} == set(drawn[:26])
    assert [entry.phase for entry in found].count(Phase.HELD_OUT) == 14
    assert [int(e.row["position"]) for e in found] == sorted(int(e.row["position"]) for e in found)
    assert len(found) == 40
    again = make("streams", "nevis22(variant=random_subset, subset=40, subset_seed=3)")
    assert [task.year for task in again] == [entry.year for entry in found]
    assert {task.name for task in nevis22(variant="random_subset", subset=40)} != {task.name for task in again}


@pytest.mark.parametrize("subset", [0, 14, 107, -1])
def test_a_random_subset_of_no_or_too_many_tasks_is_refused(subset: int) -> None:
    with pytest.raises(UserError, match="subset=15 to 106"):
        nevis22(variant="random_subset", subset=subset)


def test_repeats_are_the_same_data_under_another_name() -> None:
    stream = nevis22()
    names = [task.name for task in stream]
    assert len(set(names)) == len(names)
    by_name = {task.name: task for task in stream}
    repeated = {name.removesuffix("-2") for name in names if name.endswith("-2")}
    assert repeated == TWICE
    for name in repeated:
        assert by_name[name].digest == by_name[f"{name}-2"].digest
    assert len({task.digest for task in stream}) == 97


def test_class_counts_are_the_tables_and_vistex_gets_one_of_ours() -> None:
    for task, entry in zip(nevis22(), entries("full"), strict=True):
        assert task.num_classes == int(entry.row["num_classes"] or 19)
        assert entry.row["num_classes"] or entry.dataset == "vistex"


def test_opening_makes_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path))
    stream = make("streams", "nevis22(variant=short)")
    assert stream.fingerprint() == make("streams", stream.name).fingerprint()
    assert {task.provenance for task in stream} == {Provenance.EMULATED}
    assert all(set(task.sizes) == set(Split) for task in stream)
    assert list(tmp_path.iterdir()) == []


def test_every_variant_and_seed_has_a_fingerprint_of_its_own() -> None:
    streams = [nevis22(variant=variant) for variant in VARIANTS if variant != "random_subset"]  # type: ignore[arg-type]
    streams += [nevis22(seed=1), nevis22(variant="random_subset", subset=40)]
    assert len({stream.fingerprint() for stream in streams}) == len(streams)


def test_some_tasks_can_be_asked_for_by_name() -> None:
    stream = make("streams", "nevis22(tasks=[pacs, mnist])")
    assert [task.name for task in stream] == ["mnist", "pacs"]
    assert make("streams", stream.name).fingerprint() == stream.fingerprint()
    with pytest.raises(UserError, match="did you mean 'pacs'"):
        nevis22(tasks=["pac"])


def test_a_wrong_variant_is_told_the_nearest_one() -> None:
    with pytest.raises(UserError, match="did you mean 'short'"):
        make("streams", "nevis22(variant=shrt)")
    with pytest.raises(UserError, match="skip_missing"):
        nevis22(skip_missing=True)
