"""What does every strategy start from? A backbone: a net from images to features, and where its weights came from."""

import copy
import hashlib
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cached_property, partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from harness.core.digest import digest
from harness.storage.memo import once


@dataclass(frozen=True)
class Origin:
    """Where a backbone's weights come from; what nobody says is left empty.

    Attributes:
        trained_on: the data and, where it is known, the task.
        source: who gives them: a package, an address.
        licence: of the weights, as their source states it.
        file: where they lie, or will once they are here; None where that cannot be known.
        fetch: how to bring them here.
    """

    trained_on: str = ""
    source: str = ""
    licence: str = ""
    file: Path | None = None
    fetch: str = ""


@dataclass(frozen=True)
class Backbone:
    """A net without a head, and all that is needed to make it again.

    Attributes:
        name: written form, for example ``efficientnet_lite0``.
        num_features: width of the features, (n, num_features).
        mean, std: images are given to the net as ``(x - mean) / std``, x in 0..255, per channel.
        build: a new module on the CPU, its weights the caller's to change; ``pretrained=False`` gives random weights
            drawn from torch's global generator and needs no file.
        find_weights: gives ``weights_hash``. Called on first use, so that a backbone whose weights are not here can
            still be opened and counted.
        find_pretraining: what the weights file tells of its making, where ``harness pretrain`` made it; else nothing.
        find_classifier: a new copy of the linear layer that the checkpoint itself has for its own task, from features
            to logits; None if it has none.
        find_origin: where the weights come from; nothing is downloaded for it.
        described: what the weights were trained on, where their name does not say it: to stand beside results.
        fetch: brings weights here that opening does not; None where there is nothing to bring.
    """

    name: str
    num_features: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    build: Callable[..., nn.Module] = field(repr=False)
    find_weights: Callable[[], str] = field(default=str, repr=False)
    find_pretraining: Callable[[], Mapping[str, Any]] = field(default=dict, repr=False)
    find_classifier: Callable[[], nn.Linear | None] = field(default=lambda: None, repr=False)
    find_origin: Callable[[], Origin] = field(default=Origin, repr=False)
    described: str = ""
    fetch: Callable[[], object] | None = field(default=None, repr=False)

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the weights; empty for random weights.

        Raises:
            UserError: the weights are not here and cannot be had, or are not what they should be.
        """
        return self.find_weights()


class Classifier(nn.Module):
    """A body and a linear head, one for each task. ``forward``: images (n, 3, h, w) to logits (n, classes)."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    if TYPE_CHECKING:  # What torch leaves untyped: a net is called, not its forward.

        def __call__(self, images: Tensor) -> Tensor: ...

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))  # type: ignore[no-any-return]


Value = TypeVar("Value")

_known: dict[Hashable, Any] = {}
"""What nets of one structure have in common: a body is made anew for every task."""


def by_structure(what: Hashable, net: nn.Module, work: Callable[[], Value]) -> Value:
    """What ``work`` gives, or gave for ``what`` and a net of the same structure; worked out where that is not known."""
    if (found := structure(net)) is None:
        return work()
    key = (what, found)
    if key not in _known:
        _known[key] = once(key, work)
    value: Value = _known[key]
    return value


def structure(net: nn.Module) -> Hashable | None:
    """What two nets share whose operations are the same for every input shape, whatever their weights and mode.

    None where a module holds what is not understood, such as a closure or an object of some class: two such nets may
    look the same and not be.
    """
    names = {id(tensor): name for name, tensor in (*net.named_parameters(), *net.named_buffers())}
    names |= {id(module): name for name, module in net.named_modules()}
    try:
        return (
            tuple((_class_of(module), module.extra_repr(), _own(module, names)) for module in net.modules()),
            tuple((name, tuple(p.shape), p.requires_grad) for name, p in net.named_parameters()),
            tuple((name, tuple(b.shape), str(b.dtype)) for name, b in net.named_buffers()),
        )
    except (NotUnderstood, RecursionError):
        return None


