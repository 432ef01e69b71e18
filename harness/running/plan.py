"""What will runs cost before they are begun? Their caps in FLOPs, and hours at the speed of this machine."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from statistics import median

import torch

from harness.compute.backbone import Classifier, zero_head
from harness.compute.caps import caps, dense_flops, scored_tasks
from harness.compute.convolutions import QuickConvolutions
from harness.compute.memory import keep_freed_memory
from harness.config.precision import has_depthwise
from harness.config.registry import make
from harness.config.suite import opened
from harness.core.spec import Precision, RunSpec
from harness.core.task import Split
from harness.learning.batches import loss_of

START_SECONDS = 3.0
"""Opening the stream and building the nets of one run, roughly."""


@dataclass(frozen=True)
class Cost:
    """Upper bound for a set of runs.

    Attributes:
        flops: of learning. evaluation: FLOPs of scoring each task once with the dense net.
        seconds: of budgets in seconds.
        speed: FLOPs a second of a training step of the dense net, one thread.
    """

    runs: int
    tasks: int
    flops: float
    evaluation: float
    seconds: float
    speed: float

    def hours(self, jobs: int) -> float:
        """Wall time with ``jobs`` processes on as many cores."""
        return ((self.flops + self.evaluation) / self.speed + self.seconds + self.runs * START_SECONDS) / jobs / 3600


def price(specs: Iterable[RunSpec]) -> Cost:
    """The most that ``specs`` may spend; unlimited tasks of a budget in seconds cost their seconds."""
    specs = list(specs)
    flops = evaluation = seconds = 0.0
    tasks = 0
    for spec in specs:
        backbone, scored = make_backbone(spec.setting.backbone), scored_tasks(opened(spec.stream), spec)
        mine = caps(spec, backbone, scored)
        tasks += len(mine)
        # A forward pass is a third of a training step.
        evaluation += sum(
            task.sizes[Split(spec.setting.scoring)] * dense_flops(backbone, task.num_classes, spec.setting.size) / 3
            for task in scored
        )
        flops += sum(cap.flops for cap in mine if cap.flops < math.inf)
        seconds += sum(cap.seconds for cap in mine if cap.seconds < math.inf)
    settings = {(spec.setting.backbone, spec.setting.size, spec.setting.precision) for spec in specs}
    speed = min((measured_speed(*setting) for setting in settings), default=math.nan)
    return Cost(len(specs), tasks, flops, evaluation, seconds, speed)


make_backbone = cache(lambda name: make("backbones", name))


@cache
def measured_speed(backbone_name: str, size: int, precision: Precision = "fp32") -> float:
    """FLOPs a second of a training step of the dense net with 16 images, one thread: the median of three."""
    keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        backbone = make_backbone(backbone_name)
        body = backbone.build(pretrained=False).to(memory_format=torch.channels_last)
        net = Classifier(body, zero_head(backbone.num_features, 10)).train()
        quick = precision == "bf16" and not has_depthwise(net)
        autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=quick)
        images = torch.zeros(16, 3, size, size).to(memory_format=torch.channels_last)
        wanted = torch.zeros(16, dtype=torch.int64)
        times = []
        for _ in range(4):
            begun = time.perf_counter()
            with autocast, QuickConvolutions():
                logits = net(images)
            loss_of(logits, wanted).backward()
            times.append(time.perf_counter() - begun)
        return 16 * dense_flops(backbone, 10, size) / median(times[1:])
    finally:
        torch.set_num_threads(threads)
