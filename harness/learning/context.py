"""What does a strategy have at hand while it learns? Its meter, the backbone, named randomness, metered batches."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from harness.compute.backbone import Backbone, Classifier, feature_width, zero_head
from harness.compute.meter import ComputeMeter, CostPhase
from harness.config.precision import has_depthwise
from harness.core.seeding import named_seed, numpy_generator, torch_generator
from harness.core.spec import Setting
from harness.core.task import Examples, Task
from harness.learning.batches import Augment, Features, Order, augmented, normalised, stratified, targets
from harness.learning.pacing import Pace
from harness.learning.resident import Resident, sent
from harness.learning.watch import Trained

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's worth; ``for inputs, targets in ctx.batches(...)`` unpacks it as a loader's would be.

    Attributes:
        inputs, targets: as a net and a loss take them.
        progress: share of the loop's budget that is spent in the middle of this step.
    """

    inputs: Tensor
    targets: Tensor
    progress: float

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.inputs, self.targets))


@dataclass(frozen=True)
class Adapted:
    """The net that a learner begins with, where a body has made another of the backbone.

    Attributes:
        net: images to features; copied for whoever asks for it.
        body: name of the body, as it is written.
        pretrained: whether it was made of pretrained weights.
        statistics_hold: whether its batch-norm statistics still belong to its weights.
    """

    net: nn.Module = field(repr=False)
    body: str
    pretrained: bool = True
    statistics_hold: bool = True


