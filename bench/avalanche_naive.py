"""Our finetuning against Avalanche's ``Naive`` as its users run it: same data, steps and batch, one thread each."""

import io
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.pairs import Line, in_turn
from bench.work import LITE0, RESNET18, context, images
from harness.batches import Features
from harness.context import Context
from harness.registry import make
from harness.seeding import torch_generator
from harness.spec import Precision
from harness.stream import Stream
from harness.task import Examples, Split
from harness.training import Recipe, fit

BATCH, IMAGES, EPOCHS, RATE = 32, 384, 2, 0.01


def rows(pairs: int) -> Iterator[Line]:
    warnings.filterwarnings("ignore")
    precisions: tuple[tuple[str, Precision], ...] = ((LITE0, "fp32"), (RESNET18, "bf16"), (RESNET18, "fp32"))
    for backbone, precision in precisions:
        yield _nets(backbone, precision, pairs)
    yield _heads(pairs)


def _nets(backbone: str, precision: Precision, pairs: int) -> Line:
    ctx = context(backbone, 64, precision=precision)
    stream: Stream = make("streams", "nevis-mini(tasks=[mnist_5k])")
    (task,) = stream.tasks
    train = task.load(Split.TRAIN)
    # Stored class by class: a random part has them all.
    data, unseen = train[np.random.default_rng(0).permutation(len(train))[:IMAGES]], task.load(Split.DEV)
    recipe = Recipe(lr=RATE, head_lr=RATE, norm="batch", batch_size=BATCH, weight_decay=0)
    learnt: dict[str, nn.Module] = {}

    def net() -> nn.Module:
        return ctx.classifier(task, ctx.body())

    def ours() -> None:
        learnt["ours"] = net()
        with ctx.meter:
            fit(learnt["ours"], data, ctx, name="bench", recipe=recipe, epochs=EPOCHS)

    def theirs() -> None:
        learnt["theirs"] = net().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        _naive(learnt["theirs"], pictures(data, ctx), epochs=EPOCHS)

    ratio = in_turn(ours, theirs, pairs=pairs)
    name = backbone.partition("(")[0]
    what = f"Avalanche Naive / ours in {precision}, {name} 64 px, {EPOCHS} epochs of {IMAGES}"
    aim = ">= 1.7" if precision == "bf16" or backbone == LITE0 else ""
    right = {who: accuracy(net, unseen, ctx) for who, net in learnt.items()}
    return Line("avalanche", what, ratio, aim, f"accuracy {right['theirs']:.2f} / {right['ours']:.2f}")


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
        _naive(nn.Linear(1280, 10), rows_of, epochs=10)

    ratio = in_turn(ours, theirs, pairs=pairs)
    return Line("avalanche", "Avalanche Naive / ours, head on cached features, 10 epochs of 512", ratio, ">= 1.5")


def pictures(data: Examples, ctx: Context) -> Any:
    """The images as a torchvision data set gives them: PIL, cropped and normalized one by one."""
    from PIL import Image
    from torchvision import transforms

    mean = [value / 255 for value in ctx.backbone.mean]
    std = [value / 255 for value in ctx.backbone.std]
    change = transforms.Compose(
        [transforms.RandomResizedCrop(64, scale=(0.5, 1.0)), transforms.ToTensor(), transforms.Normalize(mean, std)]
    )

    class Pictures(torch.utils.data.Dataset[Any]):
        targets = data.labels.tolist()

        def __len__(self) -> int:
            return len(data)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            return change(Image.fromarray(data.images[index])), int(data.labels[index])

    return Pictures()


def _naive(net: nn.Module, examples: Any, *, epochs: int) -> None:
    from avalanche.benchmarks import benchmark_from_datasets
    from avalanche.benchmarks.utils import as_classification_dataset
    from avalanche.training import Naive

    benchmark = benchmark_from_datasets(train=[as_classification_dataset(examples)])
    strategy = Naive(
        model=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=RATE, momentum=0.9),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=BATCH,
        train_epochs=epochs,
        eval_mb_size=BATCH,
    )
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        strategy.train(next(iter(benchmark.train_stream)))


def accuracy(net: nn.Module, data: Examples, ctx: Context) -> float:
    net.eval()
    with torch.inference_mode():
        logits = torch.cat([net(ctx.inputs(data, slice(at, at + 128))) for at in range(0, len(data), 128)])
    return float((logits.argmax(1).numpy() == data.labels).mean())
