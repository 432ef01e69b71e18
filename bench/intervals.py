"""How sure is a mean over a few nets? Half the width of Student's 95 % interval."""

import math
from statistics import mean, stdev

from scipy.stats import t as student


def half_width(values: list[float]) -> float:
    """Of the 95 % interval of the mean of ``values``, at least two."""
    return float(student.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))


def mean_and_half(values: list[float], *, digits: int = 1, sign: bool = False) -> str:
    """``80.0 ±3.1``; of one value only itself."""
    found = f"{mean(values):+.{digits}f}" if sign else f"{mean(values):.{digits}f}"
    return found if len(values) < 2 else f"{found} ±{half_width(values):.{digits}f}"
