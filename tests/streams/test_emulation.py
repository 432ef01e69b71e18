"""Emulated tasks are the same bytes everywhere, hold every class in every split, and shift where the real ones do."""

import hashlib
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.core.task import Kind, Split
from streams.emulation.builds import BUILDS, SLOTS
from streams.emulation.canvas import hsv, noise, sine, wave
from streams.emulation.draws import Draws, genes
from streams.emulation.generators import GENERATORS
from streams.emulation.parts import paint_parts, posed, random_parts, subset
from streams.nevis22 import nevis22
from streams.nevis22.emulated import Design, design, sizes, stored
from streams.nevis22.table import entries, rows

ENTRIES = {entry.dataset: entry for entry in entries("full")}
ONE_OF_EACH = {entry.row["domain"]: entry.dataset for entry in reversed(list(ENTRIES.values()))}
"""The first data set of every domain."""
GIB = 2**30


def _plan(dataset: str, seed: int = 0) -> Design:
    return design(ENTRIES[dataset], seed=seed)


def _drawn(dataset: str, split: Split) -> Any:
    """What draws the images of a split, with the options of its own kind."""
    return _plan(dataset).generators[split]


def _few(plan: Design, split: Split = Split.TRAIN, n: int = 16) -> np.ndarray:
    labels = plan._labels(split, plan.sizes[split])[:n]
    return plan.generators[split].render(labels, Draws("images", plan.dataset, plan.seed, split))


def few_of_each() -> str:
    """SHA-256 over a few images of each domain."""
    found = hashlib.sha256()
    for dataset in sorted(ONE_OF_EACH.values()):
        found.update(_few(_plan(dataset)).tobytes())
    return found.hexdigest()


def test_all_17_domains_of_the_table_have_a_generator() -> None:
    assert {row["domain"] for row in rows()} == set(GENERATORS)
    assert len(GENERATORS) == 17


@pytest.mark.parametrize("dataset", sorted(ONE_OF_EACH.values()))
def test_a_domain_gives_the_same_images_again_and_others_for_another_seed(dataset: str) -> None:
    first, again, other = _few(_plan(dataset)), _few(_plan(dataset)), _few(_plan(dataset, seed=1))
    assert first.dtype == np.uint8
    assert first.shape[:3] == (16, 64, 64)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.std() > 5, "there is something to be seen"
    assert len(np.unique(first.reshape(16, -1), axis=0)) > 8, "images differ"


