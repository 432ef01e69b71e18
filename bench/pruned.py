"""Are FLOPs saved time saved? Dense against pruned training steps; a masked net is the control that gains nothing."""

import copy
from collections.abc import Callable, Iterator

import torch
from torch import nn

from bench.pairs import Line, in_turn
from bench.work import CLASSES, HALF, LITE0, RESNET18, chosen, context, short
from harness.compute.backbone import Classifier, feature_width, zero_head
from harness.compute.convolutions import QuickConvolutions
from harness.compute.flops import flops_forward, flops_train
from harness.config.registry import make
from harness.learning.batches import loss_of

BATCH, STEPS, SIZE = 32, 4, 64


def rows(pairs: int, net: str | None = None) -> Iterator[Line]:
    for backbone in chosen((HALF, RESNET18, LITE0), net):
        dense = context(backbone, SIZE).body(pretrained=False)
        for strategy in ("filter_pruned(keep=0.5)", "filter_pruned(keep=0.25)", "channel_pruned(keep=0.5)"):
            small = make("strategies", strategy).adapted(copy.deepcopy(dense), SIZE)
            yield _line(backbone, strategy, dense, small, "train fp32", pairs)
            if strategy == "filter_pruned(keep=0.5)":
                yield _line(backbone, strategy, dense, small, "inference fp32", pairs)
                yield _line(backbone, strategy, dense, small, "inference bf16", pairs)
                if backbone != LITE0:
                    yield _line(backbone, strategy, dense, small, "train bf16", pairs)
        yield _line(backbone, "masked half, not removed", dense, _masked(dense), "train fp32", pairs)


def _line(backbone: str, strategy: str, dense: nn.Module, small: nn.Module, how: str, pairs: int) -> Line:
    slow, fast = _net(dense), _net(small)
    flops = flops_train if how.startswith("train") else flops_forward
    gain = flops(slow, 1, 3, SIZE, SIZE) / flops(fast, 1, 3, SIZE, SIZE)
    ratio = in_turn(_steps(fast, how), _steps(slow, how), pairs=pairs)
    name = short(backbone)
    kept = ratio.median / gain
    aimed = "train bf16" if backbone == HALF else "train fp32"
    aim = ">= 90 % of the FLOPs gain" if strategy == "filter_pruned(keep=0.5)" and how == aimed else ""
    what = f"dense / {strategy}, {name} {SIZE} px, {how}"
    return Line("pruned", what, ratio, aim, f"FLOPs ratio {gain:.2f}: {kept:.0%} of it kept")


def _net(body: nn.Module) -> Classifier:
    body = copy.deepcopy(body).to(memory_format=torch.channels_last)
    return Classifier(body, zero_head(feature_width(body, SIZE), CLASSES))


def _steps(net: nn.Module, how: str) -> Callable[[], None]:
    images = torch.zeros(BATCH, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    wanted = torch.zeros(BATCH, dtype=torch.int64)
    half = torch.autocast("cpu", dtype=torch.bfloat16, enabled=how.endswith("bf16"))
    quick = QuickConvolutions()

    def train() -> None:
        net.train()
        for _ in range(STEPS):
            with half, quick:
                logits = net(images)
            net.zero_grad(set_to_none=True)
            loss_of(logits.float(), wanted).backward()

    def infer() -> None:
        net.eval()
        with torch.inference_mode(), half:
            for _ in range(2 * STEPS):
                net(images)

    return train if how.startswith("train") else infer


def _masked(body: nn.Module) -> nn.Module:
    """The same net with half of each convolution's filters set to zero: nothing is removed, nothing is gained."""
    masked = copy.deepcopy(body)
    for module in masked.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data[::2] = 0
    return masked
