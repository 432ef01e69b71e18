"""How do stored images become what a net is fed? Slices of uint8 arrays, normalised and augmented as one tensor."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harness.compute.backbone import Backbone
from harness.learning.resident import sent


@dataclass(frozen=True)
class Features:
    """Features extracted once, and their labels: what a head is trained on without its backbone.

    Attributes:
        values: float32 (n, width). labels: as in :class:`Examples`.
    """

    values: Tensor
    labels: np.ndarray[Any, np.dtype[Any]]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Augment:
    """Per-sample random crop: a rectangle of ``area`` of the image and ``aspect``, resized back; mirrored if ``flip``.

    Mirroring is off by default: streams hold digits and letters, whose mirror images are other things.
    """

    area: tuple[float, float] = (0.5, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = False


def normalised(images: np.ndarray[Any, Any] | Tensor, backbone: Backbone, *, size: int, device: str = "cpu") -> Tensor:
    """uint8 (n, h, w, 3) to float32 (n, 3, size, size) in channels-last memory, as ``backbone`` wants it."""
    pixels = images if isinstance(images, Tensor) else sent(torch.from_numpy(np.ascontiguousarray(images)), device)
    n, height, width, _ = pixels.shape
    mean, scale = _constants(tuple(backbone.mean), tuple(backbone.std), width, pixels.device)
    rows = pixels.float().view(n, height, width * 3).sub_(mean).mul_(scale)
    # (n, h, w, 3) seen as (n, 3, h, w) is channels-last already: no copy is made.
    batch = rows.view(n, height, width, 3).permute(0, 3, 1, 2)
    if batch.shape[-2:] != (size, size):
        batch = functional.interpolate(batch, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return batch


@lru_cache(maxsize=16)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Per-channel constants repeated along a row of pixels: one long inner loop instead of many of three."""
    with torch.inference_mode(False):
        means, scales = torch.tensor(mean).repeat(width), (1 / torch.tensor(std)).repeat(width)
        return means.to(device), scales.to(device)


def augmented(images: Tensor, augment: Augment, generator: torch.Generator) -> Tensor:
    """A random crop of each image, every image its own; one bilinear ``grid_sample`` for the whole batch."""
    n, (height, width) = len(images), images.shape[-2:]
    area = torch.empty(n).uniform_(*augment.area, generator=generator)
    low, high = np.log(augment.aspect)
    aspect = torch.empty(n).uniform_(float(low), float(high), generator=generator).exp()
    scale_x = (area * aspect).sqrt().clamp(max=1)
    scale_y = (area / aspect).sqrt().clamp(max=1)
    shift_x = torch.empty(n).uniform_(-1, 1, generator=generator) * (1 - scale_x)
    shift_y = torch.empty(n).uniform_(-1, 1, generator=generator) * (1 - scale_y)
    if augment.flip:
        scale_x = scale_x * (torch.randint(0, 2, (n,), generator=generator) * 2 - 1)
    # Drawn on the CPU, so that all devices see the same crops; sent as four numbers an image.
    scale_x, shift_x, scale_y, shift_y = sent(torch.stack([scale_x, shift_x, scale_y, shift_y]), images.device)
    # An axis-aligned crop is a product of two lines: much cheaper than affine_grid's matrix products.
    grid = torch.empty(n, height, width, 2, device=images.device)
    grid[..., 0] = (_centers(width, images.device) * scale_x[:, None] + shift_x[:, None])[:, None, :]
    grid[..., 1] = (_centers(height, images.device) * scale_y[:, None] + shift_y[:, None])[:, :, None]
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _centers(n: int, device: torch.device) -> Tensor:
    """Pixel centres on the line from -1 to 1."""
    return (torch.arange(n, device=device) * 2 + 1) / n - 1


class Order:
    """Indices without end: one permutation of ``range(n)`` after another, so that every batch can be full."""

    def __init__(self, n: int, generator: torch.Generator) -> None:
        self._n = n
        self._generator = generator
        self._ahead = np.empty(0, dtype=np.int64)

    def take(self, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The next ``count`` indices, sorted: a batch has no order, and sorted reads of a file are faster."""
        while len(self._ahead) < count:
            self._ahead = np.append(self._ahead, torch.randperm(self._n, generator=self._generator).numpy())
        taken, self._ahead = self._ahead[:count], self._ahead[count:]
        return np.sort(taken)


def stratified(labels: np.ndarray[Any, Any], count: int, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    """``count`` indices in random order, classes taken in turn: each is seen once before any is seen twice.

    Multilabel rows (n, labels) count as the class of their rarest label that is set, or as a class of their own
    where none is.
    """
    if labels.ndim == 2:
        rarity = labels.sum(axis=0)
        keyed = np.where(labels > 0, rarity[None, :], np.iinfo(np.int64).max)
        labels = np.where(labels.any(axis=1), keyed.argmin(axis=1), labels.shape[1])
    shuffled = generator.permutation(len(labels))
    turn = np.empty(len(labels), dtype=np.int64)
    seen: dict[int, int] = {}
    for position in shuffled:
        label = int(labels[position])
        turn[position] = seen.get(label, 0)
        seen[label] = turn[position] + 1
    by_turn = shuffled[np.argsort(turn[shuffled], kind="stable")]
    return by_turn[:count]


def targets(labels: np.ndarray[Any, Any] | Tensor, device: str) -> Tensor:
    """Class indices as int64, multilabel rows as float32."""
    given = labels if isinstance(labels, Tensor) else sent(torch.from_numpy(np.ascontiguousarray(labels)), device)
    return given.to(torch.float32 if labels.ndim == 2 else torch.int64)


def loss_of(logits: Tensor, wanted: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy over classes, or the mean of independent sigmoid losses over labels, as NEVIS'22 does."""
    if wanted.ndim == 2:
        smooth = wanted * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits, smooth)
    return functional.cross_entropy(logits, wanted, label_smoothing=smoothing)
