"""How does error fall, as a law? Power laws of compute, and of net size and examples, fitted with their uncertainty."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from reports.statistics.arrays import Floats

EXPONENTS = np.geomspace(0.05, 3, 60)
"""Where the search for exponents begins; it ends between them."""


class Law(NamedTuple):
    """``error = floor + sum of scale * x ** -exponent``.

    Attributes:
        scales, exponents: (terms,). residual: root mean square over the points.
    """

    floor: float
    scales: Floats
    exponents: Floats
    residual: float

    @property
    def numbers(self) -> Floats:
        """Floor, scales and exponents in one array, (1 + 2 terms,)."""
        return np.concatenate([[self.floor], self.scales, self.exponents])

    def at(self, *xs: Floats) -> Floats:
        """Errors (points,) at ``xs``, one array (points,) for each term."""
        return _errors(self.numbers, list(xs))

    def slopes(self, *xs: Floats) -> Floats:
        """Derivatives of :meth:`at` by each of :attr:`numbers`, (points, 1 + 2 terms)."""
        powers = [np.asarray(x, float) ** -e for x, e in zip(xs, self.exponents, strict=True)]
        by_exponent = [-s * p * np.log(x) for s, p, x in zip(self.scales, powers, xs, strict=True)]
        return np.column_stack([np.ones(len(xs[0])), *powers, *by_exponent])

    def moved(self, xs: list[Floats], units: Floats) -> Floats:
        """:attr:`numbers` as each column of ``units`` (points, units) alone would have them, (1 + 2 terms, units).

        To first order around the fit to their mean: a number moves as its row of the pseudo-inverse says. What
        the fit has at its bound of 0 does not move. The mean over units is the fit itself, so that Student's t on the
        columns gives the interval of a number, and of any error that the law predicts.
        """
        free = self.numbers > 0
        pull = np.zeros((len(free), len(units)))
        pull[free] = np.linalg.pinv(self.slopes(*xs)[:, free])
        moved: Floats = self.numbers[:, None] + pull @ (units - units.mean(axis=1, keepdims=True))
        return moved


def fit(xs: list[Floats], errors: Floats) -> Law:
    """Least squares of ``errors`` (points,) on ``floor + sum scale * x ** -exponent``, all of them >= 0.

    One x, compute: the usual learning-curve law. Two, net size and examples: the form of Hoffmann et al. (arXiv
    2203.15556, approach 3). The search begins at the best of a grid of exponents, the rest in closed form, so that a
    fit has no starting point to depend on, and ends where no step makes it better.
    """
    grids = np.meshgrid(*[EXPONENTS if len(xs) == 1 else EXPONENTS[::6]] * len(xs), indexing="ij")
    best, start = np.inf, np.zeros(1 + 2 * len(xs))
    for choice in np.stack([grid.ravel() for grid in grids], axis=1):
        design = np.column_stack([np.ones(len(xs[0])), *(x**-e for x, e in zip(xs, choice, strict=True))])
        solved = _non_negative(design, errors)
        loss = float(((design @ solved - errors) ** 2).sum())
        if loss < best:
            best, start = loss, np.concatenate([solved, choice])
    low = np.concatenate([np.zeros(1 + len(xs)), np.full(len(xs), EXPONENTS[0])])
    high = np.concatenate([np.full(1 + len(xs), np.inf), np.full(len(xs), EXPONENTS[-1])])
    polished = least_squares(
        lambda numbers: _errors(numbers, xs) - errors, np.clip(start, low, high), bounds=(low, high),
        x_scale=np.maximum(np.abs(start), 0.01), xtol=1e-12, ftol=1e-12, gtol=1e-12,
    )  # fmt: skip
    # The solver stays inside its bounds; a number that it drove to nothing is nothing.
    numbers = np.where(polished.x < 1e-9, 0.0, polished.x)
    terms = len(xs)
    residual = float(np.sqrt(np.mean((_errors(numbers, xs) - errors) ** 2)))
    return Law(float(numbers[0]), numbers[1 : 1 + terms], numbers[1 + terms :], residual)


def _errors(numbers: Floats, xs: list[Floats]) -> Floats:
    terms = len(xs)
    parts = zip(xs, numbers[1 : 1 + terms], numbers[1 + terms :], strict=True)
    total: Floats = numbers[0] + np.sum([s * np.asarray(x, float) ** -e for x, s, e in parts], axis=0)
    return total


def _non_negative(design: Floats, wanted: Floats) -> Floats:
    """Least squares with no negative coefficient, for few columns: the best over all sets of active ones."""
    count = design.shape[1]
    result = np.zeros(count)
    best = float((wanted**2).sum())
    for mask in range(1, 2**count):
        active = [i for i in range(count) if mask >> i & 1]
        part = np.linalg.pinv(design[:, active]) @ wanted
        loss = float(((design[:, active] @ part - wanted) ** 2).sum())
        if (part >= 0).all() and loss < best:
            best, result = loss, np.zeros(count)
            result[active] = part
    return result
