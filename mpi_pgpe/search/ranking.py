"""From fitnesses to weights: centered ranks, or the fitnesses themselves.

Weights are integers times a common unit, because the sums that they enter are exact for integers
(see noise.py). A fitness that is NaN or infinite is the worst of all, whatever its sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

TIE_BREAKING = ("average", "order")
"""What equal fitnesses get: the mean of their ranks, or ranks in their order."""

_RAW_BITS = 20  # raw fitnesses are rounded to 2^-20 of their largest distance from the mean


@dataclass(frozen=True)
class Weights:
    """The weights `integers * unit` of a population, their mean (nearly) zero."""

    integers: NDArray[np.int64]
    unit: float

    @property
    def values(self) -> NDArray[np.float64]:
        """The weights as floats, shape (popsize,)."""
        return self.integers * self.unit


def centered_ranks(fitnesses: ArrayLike, tie_breaking: str = "average") -> Weights:
    """Centered ranks: -0.5 for the worst fitness, 0.5 for the best, evenly spaced between.

    NaN and infinite fitnesses are the worst, and equal to each other: NaN, inf and -inf all tie.

    Args:
        fitnesses: shape (popsize,), popsize at least 2.
        tie_breaking: "average": equal fitnesses share the mean of their ranks, so that those of a plateau have no
            say in which way to go (Kendall's mid-ranks; twice such a rank is a whole number). "order": they are
            ranked in their order in the array, the later one higher, as pgpelib, EvoTorch and version 0.1.0 do.
            Without equal fitnesses both are the same.

    Returns:
        weights in [-0.5, 0.5] whose sum is zero; all zero if all fitnesses are equal and share a rank.
    """
    fitness = np.asarray(fitnesses, dtype=np.float64)
    n = len(fitness)
    comparable = np.where(np.isfinite(fitness), fitness, -np.inf)
    order = np.argsort(comparable, kind="stable")
    twice_ranks = np.arange(0, 2 * n, 2)
    if tie_breaking == "average":
        ordered = comparable[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        if len(starts) < n:
            counts = np.diff(starts, append=n)
            twice_ranks = np.repeat(2 * starts + counts - 1, counts)  # first rank + last rank of those that are equal
    integers = np.empty(n, np.int64)
    integers[order] = twice_ranks - (n - 1)
    return Weights(integers, 1 / (2 * (n - 1)))


def raw_weights(fitnesses: ArrayLike) -> Weights:
    """The fitnesses less their mean, rounded to 2^-20 of the largest such distance.

    NaN and infinite ones take the place of the worst finite one. If none is finite, or all are equal,
    every weight is zero.
    """
    fitness = np.asarray(fitnesses, dtype=np.float64)
    finite = np.isfinite(fitness)
    worst = fitness[finite].min(initial=np.inf)
    fitness = np.where(finite, fitness, worst)
    if (fitness == fitness[0]).all():
        return Weights(np.zeros(len(fitness), np.int64), 1.0)
    # Scaled by a power of two to at most 1, so that neither the mean nor a distance can overflow.
    scale = int(np.frexp(np.abs(fitness).max())[1])
    scaled = np.ldexp(fitness, -scale)
    distance = scaled - scaled.mean()
    exponent = int(np.frexp(np.abs(distance).max())[1]) - _RAW_BITS
    return Weights(np.rint(np.ldexp(distance, -exponent)).astype(np.int64), float(np.ldexp(1.0, exponent + scale)))
