"""What is one step of training? Forward, loss, backward, clipping and the optimiser's step; on a GPU, as one launch.

At batch 16 and 64 px a step is hundreds of kernels of a few microseconds, and a GPU would wait for the processor that
launches them one by one. There the step is recorded as a CUDA graph after a few real ones, and replayed in one launch;
what changes from step to step is read from the device: the batch from fixed buffers, the learning rate from a tensor.
A batch of another shape, as the last one, is taken apart. On a processor the same code runs, and nothing is recorded.
"""

import math
from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

from harness.compute.convolutions import QuickConvolutions
from harness.learning.context import Batch
from harness.learning.optimiser import set_rates
from harness.learning.recipe import Schedule, Settled

Loss = Callable[[nn.Module, Batch], Tensor]
"""The net and a batch to a scalar that is to become small. All that it computes is charged."""

Work = Callable[[], tuple[Tensor, Tensor]]

REAL_STEPS = 3
"""Steps before one is recorded: by then the optimiser has its state, and the libraries have chosen their kernels."""

REPLAYABLE = frozenset({"torch", "torchvision", "timm", "harness", "strategies", "efficientnet_lite_pytorch"})
"""Packages whose modules launch the same kernels at every step. Of others nothing is known: a module that counts its
calls in Python, say, would be recorded once and silently stand still."""


class Graph(Protocol):
    """Records work on a device, to do it again in one launch."""

    def apart(self, work: Work) -> tuple[Tensor, Tensor]:
        """Do ``work`` now, where it will be recorded later."""

    def record(self, work: Work) -> tuple[Tensor, Tensor]:
        """Record ``work`` without doing it; where its results will lie."""

    def replay(self) -> None:
        """Do what was recorded."""


