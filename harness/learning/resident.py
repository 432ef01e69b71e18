"""How do examples get to where a net computes? Once a task where they fit there, and row by row without waiting.

On a processor they are where they are. On a GPU a copy from ordinary memory makes the processor wait for all work that
was given out before: what a step needs is therefore there already, or comes from page-locked memory.
"""

import weakref
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, np.dtype[Any]]

BOUND = 2 << 30
"""Bytes of arrays that a process holds on a GPU, which several may share. What does not fit is sent batch by batch."""

_PART = 1 << 28
"""Bytes that are sent at a time: files that are mapped into memory need not fit there."""


def sent(tensor: Tensor, device: str | torch.device) -> Tensor:
    """``tensor`` on ``device``; nothing waits for work that a GPU has still to do."""
    place = torch.device(device)
    if place.type == "cuda" and not tensor.is_cuda:
        return tensor.pin_memory().to(place, non_blocking=True)
    return tensor.to(place)


class Resident:
    """Arrays that were sent to a device as a whole, for as long as somebody else holds them too."""

    def __init__(self, *, bound: int = BOUND) -> None:
        self.bound = bound
        self._there: dict[int, tuple[weakref.ref[Array], Tensor]] = {}

    @property
    def nbytes(self) -> int:
        """Bytes that lie on the device now."""
        return sum(tensor.nbytes for _, tensor in self._there.values())

    def rows(self, array: Array, index: Any, device: str) -> Tensor:
        """The rows ``index`` of ``array``, on ``device``."""
        if torch.device(device).type == "cpu":
            return torch.from_numpy(np.ascontiguousarray(array[index]))
        whole = self._whole(array, device)
        if whole is None:
            return sent(torch.from_numpy(np.array(array[index])), device)
        if isinstance(index, slice):
            return whole[index]
        return whole.index_select(0, sent(torch.from_numpy(np.arange(len(array))[index]), device))

    def _whole(self, array: Array, device: str) -> Tensor | None:
        """``array`` on ``device``; None where it does not fit beside what lies there."""
        there = self._there.get(id(array))
        if there is not None and there[0]() is array:
            return there[1]
        if self.nbytes + array.nbytes > self.bound:
            return None
        empty = torch.from_numpy(np.empty(0, dtype=array.dtype))
        whole = torch.empty(array.shape, dtype=empty.dtype, device=device)
        step = max(1, _PART // max(1, array[:1].nbytes))
        for start in range(0, len(array), step):
            whole[start : start + step].copy_(torch.from_numpy(np.array(array[start : start + step])))
        key = id(array)
        self._there[key] = (weakref.ref(array, lambda _: self._there.pop(key, None)), whole)
        return whole
