"""Batches cut from stored uint8 and augmented as one tensor, against torchvision ``Dataset`` and ``DataLoader``."""

from collections.abc import Iterator

import torch

from bench.avalanche_naive import pictures
from bench.pairs import Line, in_turn
from bench.work import LITE0, classifier, context, images
from harness.core.seeding import torch_generator
from harness.learning.batches import Augment, Order, augmented
from harness.learning.recipe import Recipe
from harness.learning.training import fit

BATCH, SIZE = 32, 64


def rows(pairs: int) -> Iterator[Line]:
    data, ctx = images(1024, SIZE), context(LITE0, SIZE)
    loader = torch.utils.data.DataLoader(pictures(data, ctx), batch_size=BATCH, shuffle=True)

    def ours() -> None:
        draws = torch_generator(0, "bench")
        order = Order(len(data), draws)
        for _ in range(len(data) // BATCH):
            augmented(ctx.inputs(data, order.take(BATCH)), Augment(), draws)

    def theirs() -> None:
        for _ in loader:
            pass

    ratio = in_turn(ours, theirs, pairs=pairs)
    note = f"{len(data) / ratio.ours:.0f} against {len(data) / ratio.theirs:.0f} images a CPU second"
    yield Line("pipeline", "per-sample loader / ours, random crop, 1,024 images of 64 px", ratio, ">= 3", note)

    net = classifier(ctx, data)

    def training() -> None:
        with ctx.meter:
            fit(net, data, ctx, name="bench", recipe=Recipe(norm="batch", batch_size=BATCH), epochs=0.25)

    def feeding() -> None:
        draws = torch_generator(0, "bench")
        order = Order(len(data), draws)
        for _ in range(len(data) // 4 // BATCH):
            augmented(ctx.inputs(data, order.take(BATCH)), Augment(), draws)

    share = in_turn(training, feeding, pairs=pairs)
    yield Line("pipeline", "feeding / a whole training step, Lite0 64 px", share, "< 0.03")
