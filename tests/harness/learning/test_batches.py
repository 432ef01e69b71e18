"""What a net is fed is what was stored: normalised by arithmetic, cropped image by image, seen once an epoch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import bars, net

from harness.compute.backbone import Backbone, Classifier, zero_head
from harness.compute.meter import ComputeMeter
from harness.core.seeding import numpy_generator, torch_generator
from harness.core.spec import Setting
from harness.core.task import Split
from harness.learning.batches import Augment, Features, Order, augmented, loss_of, normalised, stratified
from harness.learning.context import Context
from harness.learning.recipe import Recipe
from harness.learning.training import fit

MEAN, STD = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)


def pixels(n: int = 4, size: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def test_images_are_normalised_per_channel_and_lie_channels_last() -> None:
    backbone = Backbone("x", 1, MEAN, STD, net().build)
    got = normalised(pixels(), backbone, size=8)
    wanted = (pixels().astype(np.float64) - MEAN) / STD
    assert np.allclose(got.permute(0, 2, 3, 1).numpy(), wanted, atol=1e-5)
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert normalised(pixels(), backbone, size=12).shape == (4, 3, 12, 12)


def test_a_crop_of_the_whole_image_is_the_image() -> None:
    images = torch.rand(5, 3, 9, 7)
    same = augmented(images, Augment(area=(1.0, 1.0), aspect=(1.0, 1.0)), torch_generator(0))
    assert torch.allclose(same, images, atol=1e-6)


def test_every_image_of_a_batch_has_a_crop_of_its_own() -> None:
    one = torch.rand(1, 3, 16, 16)
    crops = augmented(one.repeat(6, 1, 1, 1), Augment(), torch_generator(0))
    assert len({crop.numpy().tobytes() for crop in crops}) == 6


def test_crops_are_torchvisions_affine_crops() -> None:
    """The two lines of our grid are affine_grid's, whatever the crop."""
    n, size = 3, 10
    images = torch.rand(n, 3, size, size)
    augment = Augment(area=(0.3, 0.9))
    got = augmented(images, augment, torch_generator(1))
    draws = torch_generator(1)
    area = torch.empty(n).uniform_(*augment.area, generator=draws)
    aspect = torch.empty(n).uniform_(*map(float, np.log(augment.aspect)), generator=draws).exp()
    x, y = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    u = torch.empty(n).uniform_(-1, 1, generator=draws) * (1 - x)
    v = torch.empty(n).uniform_(-1, 1, generator=draws) * (1 - y)
    zero = torch.zeros(n)
    theta = torch.stack([x, zero, u, zero, y, v], dim=1).view(n, 2, 3)
    grid = torch.nn.functional.affine_grid(theta, [n, 3, size, size], align_corners=False)
    wanted = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    assert torch.allclose(got, wanted, atol=1e-5)


@given(n=st.integers(1, 40), batch=st.integers(1, 17))
def test_each_epoch_sees_each_image_once(n: int, batch: int) -> None:
    order, seen = Order(n, torch_generator(0)), np.zeros(n, dtype=int)
    for _ in range(3 * n):
        np.add.at(seen, order.take(batch), 1)
        assert seen.max() - seen.min() <= 1


@given(labels=st.lists(st.integers(0, 5), min_size=1, max_size=60), share=st.floats(0, 1))
def test_a_stratified_part_takes_classes_in_turn(labels: list[int], share: float) -> None:
    array = np.array(labels)
    count = int(share * len(labels))
    chosen = stratified(array, count, numpy_generator(0))
    assert len(set(chosen.tolist())) == count
    taken, there = np.bincount(array[chosen], minlength=6), np.bincount(array, minlength=6)
    for a in range(6):
        for b in range(6):
            # No class is two ahead of another that still has images to give.
            assert taken[a] <= taken[b] + 1 or taken[b] == there[b]


def test_rare_labels_of_a_multilabel_task_are_seen_first() -> None:
    labels = np.zeros((50, 3), dtype=np.uint8)
    labels[:, 0] = 1
    labels[7, 1] = labels[9, 2] = 1
    chosen = stratified(labels, 3, numpy_generator(0))
    assert {7, 9} <= set(chosen.tolist())


def test_losses_are_those_of_the_definitions() -> None:
    logits = torch.tensor([[1.0, -2.0]])
    assert loss_of(logits, torch.tensor([0])).item() == pytest.approx(float(np.log(1 + np.exp(-3))))
    independent = np.mean([np.log(1 + np.exp(-1)), np.log(1 + np.exp(-2))])
    assert loss_of(logits, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(float(independent), rel=1e-5)


def test_a_head_on_cached_features_learns_what_it_learns_behind_a_frozen_body() -> None:
    task = bars().tasks[0]
    data = task.load(Split.TRAIN)
    recipe = Recipe(batch_size=8, augment=False, lr=0.01, head_lr=0.01)
    heads = []
    for cached in (True, False):
        ctx = Context(net(), Setting(backbone="tiny:net", size=16), 0, ComputeMeter())
        body, head = ctx.body(), zero_head(32, 4)
        body.requires_grad_(False)
        with ctx.meter:
            if cached:
                features: Features = ctx.features(body, data, name="t")
                # Extraction mixes the classes; put the rows back, so that both see one order.
                index = [np.flatnonzero((body_of(ctx, body, data) == row.numpy()).all(1))[0] for row in features.values]
                back = np.argsort(index)
                features = Features(features.values[back], features.labels[back])
                fit(head, features, ctx, name="t", recipe=recipe, epochs=4)
            else:
                fit(Classifier(body, head), data, ctx, name="t", recipe=recipe, epochs=4)
        heads.append(head)
        if cached:
            cost = ctx.meter.spent_flops
    assert torch.allclose(heads[0].weight, heads[1].weight, atol=1e-5)
    assert cost < ctx.meter.spent_flops / 2


def body_of(ctx: Context, body: torch.nn.Module, data: object) -> np.ndarray:
    with ctx.meter.unmetered(), torch.inference_mode():
        return body.eval()(ctx.inputs(data)).numpy()  # type: ignore[arg-type]
