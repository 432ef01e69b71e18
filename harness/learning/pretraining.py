"""How is a backbone made from a stream? Trained from random weights on all its development tasks at once.

One body, a linear head for each task. A batch mixes images of all tasks, every image as likely as any other: batch norm
then measures the stream, and its statistics hold for whoever starts from the weights; batches of one task after the
other would leave means that belong to no task. Nothing but the train split of development tasks is read.
"""

import io
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.compute.backbone import Backbone, Classifier, zero_head
from harness.compute.meter import ComputeMeter
from harness.core.budget import Budget
from harness.core.environment import environment
from harness.core.errors import UserError
from harness.core.seeding import named_seed, numpy_generator, torch_generator
from harness.core.spec import PROTOCOL_VERSION, Precision
from harness.core.stream import Stream
from harness.core.task import Examples, Kind, Phase, Split, Task
from harness.learning.batches import Augment, Order, augmented, loss_of, normalised, stratified, targets
from harness.learning.context import Batch
from harness.learning.optimiser import optimiser_of
from harness.learning.pacing import Pace
from harness.learning.recipe import Settled
from harness.learning.training import Diverged, train
from harness.storage import disk

CHECKPOINT_SECONDS = 60.0
"""What was learnt is put on disk so often: an interruption costs no more."""

RECIPE = Settled(lr=0.0, head_lr=0.0, norm="batch", optimiser="adamw", weight_decay=0.05, warmup=0.05)
"""But for the rate and the batch, which are the plan's."""


@dataclass(frozen=True)
class Pretraining:
    """What decides the weights.

    Attributes:
        budget: of everything; ``1ep`` is one pass over the images that are used.
        images: at most so many images of a task are used, a seeded, stratified part; None for all.
        lr: of AdamW, warmed up, then cosine to zero. Each head sees a share of each batch only, so that plain gradient
            steps would be as much smaller for it as there are tasks.
        precision: of the products; weights are float32.
    """

    stream: Stream
    backbone: Backbone
    size: int
    budget: Budget
    seed: int = 0
    images: int | None = None
    lr: float = 1e-3
    batch_size: int = 64
    precision: Precision = "fp32"

    def tasks(self) -> list[Task]:
        """The development tasks, of which only train and dev can be loaded."""
        return [task.for_learning() for task in self.stream if task.phase is Phase.DEVELOPMENT]

    def facts(self) -> dict[str, Any]:
        """All this as plain values: equal facts give equal weights on one kind of machine."""
        return {
            "backbone": self.backbone.name,
            "stream": self.stream.title,
            "stream_version": self.stream.version,
            "fingerprint": self.stream.fingerprint(),
            "tasks": len(self.tasks()),
            "images_a_task": self.images,
            "size": self.size,
            "budget": str(self.budget),
            "seed": self.seed,
            "lr": self.lr,
            "batch_size": self.batch_size,
            "precision": self.precision,
            "protocol_version": PROTOCOL_VERSION,
        }


@dataclass
class Progress:
    """How far a pretraining is.

    Attributes:
        share: of the budget that is spent.
        loss: training loss as a share of what a head gives that knows nothing; mean of about the last hundred steps.
        examples: images seen, each as often as it was.
        flops_each: what an image of the last step cost.
    """

    share: float = 0.0
    loss: float = 1.0
    steps: int = 0
    examples: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    flops_each: float = 0.0


OnProgress = Callable[[Progress], None]