class NotUnderstood(Exception):
    """A value that cannot be told from others by looking at it."""


# What every module holds of itself; of that, only hooks that calls go through can change what it computes.
_EVERY = frozenset(vars(nn.Module()))
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def _own(module: nn.Module, names: Mapping[int, str]) -> Hashable:
    """What a module keeps to itself besides parameters, buffers and modules."""
    # A net is counted once, whether it is about to be trained or to predict.
    own = [(name, _described(value, names)) for name, value in vars(module).items() if name not in _EVERY]
    hooks = [_described(list(hooks.values()), names) for name in _HOOKS if (hooks := vars(module)[name])]
    return tuple(sorted(own)), tuple(hooks)


def _described(value: Any, names: Mapping[int, str]) -> str:
    """A text that two values share only where they are the same to whoever computes with them.

    Raises:
        NotUnderstood: it is of a kind of which that cannot be said.
    """
    kind = type(value)
    if id(value) in names:
        return f"here:{names[id(value)]}"
    if value is None or kind in _PLAIN or isinstance(value, (Enum, np.generic)):
        return f"{kind.__qualname__}:{value!r}"
    if kind in (list, tuple, torch.Size, deque):
        return f"{kind.__qualname__}:[{','.join(_described(item, names) for item in value)}]"
    if kind in (set, frozenset):
        return f"{kind.__qualname__}:[{','.join(sorted(_described(item, names) for item in value))}]"
    if kind in (dict, OrderedDict, defaultdict):
        pairs = [f"{_described(key, names)}={_described(item, names)}" for key, item in value.items()]
        return f"{kind.__qualname__}:[{','.join(pairs)}]"
    if kind is partial:
        return f"partial:{_described([value.func, value.args, value.keywords], names)}"
    if isinstance(value, (type, FunctionType, BuiltinFunctionType)):
        return _name_of(value)
    if is_dataclass(value) and set(vars(value)) == {field.name for field in fields(value)}:
        return f"{_name_of(kind)}:{_described(vars(value), names)}"
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"array:{value.dtype}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, Tensor) and value.layout is torch.strided and not (value.is_meta or value.is_quantized):
        return f"tensor:{value.requires_grad}{digest(value)}"
    raise NotUnderstood(f"a {kind.__module__}.{kind.__qualname__}")


_PLAIN = frozenset(
    {bool, int, float, complex, str, bytes, range, slice, torch.dtype, torch.device, torch.layout, torch.memory_format}
)


def _name_of(thing: Any) -> str:
    """The name of a class or function: its place in memory says nothing to another process.

    Raises:
        NotUnderstood: others of that name may differ, for it was made inside a function or is typed into a session.
    """
    owner = getattr(thing, "__self__", None)
    free = owner is None or isinstance(owner, ModuleType) or type(owner).__name__ == "PyCapsule"
    if "<" in thing.__qualname__ or thing.__module__ == "__main__" or not free:
        raise NotUnderstood(f"{thing!r}")
    return f"{thing.__module__}.{thing.__qualname__}"


def _class_of(module: nn.Module) -> type:
    """The class itself: loaded anew, one of the same name may compute something else."""
    _name_of(type(module))
    return type(module)


def feature_width(body: nn.Module, size: int) -> int:
    """Width of the features that ``body`` gives for images of ``size`` px, found without arithmetic."""
    return by_structure(("width", size), body, lambda: _found_width(body, size))


def _found_width(body: nn.Module, size: int) -> int:
    probe = copy.deepcopy(body).to("meta").eval()
    with torch.no_grad():
        features = probe(torch.zeros(1, 3, size, size, device="meta"))
    if features.ndim != 2:
        raise ValueError(f"a backbone gives features (n, width); this one gave shape {tuple(features.shape)}")
    return int(features.shape[1])


def zero_head(width: int, classes: int) -> nn.Linear:
    """A head that starts by saying nothing: all logits equal."""
    head = nn.Linear(width, classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head
