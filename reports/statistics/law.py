"""How does error fall, as a law? Power laws of compute, and of net size and examples, fitted with their uncertainty."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EXPONENTS = np.geomspace(0.05, 3, 60)


class Law(NamedTuple):
    """``error = floor + sum of scale * x ** -exponent``; each array has a column for each resample, the first the data.

    Attributes:
        floor: (columns,). scales, exponents: (terms, columns). residual: root mean square of the first column.
    """

    floor: Floats
    scales: Floats
    exponents: Floats
    residual: float

    def at(self, *xs: Floats) -> Floats:
        """Errors (points, columns) at ``xs``, one array (points,) for each term."""
        terms = [
            s * np.asarray(x, float)[:, None] ** -e for x, s, e in zip(xs, self.scales, self.exponents, strict=True)
        ]
        total: Floats = self.floor + np.sum(terms, axis=0)
        return total


def fit(xs: list[Floats], errors: Floats) -> Law:
    """Least squares of ``errors`` (points, columns) on ``floor + sum scale * x ** -exponent``, all of them >= 0.

    One x, compute: the usual learning-curve law. Two, net size and examples: the form of Hoffmann et al. (arXiv
    2203.15556, approach 3). Exponents come from a grid, the rest in closed form, so that a fit has no starting point
    to depend on; each column is fitted on its own.
    """
    grids = np.meshgrid(*[EXPONENTS if len(xs) == 1 else EXPONENTS[::3]] * len(xs), indexing="ij")
    choices = np.stack([grid.ravel() for grid in grids], axis=1)
    columns = errors.shape[1]
    best = np.full(columns, np.inf)
    solution, exponents = np.zeros((1 + len(xs), columns)), np.zeros((len(xs), columns))
    for choice in choices:
        design = np.column_stack([np.ones(len(xs[0])), *(x**-e for x, e in zip(xs, choice, strict=True))])
        found = _non_negative(design, errors)
        loss = ((design @ found - errors) ** 2).sum(axis=0)
        better = loss < best
        best[better], solution[:, better] = loss[better], found[:, better]
        exponents[:, better] = choice[:, None]
    return Law(solution[0], solution[1:], exponents, float(np.sqrt(best[0] / len(errors))))


def _non_negative(design: Floats, wanted: Floats) -> Floats:
    """Least squares with no negative coefficient, for few columns: the best over all sets of active ones."""
    count = design.shape[1]
    result = np.zeros((count, wanted.shape[1]))
    best = (wanted**2).sum(axis=0)
    for mask in range(1, 2**count):
        active = [i for i in range(count) if mask >> i & 1]
        part = np.linalg.pinv(design[:, active]) @ wanted
        loss = ((design[:, active] @ part - wanted) ** 2).sum(axis=0)
        good = (part >= 0).all(axis=0) & (loss < best)
        best[good] = loss[good]
        result[:, good] = 0
        for row, coefficient in zip(active, part, strict=True):
            result[row, good] = coefficient[good]
    return result
