"""Our training loop, metering on, against a bare PyTorch loop that does the same work with the same settings."""

from collections.abc import Iterator
from contextlib import nullcontext

import torch
from torch.nn import functional

from bench.pairs import Line, in_turn
from bench.work import HALF, LITE0, RESNET18, chosen, classifier, context, images, short, steps
from harness.compute.convolutions import QuickConvolutions
from harness.core.seeding import torch_generator
from harness.learning.batches import Augment, Features, augmented, normalised
from harness.learning.recipe import Recipe
from harness.learning.training import fit

BATCH, STEPS = 32, 24


def rows(pairs: int, net: str | None = None) -> Iterator[Line]:
    for backbone in chosen((HALF, LITE0, RESNET18), net):
        yield from _net(backbone, 32 if backbone == RESNET18 else 64, pairs)
    if net is None:
        yield _head(pairs)


def _net(backbone: str, size: int, pairs: int) -> Iterator[Line]:
    data, ctx = images(256, size), context(backbone, size)
    net = classifier(ctx, data)
    recipe = Recipe(lr=1e-3, head_lr=1e-3, norm="batch", batch_size=BATCH)

    def ours() -> None:
        with ctx.meter:
            fit(net, data, ctx, name="bench", recipe=recipe, epochs=steps(STEPS, BATCH, len(data)))

    def bare(*, quick: bool = True) -> None:
        net.train()
        optimizer = torch.optim.SGD(
            net.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=quick
        )
        convolutions = QuickConvolutions() if quick else nullcontext()
        draws = torch_generator(0, "bench")
        order = torch.randperm(len(data), generator=draws).repeat(STEPS * BATCH // len(data) + 1)
        for step in range(STEPS):
            index = order[step * BATCH : (step + 1) * BATCH].numpy()
            batch = normalised(data.images[index], ctx.backbone, size=size)
            with convolutions:
                logits = net(augmented(batch, Augment(), draws))
            loss = functional.cross_entropy(logits, torch.from_numpy(data.labels[index]))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    def plain() -> None:
        bare(quick=False)

    name = f"{short(backbone)} {size} px, {STEPS} steps"
    ratio = in_turn(ours, bare, pairs=pairs)
    yield Line("loop", f"bare loop / ours, {name}", ratio, ">= 0.97", "one counted step included")
    if backbone == LITE0:
        ratio = in_turn(ours, plain, pairs=pairs)
        yield Line("loop", f"bare loop with torch's own convolutions and optimiser / ours, {name}", ratio)


def _head(pairs: int) -> Line:
    data, ctx = images(512, 64), context(LITE0, 64)
    features = Features(torch.randn(len(data), 1280, generator=torch_generator(0, "bench")), data.labels)
    epochs = 20.0

    def ours() -> None:
        head = torch.nn.Linear(1280, 10)
        with ctx.meter:
            fit(head, features, ctx, name="bench", recipe=Recipe(batch_size=BATCH), epochs=epochs)

    def bare() -> None:
        head = torch.nn.Linear(1280, 10)
        optimizer = torch.optim.SGD(
            head.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True
        )
        targets = torch.from_numpy(features.labels)
        for _ in range(int(epochs)):
            for index in torch.randperm(len(data)).split(BATCH):
                loss = functional.cross_entropy(head(features.values[index]), targets[index])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()

    note = "a tenth of a millisecond a step for the meter, the schedule and the order of the rows"
    return Line("loop", "bare loop / ours, head on 512 cached features", in_turn(ours, bare, pairs=pairs), note=note)