def pretrain(
    plan: Pretraining, out: Path, *, device: str = "cpu", on_progress: OnProgress = lambda _: None
) -> dict[str, Any]:
    """Carry out ``plan``, or what is left of it, and write ``out``: ``state_dict`` and ``pretraining``, plain values.

    Until it is done, ``out`` with ``.part`` behind its name holds what an interrupted pretraining goes on from. Where
    ``out`` is there already and the same plan made it, nothing is done again.

    Returns:
        What ``out`` tells of its making: the facts of the plan, its cost and loss, and on what it ran.

    Raises:
        UserError: there is no development task, or ``out`` or its part is another one's.
        CannotWrite: the disk did not take it.
        Diverged: the loss became infinite or not a number.
    """
    if out.exists():
        made = pretraining_of(out)
        _must_agree(out, made, plan)
        return made
    tasks = plan.tasks()
    if not tasks:
        raise UserError(f"stream {plan.stream.name} has no development task to pretrain on")
    torch.manual_seed(named_seed(plan.seed, "pretrain", "weights"))
    net = Joint(plan.backbone.build(pretrained=False), plan.backbone.num_features, tasks)
    part = out.with_name(f"{out.name}.part")
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
        data = [_mapped(task, Path(folder) / f"{i}.npy", plan) for i, task in enumerate(tasks)]
        at = _train(net.to(device, memory_format=torch.channels_last), data, plan, part, device, on_progress)  # type: ignore[call-overload]
    made = {**plan.facts(), "images": sum(map(len, data)), **asdict(at), **environment()}
    disk.whole(out, _bytes({"state_dict": net.body.cpu().state_dict(), "pretraining": made}))
    disk.remove(part)
    return made


def pretraining_of(file: Path) -> dict[str, Any]:
    """What a weights file tells of its making by :func:`pretrain`.

    Raises:
        UserError: it cannot be read, or was not made so.
    """
    try:
        # Mapped, not read: only the plain values are looked at.
        return dict(torch.load(file, map_location="cpu", weights_only=True, mmap=True)["pretraining"])
    except Exception as error:  # Zip, pickle and missing keys share no class.
        raise UserError(f"{file} was not made by 'harness pretrain': {type(error).__name__}") from error


class Joint(Classifier):
    """One body, and a head for each task.

    Attributes:
        relative_loss: of the last batch as a share of what a head gives that knows nothing.
    """

    relative_loss = 1.0

    def __init__(self, body: nn.Module, width: int, tasks: list[Task]) -> None:
        super().__init__(body, nn.ModuleList(zero_head(width, task.num_classes) for task in tasks))
        self.ignorance = [math.log(2 if task.kind is Kind.MULTILABEL else task.num_classes) for task in tasks]

    def loss(self, _: nn.Module, batch: Batch) -> Tensor:
        """The mean loss of a batch, whose targets are those of each task in it, in the order of its images."""
        assert isinstance(self.head, nn.ModuleList)
        wanted: list[tuple[int, Tensor]] = batch.targets  # type: ignore[assignment]
        parts = self.body(batch.inputs).split([len(target) for _, target in wanted])
        total, self.relative_loss = batch.inputs.new_zeros(()), 0.0
        for features, (task, target) in zip(parts, wanted, strict=True):
            loss = loss_of(self.head[task](features).float(), target) * (len(target) / len(batch.inputs))
            total, self.relative_loss = total + loss, self.relative_loss + float(loss.detach()) / self.ignorance[task]
        return total


def _train(
    net: Joint, data: list[Examples], plan: Pretraining, part: Path, device: str, on_progress: OnProgress
) -> Progress:
    """Train ``net`` until the budget is spent, on from ``part`` if that exists."""
    at, recipe = Progress(), replace(RECIPE, lr=plan.lr, head_lr=plan.lr, batch_size=plan.batch_size)
    optimiser = optimiser_of(net, recipe)
    if part.exists():
        at = _taken_back(part, plan, net, optimiser)
    meter = ComputeMeter(flops=plan.budget.flops - at.flops, seconds=plan.budget.seconds - at.seconds, device=device)

    def keep() -> None:
        content = {"facts": plan.facts(), "at": asdict(at), "net": net.state_dict()}
        disk.whole(part, _bytes({**content, "optimiser": optimiser.state_dict()}))

    autocast = torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=plan.precision == "bf16")
    batches = _batches(net, data, plan, at, meter, device, keep, on_progress)
    with meter:
        train(net, batches, optimiser, recipe, autocast=autocast, loss=net.loss, steps=at.steps)
    return at