class CudaGraph:
    """A graph on the current CUDA device, with a stream of its own."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()
        self._graph = torch.cuda.CUDAGraph()

    def apart(self, work: Work) -> tuple[Tensor, Tensor]:
        here = torch.cuda.current_stream()
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            out = work()
        here.wait_stream(self._stream)
        return out

    def record(self, work: Work) -> tuple[Tensor, Tensor]:
        try:
            with torch.cuda.graph(self._graph, stream=self._stream):
                return work()
        except RuntimeError as error:
            error.add_note(
                "while a training step was recorded as a CUDA graph: the net does something that waits for the device; "
                "set replays = False on the class of that module, and its steps are not recorded"
            )
            raise

    def replay(self) -> None:
        self._graph.replay()


class Step:
    """The step that trains ``net``, called with one batch after another.

    Args:
        loss: of the net and a batch.
        autocast: the number format of the loss.
        graph: records the step; None where each is taken by itself.
    """

    def __init__(
        self,
        net: nn.Module,
        optimiser: torch.optim.Optimizer,
        recipe: Settled,
        *,
        loss: Loss,
        autocast: torch.autocast,
        graph: Graph | None = None,
    ) -> None:
        self.net, self.optimiser, self.recipe = net, optimiser, recipe
        self._loss, self._autocast, self._quick = loss, autocast, QuickConvolutions()
        self._learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
        self._norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        self._graph, self._like, self._taken = graph, "", 0
        self._held: Batch | None = None
        self._results: tuple[Tensor, Tensor] | None = None

    def __call__(self, batch: Batch, *, number: int) -> tuple[Tensor, Tensor]:
        """Take step ``number`` (from 0) on ``batch``.

        Returns:
            The loss and the global norm of the gradient before clipping: tensors that stay on their device, and that no
            later step changes.
        """
        momentum = set_momentum(self._norms, number)
        warmup, shape = self.recipe.warmup, self.recipe.schedule
        set_rates(self.optimiser, scheduled(batch.progress, warmup=warmup, shape=shape))
        if self._graph is None:
            return self._take(batch)
        self._like = self._like or _form(batch)
        # Who watches operations sees them only where they are carried out one by one.
        if _form(batch) != self._like or _get_current_dispatch_mode() is not None:
            return self._graph.apart(lambda: self._take(batch))
        if self._results is None:
            # The momentum of a norm that measures is a plain number, which a recording would keep.
            measuring = any(module.training for module in self._norms)
            if self._taken < REAL_STEPS or (measuring and momentum > 0.1):
                self._taken += 1
                return self._graph.apart(lambda: self._take(batch))
            held = self._held = Batch(torch.empty_like(batch.inputs), torch.empty_like(batch.targets), 0.0)
            self._results = self._graph.record(lambda: self._take(held))
        assert self._held is not None, "buffers are made before a step is recorded"
        self._held.inputs.copy_(batch.inputs)
        self._held.targets.copy_(batch.targets)
        self._graph.replay()
        loss, norm = self._results
        return loss.clone(), norm.clone()

    def close(self) -> None:
        """Let go of what a recording holds: gradients lie in its memory."""
        if self._results is not None:
            self._results = self._held = None
            for parameter in self._learning:
                parameter.grad = None

    def _take(self, batch: Batch) -> tuple[Tensor, Tensor]:
        with self._autocast, self._quick:
            value = self._loss(self.net, batch)
        for parameter in self._learning:
            parameter.grad = None
        value.backward()
        norm = clipped(self._learning, self.recipe.clip)
        self.optimiser.step()
        return value.detach(), norm


def graph_for(net: nn.Module, *, own: bool) -> Graph | None:
    """What records the training step of ``net``: a GPU does where it may.

    Args:
        own: the loss, or what follows a step, is somebody's Python, which is done at every step.
    """
    on_gpu = any(parameter.is_cuda for parameter in net.parameters())
    return CudaGraph() if on_gpu and not own and replays(net) else None


def replays(net: nn.Module) -> bool:
    """Whether a training step of ``net`` may be recorded: it launches the same kernels every time, as far as is known.

    Its modules and their hooks come from :data:`REPLAYABLE` packages, or a module's class says ``replays = True``; none
    says False.
    """
    return all(
        getattr(module, "replays", _known(type(module)))
        and all(map(_known, [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]))
        and not module._backward_hooks
        for module in net.modules()
    )


def _known(thing: object) -> bool:
    return str(getattr(thing, "__module__", "")).partition(".")[0] in REPLAYABLE


def set_momentum(norms: Iterable[nn.Module], number: int) -> float:
    """Let batch ``norms`` have, after step ``number`` (from 0), statistics of about the last third of the steps.

    So that a few steps are enough to leave the old ones behind.
    """
    momentum = max(0.1, 3 / (3 + number))
    for module in norms:
        module.momentum = momentum  # type: ignore[assignment]
    return momentum


def clipped(parameters: Iterable[nn.Parameter], most: float | None) -> Tensor:
    """The global norm of the gradient of ``parameters``, which is scaled down to norm ``most`` where it is larger."""
    given = [p for p in parameters if p.grad is not None]
    grads = [p.grad for p in given if p.grad is not None]
    if grads and grads[0].is_cuda:
        norm = nn.utils.get_total_norm(grads, foreach=True)
    else:
        # The same, without sorting tensors by device and kind: a head alone has steps of a few tenths of a millisecond.
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(grad) for grad in grads]))
    if most is not None:
        nn.utils.clip_grads_with_norm_(given, most, norm, foreach=True)
    return norm


def scheduled(share: float, *, warmup: float, shape: Schedule = "cosine") -> float:
    """Factor of the learning rate when ``share`` of the budget is spent: linear warm-up, then ``shape`` to zero."""
    if share < warmup:
        return share / warmup
    if shape == "constant":
        return 1.0
    rest = (share - warmup) / (1 - warmup) if warmup < 1 else 0.0
    return 1 - rest if shape == "linear" else 0.5 * (1 + math.cos(math.pi * rest))


def _form(batch: Batch) -> str:
    """What two batches have in common that one recording can take."""
    return f"{tuple(batch.inputs.shape)} {batch.inputs.dtype} {tuple(batch.targets.shape)} {batch.targets.dtype}"
