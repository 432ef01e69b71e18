"""How much training is a budget? Images that it shows the dense net, by band, and the steps these are."""

from dataclasses import dataclass

from harness.core.band import BANDS, Band, band_of

BATCH = 16
"""Images a step, for telling steps; a recipe may take others."""

WORDS: dict[Band, str] = dict(zip(BANDS, ("under 1,000 images", "to 10,000", "to 100,000"), strict=True))
"""Bands as people read them."""


@dataclass(frozen=True)
class Regime:
    """What one budget is to the tasks that may spend it.

    Attributes:
        least, most: images that the dense net could be trained on, of the task with the fewest and the most; 0 for
            both where seconds are the budget, of which nobody knows before a run how far they reach.
    """

    budget: str
    least: float
    most: float

    @property
    def bands(self) -> str:
        """The bands of its tasks, as people read them; empty where nobody knows."""
        return ", ".join(dict.fromkeys(WORDS[band_of(images)] for images in (self.least, self.most) if self.least > 0))

    @property
    def images(self) -> str:
        """``180`` or ``90 to 360``."""
        return _range(self.least, self.most)

    @property
    def steps(self) -> str:
        """``11 steps of 16``."""
        steps = _range(self.least / BATCH, self.most / BATCH)
        return f"{steps} step of {BATCH}" if steps == "1" else f"{steps} steps of {BATCH}"

    def __str__(self) -> str:
        if not self.most:
            return f"{self.budget}: as many images as the device manages"
        return f"{self.budget}: {self.images} images shown ({self.bands}), {self.steps}, for the dense net"


def _range(least: float, most: float) -> str:
    low, high = (f"{max(1, round(count)):,}" for count in (least, most))
    return low if low == high else f"{low} to {high}"