def _batches(
    net: Joint,
    data: list[Examples],
    plan: Pretraining,
    at: Progress,
    meter: ComputeMeter,
    device: str,
    keep: Callable[[], None],
    on_progress: OnProgress,
) -> Iterator[Batch]:
    """Batches of all tasks until the budget is spent; ``at`` follows, and is kept now and then."""
    budget, before, kept = plan.budget, Progress(**asdict(at)), time.monotonic()
    images = math.inf if budget.epochs == math.inf else round(budget.epochs * sum(map(len, data)))
    pace = Pace(meter, images=images, seen=at.examples, each=at.flops_each, flops=budget.flops, seconds=budget.seconds)
    order = Order(sum(map(len, data)), torch_generator(plan.seed, "pretrain", "order"))
    order.take(at.examples)  # What was seen before an interruption is not seen again.
    while not meter.exhausted and (count := pace.at_most(plan.batch_size)) >= 2:
        # Everything drawn in a step depends on its number alone, so that going on agrees with going through.
        torch.manual_seed(named_seed(plan.seed, "pretrain", at.steps))
        draws = torch_generator(plan.seed, "pretrain augment", at.steps)
        inputs, wanted = _batch(data, order.take(count), plan, device)
        # Targets of several tasks: the loss is of this net, and knows how to read them.
        batch = Batch(augmented(inputs, Augment(), draws), wanted, pace.progress(count))  # type: ignore[arg-type]
        spent = meter.spent_flops
        with meter.step(None, count):
            yield batch
        pace.took(count, each=(meter.spent_flops - spent) / count)
        if not math.isfinite(net.relative_loss):
            raise Diverged(f"the loss became infinite or not a number after {at.steps} steps")
        at.loss += (net.relative_loss - at.loss) / min(at.steps + 1, 100)
        at.steps, at.examples, at.flops_each = at.steps + 1, pace.seen, pace.each
        at.flops, at.seconds = before.flops + meter.spent_flops, before.seconds + meter.spent_seconds
        at.share = min(1.0, max(at.flops / budget.flops, at.seconds / budget.seconds, at.examples / images))
        on_progress(at)
        if time.monotonic() - kept >= CHECKPOINT_SECONDS:
            keep()
            kept = time.monotonic()


def _batch(
    data: list[Examples], index: np.ndarray[Any, Any], plan: Pretraining, device: str
) -> tuple[Tensor, list[tuple[int, Tensor]]]:
    """The images that ``index`` (sorted) names among those of all tasks, and the targets of each task in it."""
    ends = np.cumsum([len(one) for one in data])
    owners = np.searchsorted(ends, index, side="right")
    inputs, wanted = [], []
    for task in np.unique(owners).tolist():
        rows = data[task][index[owners == task] - (ends[task] - len(data[task]))]
        inputs.append(normalised(rows.images, plan.backbone, size=plan.size, device=device))
        wanted.append((task, targets(rows.labels, device)))
    return torch.cat(inputs).contiguous(memory_format=torch.channels_last), wanted


def _mapped(task: Task, file: Path, plan: Pretraining) -> Examples:
    """The training images of ``task`` that are used, memory-mapped from ``file``: only one task at a time is read."""
    data = task.load(Split.TRAIN)
    if plan.images is not None and plan.images < len(data):
        data = data[np.sort(stratified(data.labels, plan.images, numpy_generator(plan.seed, task.name, "pretrain")))]
    np.save(file, data.images, allow_pickle=False)
    return Examples(np.load(file, mmap_mode="r", allow_pickle=False), np.array(data.labels))


def _taken_back(part: Path, plan: Pretraining, net: Joint, optimiser: torch.optim.Optimizer) -> Progress:
    try:
        kept = torch.load(part, map_location="cpu", weights_only=True)
        facts, at = kept["facts"], Progress(**kept["at"])
    except Exception as error:  # Zip, pickle and missing keys share no class.
        raise UserError(f"{part} cannot be read ({type(error).__name__}); remove it to begin again") from error
    _must_agree(part, facts, plan)
    net.load_state_dict(kept["net"])
    optimiser.load_state_dict(kept["optimiser"])
    return at


def _must_agree(file: Path, theirs: dict[str, Any], plan: Pretraining) -> None:
    for name, value in plan.facts().items():
        if theirs.get(name) != value:
            raise UserError(
                f"{file} belongs to a pretraining with {name} {theirs.get(name)!r}, this one has {value!r}; "
                "choose another --out, or remove it"
            )


def _bytes(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
