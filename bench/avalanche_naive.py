"""Our finetuning against Avalanche's ``Naive`` as its users run it, one thread each.

Same data, crops, batches, steps, optimiser and learning rates: theirs come from the ``LRSchedulerPlugin`` it ships.
"""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.pairs import Line, in_turn
from bench.work import HALF, LITE0, RESNET18, chosen, context, images, short
from harness.compute.backbone import Classifier
from harness.config.registry import make
from harness.core.seeding import torch_generator
from harness.core.spec import Precision
from harness.core.stream import Stream
from harness.core.task import Examples, Split
from harness.learning.batches import Features
from harness.learning.context import Context
from harness.learning.recipe import Recipe
from harness.learning.step import scheduled
from harness.learning.training import fit
from strategies.learners.starting import recalibrate

BATCH, IMAGES, EPOCHS, RATE = 32, 384, 2, 0.01


def rows(pairs: int, net: str | None = None) -> Iterator[Line]:
    warnings.filterwarnings("ignore")
    formats: dict[str, tuple[Precision, ...]] = {LITE0: ("fp32",)}
    for backbone in chosen((HALF, LITE0, RESNET18), net):
        for precision in formats.get(backbone, ("bf16", "fp32")):
            yield _nets(backbone, precision, pairs)
    if net is None:
        yield _heads(pairs)


def _nets(backbone: str, precision: Precision, pairs: int) -> Line:
    ctx = context(backbone, 64, precision=precision)
    stream: Stream = make("streams", "nevis-mini(tasks=[mnist_5k])")
    (task,) = stream.tasks
    train = task.load(Split.TRAIN)
    # Stored class by class: a random part has them all.
    data, unseen = train[np.random.default_rng(0).permutation(len(train))[:IMAGES]], task.load(Split.DEV)
    recipe = Recipe(lr=RATE, head_lr=RATE, norm="batch", batch_size=BATCH, weight_decay=0)
    mine: list[Classifier] = []
    naive: list[Classifier] = []

    def net() -> Classifier:
        return ctx.classifier(task, ctx.body())

    def ours() -> None:
        mine.append(net())
        with ctx.meter:
            fit(mine[-1], data, ctx, name=f"bench {len(mine)}", recipe=recipe, epochs=EPOCHS)

    def theirs() -> None:
        naive.append(net().to(memory_format=torch.contiguous_format))
        torch.manual_seed(len(naive))
        train_naively(naive[-1], pictures(data, ctx), rate=RATE, epochs=EPOCHS)

    ratio = in_turn(ours, theirs, pairs=pairs)
    name = short(backbone)
    what = f"Avalanche Naive / ours in {precision}, {name} 64 px, {EPOCHS} epochs of {IMAGES}"
    aim = (
        ">= 2"
        if backbone == HALF and precision == "bf16"
        else ">= 1.7"
        if precision == "bf16" or backbone == LITE0
        else ""
    )
    # The two average batch-norm statistics differently, which a few steps would show more than what was learnt.
    for made in (*naive, *mine):
        recalibrate(made.body, data, ctx, images=len(data), name="bench")
    reached = " / ".join(_spread([accuracy(made, unseen, ctx) for made in nets]) for nets in (naive, mine))
    return Line(
        "avalanche",
        what,
        ratio,
        aim,
        f"accuracy {reached}, mean and spread of {len(mine)} seeds, statistics measured anew",
    )


def _heads(pairs: int) -> Line:
    data, ctx = images(512, 64), context(LITE0, 64)
    values = torch.randn(len(data), 1280, generator=torch_generator(0, "bench"))
    features = Features(values, data.labels)

    def ours() -> None:
        with ctx.meter:
            fit(nn.Linear(1280, 10), features, ctx, name="bench", recipe=Recipe(batch_size=BATCH), epochs=10)

    rows_of = torch.utils.data.TensorDataset(values, torch.from_numpy(data.labels))
    rows_of.targets = data.labels.tolist()  # type: ignore[attr-defined]

    def theirs() -> None:
        train_naively(nn.Linear(1280, 10), rows_of, rate=RATE, epochs=10)

    ratio = in_turn(ours, theirs, pairs=pairs)
    return Line("avalanche", "Avalanche Naive / ours, head on cached features, 10 epochs of 512", ratio, ">= 1.5")


def pictures(data: Examples, ctx: Context, *, size: int = 64) -> Any:
    """The images as a torchvision data set gives them: PIL, cropped and normalised one by one.

    Crops are drawn as ours: a side that would leave the image is cut, where torchvision draws anew and so crops more.
    """
    from PIL import Image
    from torchvision import transforms

    center = [value / 255 for value in ctx.backbone.mean]
    std = [value / 255 for value in ctx.backbone.std]

    class Crop(transforms.RandomResizedCrop):  # type: ignore[misc]
        @staticmethod
        def get_params(img: Any, scale: Any, ratio: Any) -> tuple[int, int, int, int]:
            area = float(torch.empty(1).uniform_(*scale))
            aspect = math.exp(float(torch.empty(1).uniform_(math.log(ratio[0]), math.log(ratio[1]))))
            height = round(img.height * min(1.0, math.sqrt(area / aspect)))
            width = round(img.width * min(1.0, math.sqrt(area * aspect)))
            top, left = (int(torch.randint(0, room + 1, ())) for room in (img.height - height, img.width - width))
            return top, left, height, width

    change = transforms.Compose(
        [Crop(size, scale=(0.5, 1.0)), transforms.ToTensor(), transforms.Normalize(center, std)]
    )

    class Pictures(torch.utils.data.Dataset[Any]):
        targets = data.labels.tolist()

        def __len__(self) -> int:
            return len(data)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            return change(Image.fromarray(data.images[index])), int(data.labels[index])

    return Pictures()


def train_naively(
    net: nn.Module, examples: Any, *, rate: float, epochs: int, batch: int = BATCH, device: str = "cpu"
) -> None:
    from avalanche.benchmarks import benchmark_from_datasets
    from avalanche.benchmarks.utils import as_classification_dataset
    from avalanche.training import Naive
    from avalanche.training.plugins import LRSchedulerPlugin

    benchmark = benchmark_from_datasets(train=[as_classification_dataset(examples)])
    steps = epochs * math.ceil(len(examples) / batch)
    warmup = Recipe().settled(statistics_hold=True).warmup
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: scheduled(min(1.0, (step + 0.5) / steps), warmup=warmup)
    )
    # As its users run it, logger and all; it takes hold of the standard output when it is made.
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        strategy = Naive(
            model=net,
            optimizer=optimizer,
            plugins=[LRSchedulerPlugin(schedule, step_granularity="iteration")],
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=batch,
            train_epochs=epochs,
            eval_mb_size=batch,
            device=device,
        )
        strategy.train(next(iter(benchmark.train_stream)))


def _spread(values: list[float]) -> str:
    return f"{mean(values):.2f} ± {stdev(values):.2f}"


def accuracy(net: nn.Module, data: Examples, ctx: Context) -> float:
    net.eval()
    with torch.inference_mode():
        logits = torch.cat([net(ctx.inputs(data, slice(at, at + 128))) for at in range(0, len(data), 128)])
    return float((logits.argmax(1).numpy() == data.labels).mean())