@dataclass
class Context:
    """What ``Strategy.learn`` works with. All that is computed in it is charged to ``meter``.

    Attributes:
        meter: the budget of the current task and what was spent of it.
        dense_flops: metered training FLOPs an image of the dense net with the current task's head.
        report_progress: called with the share of a loop that is done, for people who watch.
        whole: the meter of the task, where ``meter`` is that of a trial or a stage; see :attr:`task_meter`.
        adapted: the net that a body has made of the backbone; None: learning begins with the dense net.
        resident: the examples that are already in the device's memory.
        trainings: how each training of the current task's net went, in their order; trials are left out.
    """

    backbone: Backbone
    setting: Setting
    seed: int
    meter: ComputeMeter
    device: str = "cpu"
    dense_flops: float = 0.0
    report_progress: Callable[[float], None] = field(default=lambda share: None, repr=False)
    whole: ComputeMeter | None = None
    adapted: Adapted | None = None
    trainings: list[Trained] = field(default_factory=list, repr=False)
    resident: Resident = field(default_factory=Resident, repr=False)

    @property
    def task_meter(self) -> ComputeMeter:
        """The meter with the whole budget of the task: a trial is trained as the run that it is to tell of."""
        return self.whole or self.meter

    @property
    def size(self) -> int:
        """Image side in pixels."""
        return self.setting.size

    def generator(self, *names: object) -> torch.Generator:
        """A CPU generator that depends on the run's seed and ``names`` alone."""
        return torch_generator(self.seed, *names)

    @property
    def num_features(self) -> int:
        """Width of the features of what :meth:`body` gives."""
        if self.adapted is None:
            return self.backbone.num_features
        with self.meter.unmetered():
            return feature_width(self.adapted.net, self.size)

    @property
    def body_name(self) -> str:
        """What :meth:`body` gives, as it is written: ``dense``, ``filter_pruned``."""
        return "dense" if self.adapted is None else self.adapted.body

    @property
    def statistics_hold(self) -> bool:
        """Whether the batch-norm statistics of what :meth:`body` gives belong to its weights."""
        return self.adapted is None or self.adapted.statistics_hold

    def body(self, *, pretrained: bool = True) -> nn.Module:
        """A new copy of the net that learning begins with; the caller may change it.

        It is the backbone, or the net that the strategy's body has made of it. ``pretrained=False`` gives random
        weights, drawn by the run's seed.

        Raises:
            ValueError: the body was made of weights of the other kind; see ``Learner.pretrained``.
        """
        if self.adapted is not None:
            if self.adapted.pretrained is not pretrained:
                made, asked = ("pretrained", "random") if self.adapted.pretrained else ("random", "pretrained")
                raise ValueError(
                    f"the body was made of {made} weights, {asked} ones are asked for; see Learner.pretrained"
                )
            return self._placed(copy.deepcopy(self.adapted.net))
        if not pretrained:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(named_seed(self.seed, "scratch"))
                return self._placed(self.backbone.build(pretrained=False))
        return self._placed(self.backbone.build(pretrained=True))

    def autocast(self, net: nn.Module | None = None) -> torch.autocast:
        """The number format of the setting; with ``net`` that of training it, without that of inference.

        ``bf16`` leaves the training of depthwise convolutions on a CPU in fp32: their backward pass in bf16 takes
        twice as long there.
        """
        kind = torch.device(self.device).type
        slow = kind == "cpu" and net is not None and has_depthwise(net)
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=self.setting.precision == "bf16" and not slow)

    def _placed(self, net: Net) -> Net:
        return net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def classifier(self, task: Task, body: nn.Module | None = None) -> Classifier:
        """``body`` (a new pretrained one if None) with a head for ``task`` that starts at zero."""
        body = self.body() if body is None else body
        with self.meter.unmetered():
            width = feature_width(body, self.size)
        # Moved as a whole: a body from a saved state may have another memory layout, and sum in another order.
        return self._placed(Classifier(body, zero_head(width, task.num_classes)))

    def inputs(self, data: Examples | Features, index: Any = slice(None)) -> Tensor:
        """Rows ``index`` of ``data`` as the net is fed: normalised images (n, 3, size, size), or features."""
        if isinstance(data, Examples):
            pixels = self.resident.rows(data.images, index, self.device)
            return normalised(pixels, self.backbone, size=self.size)
        if isinstance(index, slice):
            return data.values[index].to(self.device)
        where = torch.from_numpy(np.arange(len(data))[index])
        return data.values.index_select(0, sent(where, data.values.device)).to(self.device)

    def shape(self, data: Examples | Features) -> tuple[int, ...]:
        """Shape of one input made from ``data``, without the batch."""
        return tuple(data.values.shape[1:]) if isinstance(data, Features) else (3, self.size, self.size)

    def batches(
        self,
        data: Examples | Features,
        *,
        batch_size: int,
        name: str,
        net: nn.Module | None = None,
        augment: Augment | None = None,
        epochs: float = math.inf,
        alike: bool = True,
        recount: bool = True,
    ) -> Iterator[Batch]:
        """Batches in a seeded order that end when ``epochs`` or the budget is spent; ``name`` names the randomness.

        What the body of the loop computes is charged. Without ``net``, every step is counted. With ``net``, the body of
        the loop has to be one training step of that net: one step is counted, multiplied, and counted again now and
        then. ``alike=False``: steps differ, so that each is counted; ``recount=False``: never count again, as for a
        recorded step that is replayed. The last batch shrinks to what the budget still pays for.

        Raises:
            ValueError: neither a budget nor ``epochs`` would end the loop.
        """
        meter, device = self.meter, self.device
        pace = Pace(meter, images=math.inf if epochs == math.inf else round(epochs * len(data)))
        if pace.endless:
            raise ValueError("a loop needs an end: a budget or epochs")
        ahead = Order(len(data), self.generator(name, "order"))
        draws = self.generator(name, "augment")
        price = meter.price(net, self.shape(data)) if net is not None else None
        if price is not None:
            price.recount = recount
        pace.each = price.flops if price else 0.0
        if not alike:
            price = None
        while pace.images_left > 0:
            if gone := meter.exhausted:
                meter.stopped = gone
                return
            count = pace.at_most(batch_size)
            # Batch norm cannot train on one example of a 1x1 map; the image or so that is left unspent is no loss.
            if count < min(2, len(data)):
                if count < pace.images_left:
                    meter.stopped = "flops"
                return
            index = ahead.take(count)
            inputs = self.inputs(data, index)
            if augment is not None and isinstance(data, Examples):
                inputs = augmented(inputs, augment, draws)
            progress = pace.progress(count)
            before = meter.spent_flops
            with meter.step(price, count):
                yield Batch(inputs, targets(self.resident.rows(data.labels, index, device), device), progress)
            pace.took(count, each=price.flops if price else (meter.spent_flops - before) / count)
            self.report_progress(progress)

    def features(
        self, body: nn.Module, data: Examples, *, name: str, reserve: float = 0.0, phase: CostPhase = "extract"
    ) -> Features:
        """Features of ``data`` in eval mode, extracted once and charged.

        If the budget does not pay for every image, with ``reserve`` FLOPs more for each, only a seeded, stratified
        subset of them is extracted: the largest that the budget pays for.
        """
        body = body.eval()
        with self.meter.phase(phase):
            price = self.meter.price(body, self.shape(data))
            paid = min(len(data), self.meter.affordable(price.flops + reserve))
            # Classes take turns, so that the subset is stratified wherever the budget ends.
            chosen = stratified(data.labels, int(paid), numpy_generator(self.seed, name, "subset"))
            parts: list[Tensor] = []
            with torch.inference_mode():
                for start in range(0, len(chosen), 128):
                    if self.meter.exhausted == "seconds":
                        chosen = chosen[:start]
                        break
                    index = chosen[start : start + 128]
                    inputs = self.inputs(data, index)
                    with self.meter.step(price, len(index)), self.autocast():
                        parts.append(body(inputs).float())
                    self.report_progress(start / len(chosen))
            if len(chosen) < len(data):
                self.meter.stopped = "seconds" if self.meter.exhausted == "seconds" else "flops"
        # Cloned outside inference mode: a head trained on them needs ordinary tensors.
        values = (
            torch.cat(parts).clone() if parts else torch.zeros(0, feature_width(body, self.size), device=self.device)
        )
        return Features(values, data.labels[chosen])
