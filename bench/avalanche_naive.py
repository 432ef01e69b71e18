"""Our finetuning against Avalanche's ``Naive`` as its users run it: same data, steps and batch, one thread each."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from bench.pairs import Line, in_turn
from bench.work import LITE0, RESNET18, classifier, context, images
from harness.batches import Features
from harness.context import Context
from harness.seeding import torch_generator
from harness.spec import Precision
from harness.task import Examples
from harness.training import Recipe, fit

BATCH = 32


def rows(pairs: int) -> Iterator[Line]:
    warnings.filterwarnings("ignore")
    precisions: tuple[tuple[str, Precision], ...] = ((LITE0, "fp32"), (RESNET18, "bf16"), (RESNET18, "fp32"))
    for backbone, precision in precisions:
        yield _nets(backbone, precision, pairs)
    yield _heads(pairs)


def _nets(backbone: str, precision: Precision, pairs: int) -> Line:
    data, ctx = images(384, 64), context(backbone, 64, precision=precision)
    recipe = Recipe(lr=1e-2, head_lr=1e-2, norm="batch", batch_size=BATCH)

    def ours() -> float:
        net = classifier(ctx, data)
        with ctx.meter:
            fit(net, data, ctx, name="bench", recipe=recipe, epochs=1)
        return _accuracy(net, data, ctx)

    torch_net = classifier(ctx, data).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    theirs = _naive(torch_net, _pil_set(data, ctx), epochs=1)
    ratio = in_turn(ours, theirs, pairs=pairs)
    name = backbone.partition("(")[0]
    what = f"Avalanche Naive / ours, {name} 64 px, one epoch of 384"
    aim = ">= 1.7" if precision == "bf16" or backbone == LITE0 else ""
    return Line("avalanche", what, ratio, aim, f"ours in {precision}, Avalanche as it comes")


def _heads(pairs: int) -> Line:
    data, ctx = images(512, 64), context(LITE0, 64)
    values = torch.randn(len(data), 1280, generator=torch_generator(0, "bench"))
    features = Features(values, data.labels)

    def ours() -> None:
        with ctx.meter:
            fit(nn.Linear(1280, 10), features, ctx, name="bench", recipe=Recipe(batch_size=BATCH), epochs=10)

    pairs_of = list(zip(values, data.labels.tolist(), strict=True))
    theirs = _naive(nn.Linear(1280, 10), pairs_of, epochs=10)
    ratio = in_turn(ours, theirs, pairs=pairs)
    return Line("avalanche", "Avalanche Naive / ours, head on cached features, 10 epochs of 512", ratio, ">= 1.5")


def _pil_set(data: Examples, ctx: Context) -> Any:
    """The images as a torchvision data set gives them: PIL, cropped and normalized one by one."""
    from PIL import Image
    from torchvision import transforms

    mean = [value / 255 for value in ctx.backbone.mean]
    std = [value / 255 for value in ctx.backbone.std]
    change = transforms.Compose(
        [transforms.RandomResizedCrop(64, scale=(0.5, 1.0)), transforms.ToTensor(), transforms.Normalize(mean, std)]
    )

    class Pictures(torch.utils.data.Dataset[Any]):
        targets = data.labels.tolist()  # noqa: RUF012

        def __len__(self) -> int:
            return len(data)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            return change(Image.fromarray(data.images[index])), int(data.labels[index])

    return Pictures()


def _naive(net: nn.Module, examples: Any, *, epochs: int) -> Callable[[], None]:
    from avalanche.benchmarks import benchmark_from_datasets
    from avalanche.benchmarks.utils import as_classification_dataset
    from avalanche.training import Naive

    if isinstance(examples, list):
        values = torch.stack([value for value, _ in examples])
        labels = torch.tensor([label for _, label in examples])
        held = torch.utils.data.TensorDataset(values, labels)
        held.targets = labels.tolist()  # type: ignore[attr-defined]
        examples = held
    benchmark = benchmark_from_datasets(train=[as_classification_dataset(examples)])
    experience = next(iter(benchmark.train_stream))

    def train() -> None:
        strategy = Naive(
            model=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=1e-2, momentum=0.9),
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=BATCH,
            train_epochs=epochs,
            eval_mb_size=BATCH,
        )
        strategy.train(experience)

    return train


def _accuracy(net: nn.Module, data: Examples, ctx: Context) -> float:
    with torch.inference_mode():
        logits = net(ctx.inputs(data, slice(0, 8)))
    return float((logits.argmax(1).numpy() == data.labels[:8]).mean())
