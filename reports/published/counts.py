"""What does a pruned ResNet cost? Multiply-adds and parameters by arithmetic on layer shapes, without building it."""

from dataclasses import dataclass
from typing import NamedTuple


class Counts(NamedTuple):
    """Of one image's forward pass: multiply-adds of convolutions and matrix products; and all parameters."""

    macs: int
    parameters: int


@dataclass(frozen=True)
class ResNet:
    """Blocks a stage, and whether they are bottlenecks (stride on the 3x3, as torchvision does)."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool


RESNETS = {
    "resnet18": ResNet((2, 2, 2, 2), False),
    "resnet34": ResNet((3, 4, 6, 3), False),
    "resnet50": ResNet((3, 4, 6, 3), True),
}


def channel_pruned(net: ResNet, keep: float, *, size: int = 224, classes: int = 1000) -> Counts:
    """Counts with ``keep`` of every width: stem, residual stream, inner widths, final feature (arXiv 1512.03385)."""
    macs = parameters = 0

    def conv(inputs: int, outputs: int, kernel: int, side: int) -> None:
        nonlocal macs, parameters
        macs += inputs * outputs * kernel**2 * side**2
        # Batch norm: a scale and a shift for each output.
        parameters += inputs * outputs * kernel**2 + 2 * outputs

    def width(full: int) -> int:
        return round(full * keep)

    side = -(-size // 2)
    conv(3, width(64), 7, side)
    side, inputs = -(-side // 2), width(64)
    for stage, count in enumerate(net.blocks):
        inner = 64 * 2**stage
        outputs = width(4 * inner if net.bottleneck else inner)
        for block in range(count):
            before, side = side, -(-side // 2) if stage and not block else side
            if net.bottleneck:
                conv(inputs, width(inner), 1, before)
                conv(width(inner), width(inner), 3, side)
                conv(width(inner), outputs, 1, side)
            else:
                conv(inputs, width(inner), 3, side)
                conv(width(inner), outputs, 3, side)
            if block == 0 and (stage or net.bottleneck):
                conv(inputs, outputs, 1, side)
            inputs = outputs
    return Counts(macs + inputs * classes, parameters + inputs * classes + classes)
