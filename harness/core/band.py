"""How much is a budget, whatever it is written in? A band of dense-equivalent training images shown.

An image is counted as often as the dense net could have been trained on one of that size with what a task may spend:
epochs, FLOPs and seconds have the same bands.
"""

from typing import Literal, get_args

Band = Literal["under_1k", "to_10k", "to_100k"]
BANDS: tuple[Band, ...] = get_args(Band)
EDGES = (1_000, 10_000)
"""Images from which on the next band begins. The last has no end: nothing here was measured above 100,000."""


def band_of(images: float) -> Band:
    """The band of a budget that shows the dense net so many training images.

    Raises:
        ValueError: ``images`` is negative or not a number.
    """
    if not images >= 0:
        raise ValueError(f"a budget shows {images} images; expected 0 or more")
    return BANDS[sum(images >= edge for edge in EDGES)]