@pytest.mark.parametrize(
    "switched",
    [
        {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_ICL AVX512_SPR"},
        {"OPENBLAS_CORETYPE": "Nehalem"},
        {"OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    ],
    ids=["no vector extensions", "old BLAS kernels", "threaded BLAS"],
)
def test_pixels_do_not_depend_on_what_the_processor_can(switched: dict[str, str]) -> None:
    code = "import test_emulation; print(test_emulation.few_of_each())"
    # A feature that this processor lacks is named in a warning, which is no failure.
    environment = {**os.environ, **switched, "PYTHONPATH": str(Path(__file__).parent), "PYTHONWARNINGS": "ignore"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == few_of_each()


@pytest.mark.parametrize("dataset", ENTRIES)
def test_every_class_is_in_every_split(dataset: str) -> None:
    plan = _plan(dataset)
    for split, n in plan.sizes.items():
        labels = plan._labels(split, n)
        if plan.kind is Kind.MULTILABEL:
            assert labels.dtype == np.uint8
            assert labels.shape == (n, plan.classes)
            # The ten species that AWA2 holds back for its test may all share a trait, or lack it.
            if dataset != "awa2":
                assert labels.any(axis=0).all(), f"a label never occurs in {split}"
        else:
            assert set(labels) == set(range(plan.classes))


@pytest.mark.parametrize("dataset", ENTRIES)
def test_a_single_image_can_be_painted_of_every_class(dataset: str) -> None:
    plan = _plan(dataset)
    for label in plan._labels(Split.TEST, plan.sizes[Split.TEST])[: min(plan.classes, 12)]:
        image = plan.generators[Split.TEST].render(label[None], Draws("one", dataset, label))
        assert image.shape[:3] == (1, 64, 64)


def test_sizes_grow_with_the_logarithm_of_the_real_ones() -> None:
    small, middle, large = (sizes(n, 10)[Split.TRAIN] for n in (100, 10_000, 1_000_000))
    assert small < middle < large
    assert large - middle == pytest.approx(middle - small, abs=1)


def test_the_whole_streams_cache_stays_under_two_gib() -> None:
    plans = [_plan(dataset) for dataset in ENTRIES]
    assert sum(sum(plan.sizes.values()) * 64 * 64 * 3 for plan in plans) < 2 * GIB


def test_what_is_loaded_is_what_was_promised(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path))
    tasks = {task.name: task for task in nevis22()}
    for name in ("semeion", "voc-2007", "pneumonia_chest_xray"):
        for split in Split:
            data = tasks[name].load(split)
            assert data.images.shape == (tasks[name].sizes[split], 64, 64, 3)
            assert data.labels.dtype == (np.uint8 if tasks[name].kind is Kind.MULTILABEL else np.int64)
    images = [stored(_plan("semeion")).array("images")]
    assert np.array_equal(images[0], _plan("semeion").arrays()["images"]), "made again, the bytes are the same"


# --- shift by design -------------------------------------------------------------------------------------------------


def test_coil_100_is_seen_from_other_sides_in_every_split() -> None:
    ranges = [_drawn("coil100", split).yaw for split in Split]
    assert all(left[1] <= right[0] for left, right in pairwise(ranges))


def test_small_norb_biwi_and_camera_traps_are_tested_on_toys_people_and_places_not_seen() -> None:
    for dataset, factor in (
        ("smallnorb", "model_range"),
        ("biwi", "people_range"),
        ("caltech_camera_traps", "place_range"),
    ):
        of = {split: getattr(_plan(dataset).generators[split], factor) for split in Split}
        assert of[Split.TRAIN][1] <= of[Split.DEV_TEST][0] < of[Split.DEV_TEST][1] <= of[Split.TEST][0]


def test_pacs_and_domainnet_are_tested_on_sketches_never_trained_on() -> None:
    for dataset in ("pacs", "domainnet"):
        styles = {split: set(_drawn(dataset, split).styles) for split in Split}
        assert styles[Split.TEST] == styles[Split.DEV_TEST] == {"sketch"}
        assert not styles[Split.TRAIN] & {"sketch"}
        assert not styles[Split.DEV] & {"sketch"}


def test_awa2_is_tested_on_species_never_trained_on() -> None:
    plan = _plan("awa2")
    known = {row.tobytes() for row in plan._labels(Split.TRAIN, 400)}
    assert not known & {row.tobytes() for row in plan._labels(Split.TEST, 400)}


def test_rotated_mnist_is_tested_upright() -> None:
    assert _drawn("mnist_rotation", Split.TRAIN).turn == 0.5
    assert _drawn("mnist_rotation", Split.TEST) == _drawn("mnist", Split.TEST)


# --- families --------------------------------------------------------------------------------------------------------


def test_families_are_made_of_the_same_things() -> None:
    families = [("caltech101", "caltech256", "silhouettes_28"), ("kth_tips_2a", "kth_tips_2b"), ("lfw", "lfwa")]
    families += [("pascal_voc2005", "pascal_voc2006", "voc/2007", "voc/2012"), ("mnist", "mnist_m", "mnist_rotation")]
    families += [("imagenet2012", "tiny_imagenet"), ("food101", "food101n")]
    for family in families:
        assert len({_plan(dataset).generators[Split.TRAIN].world for dataset in family}) == 1
    assert np.array_equal(genes("caltech", 257, 96)[:102], genes("caltech", 102, 96))


# --- parts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["photo", "cartoon", "sketch", "silhouette"])
def test_a_thing_painted_alone_looks_as_it_does_among_others(style) -> None:
    n = 12
    draws = Draws("parts")
    parts = posed(random_parts(draws.uniform(0, 1, (n, 96)), 6), draws.uniform(-0.5, 0.5, n))
    place = {"x": draws.bell(0.8, n), "y": draws.bell(0.8, n), "scale": draws.uniform(0.3, 1.2, n)}
    together = np.full((n, 3, 64, 64), 0.5, np.float32)
    covered = paint_parts(together, parts, **place, style=style)
    for i in range(n):
        one = np.array([i])
        alone = np.full((1, 3, 64, 64), 0.5, np.float32)
        mask = paint_parts(alone, subset(parts, one), **{key: value[one] for key, value in place.items()}, style=style)
        assert np.array_equal(alone[0], together[i]), "the window of computed pixels leaves nothing out"
        assert np.array_equal(mask[0], covered[i])
    assert 0.02 < covered.mean() < 0.9


def test_a_thing_turned_half_round_shows_its_other_side_mirrored() -> None:
    parts = random_parts(Draws("half").uniform(0, 1, (1, 96)), 6)
    turned = posed(parts, np.array([0.5], np.float32))
    assert np.allclose(np.sort(turned.x), np.sort(-parts.x), atol=1e-3)
    assert np.allclose(np.sort(turned.a), np.sort(parts.a), atol=1e-3)
    assert (np.diff(turned.z) >= 0).all(), "parts are painted from back to front"


def test_builds_are_tables_of_parts_in_view_with_colors_there_are() -> None:
    for build, parts in BUILDS.items():
        table = np.array(parts)
        assert table.shape[1] == 10, build
        assert (np.abs(table[:, :2]) < 1).all(), build
        assert set(table[:, 9]) <= set(range(SLOTS)), build
        assert (table[:, 3:6] > 0).all(), build


# --- exact arithmetic ------------------------------------------------------------------------------------------------


def test_the_sine_table_is_a_sine() -> None:
    turns = np.linspace(-2, 2, 999, dtype=np.float32)
    assert np.abs(sine(turns) - np.sin(2 * np.pi * turns)).max() < 2e-3
    assert np.abs(wave(turns) - np.sin(2 * np.pi * turns)).max() < 0.07


def test_hues_are_those_of_the_standard_library() -> None:
    import colorsys

    values = np.linspace(0, 0.999, 20, dtype=np.float32)
    expected = [colorsys.hsv_to_rgb(float(h), 0.7, 0.9) for h in values]
    assert np.allclose(hsv(values, 0.7, 0.9), expected, atol=1e-5)


def test_noise_is_exactly_what_whole_numbers_give() -> None:
    from streams.emulation.canvas import _upsampling

    field = noise(Draws("x"), 2, 5)
    knots = Draws("x").bytes((2, 6, 6)).astype(np.int64)
    weights = _upsampling(5).astype(np.int64)
    whole = np.einsum("ij,njk,lk->nil", weights, knots, weights)
    assert np.array_equal(field, whole.astype(np.float32) * np.float32(1 / (255 * 64 * 64)))


def test_draws_are_uniform_and_named() -> None:
    drawn = Draws("a").uniform(2, 4, 100_000)
    assert 2 <= drawn.min() < 2.001
    assert 3.999 < drawn.max() < 4
    assert drawn.mean() == pytest.approx(3, abs=0.01)
    assert sorted(Draws("a").order(50)) == list(range(50))
    assert not np.array_equal(Draws("a").integers(9, 50), Draws("b").integers(9, 50))
    assert np.bincount(Draws("c").integers(5, 10_000)).min() > 1800
