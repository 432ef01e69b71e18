"""How are shapes worked out for free? On ``meta`` tensors, which do no arithmetic and are charged to nobody."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes


@contextmanager
def shapes_only() -> Iterator[None]:
    """Inside, operations are seen by no counter: meant for ``meta`` tensors and for nothing else."""
    with _disable_current_modes(), torch.device("cpu"):
        yield


Net = TypeVar("Net", bound=nn.Module)


def copied(net: Net, tensor: Callable[[Tensor], Tensor]) -> Net:
    """A copy of ``net`` whose parameters and buffers are what ``tensor`` makes of them; what it gives back is shared.

    Modules are copied, weights are not, so that a copy of a large net costs nothing. Weights that are tied stay so.
    """
    memo: dict[int, Tensor] = {}
    for old in (*net.parameters(), *net.buffers()):
        new = tensor(old)
        if new is not old:
            new = nn.Parameter(new.detach(), old.requires_grad) if isinstance(old, nn.Parameter) else new.detach()
        memo[id(old)] = new
    return copy.deepcopy(net, memo)


def on_meta(net: Net) -> Net:
    """A copy of ``net`` that has shapes and no weights."""
    return copied(net, lambda weight: weight.to("meta"))
