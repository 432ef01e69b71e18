"""How far is a budget spent, and how many images may the next step have? One count for every loop that trains."""

import math

from harness.compute.meter import ComputeMeter


class Pace:
    """Follows one loop through what it may spend.

    Args:
        images: the loop ends after so many, each counted as often as it is shown.
        seen: images that an interrupted loop had shown before it goes on.
        held_back: FLOPs that are left for what comes after the loop.
        each: FLOPs that an image is expected to cost in the first step; 0 where that is not known.
        flops, seconds: what the whole loop may spend; by default what the meter has left, less what is held back.

    Attributes:
        each: FLOPs that an image cost in the last step.
        seen: images shown so far.
    """

    def __init__(
        self,
        meter: ComputeMeter,
        *,
        images: float = math.inf,
        seen: int = 0,
        held_back: float = 0.0,
        each: float = 0.0,
        flops: float | None = None,
        seconds: float | None = None,
    ) -> None:
        self.meter, self.images, self.seen, self.held_back, self.each = meter, images, seen, held_back, each
        self.flops = self.flops_left if flops is None else flops
        self.seconds = meter.remaining_seconds if seconds is None else seconds

    @property
    def flops_left(self) -> float:
        return self.meter.remaining_flops - self.held_back

    @property
    def images_left(self) -> float:
        return self.images - self.seen

    @property
    def endless(self) -> bool:
        """Whether nothing would ever end the loop."""
        return math.inf == self.flops == self.seconds == self.images_left

    def at_most(self, batch_size: int) -> int:
        """Images of the next step: a full batch, or what images and FLOPs are left for."""
        affordable = self.meter.affordable(self.each) if self.each > 0 else math.inf
        return int(min(batch_size, self.images_left, affordable))

    def pays_for(self, count: int) -> bool:
        """Whether a step of exactly ``count`` images can be paid."""
        # Rounding of float sums must not cost the last step.
        return self.flops_left >= self.each * count * (1 - 1e-9) and self.meter.remaining_seconds > 0

    def progress(self, count: int) -> float:
        """Share, 0 to 1, of what runs out first that is spent in the middle of a step of ``count`` images."""
        return min(
            1.0,
            max(
                (self.flops - self.flops_left + count * self.each / 2) / self.flops if self.flops < math.inf else 0.0,
                (self.seconds - self.meter.remaining_seconds) / self.seconds if self.seconds < math.inf else 0.0,
                (self.seen + count / 2) / self.images,
            ),
        )

    def took(self, count: int, *, each: float) -> None:
        """A step of ``count`` images is done, at ``each`` FLOPs an image."""
        self.each = each
        self.seen += count
