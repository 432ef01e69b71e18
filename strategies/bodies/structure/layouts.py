"""What can be taken from a net, and which bodies do it? For each layout its widths, or the line that refuses it."""

from dataclasses import dataclass

from torch import nn

from harness.core.errors import UserError
from strategies.bodies.structure.attention import with_prunable_attention
from strategies.bodies.structure.groups import Group
from strategies.bodies.structure.inputs import input_groups
from strategies.bodies.structure.pruning import Layout, check_sound, prunable


@dataclass(frozen=True)
class Reach:
    """What one layout can take units from.

    Attributes:
        what: the kind of width, in words.
        bodies: those that use it, as they are written.
        widths, units: how many widths, and how many units they have together.
        refused: why it can take nothing; empty where it can.
    """

    layout: str
    what: str
    bodies: tuple[str, ...]
    widths: int = 0
    units: int = 0
    refused: str = ""


def reaches(net: nn.Module, size: int) -> list[Reach]:
    """What each layout can take from ``net``, with random weights or others, for images of ``size`` px."""
    return [
        _of_layout(net, size, "filter", "inside blocks", ("filter_pruned", "ot_fused")),
        _of_layout(net, size, "channel", "everywhere", ("channel_pruned", "ot_fused(layout=channel)")),
        _of_inputs(net),
    ]


def _of_layout(net: nn.Module, size: int, layout: Layout, what: str, bodies: tuple[str, ...]) -> Reach:
    try:
        groups = prunable(with_prunable_attention(net), size, layout)
        check_sound(net, size, layout)
    except UserError as error:
        return Reach(layout, what, bodies, refused=str(error))
    return _reach(layout, what, bodies, groups)


def _of_inputs(net: nn.Module) -> Reach:
    bodies = ("conv_in_pruned",)
    try:
        return _reach("conv_in", "read by convolutions", bodies, input_groups(net))
    except UserError as error:
        return Reach("conv_in", "read by convolutions", bodies, refused=str(error))


def _reach(layout: str, what: str, bodies: tuple[str, ...], groups: list[Group]) -> Reach:
    return Reach(layout, what, bodies, len(groups), sum(group.width for group in groups))
