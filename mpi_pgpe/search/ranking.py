"""From fitnesses to weights: centered ranks, or the fitnesses themselves.

Weights are integers times a common unit, because the sums that they enter are exact for integers
(see noise.py). A fitness that is NaN or infinite is the worst of all, whatever its sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_RAW_BITS = 20  # raw fitnesses are rounded to 2^-20 of their largest distance from the mean


@dataclass(frozen=True)
class Weights:
    """The weights `integers * unit` of a population, their mean (nearly) zero."""

    integers: NDArray[np.int64]
    unit: float

    @property
    def values(self) -> NDArray[np.float64]:
        return self.integers * self.unit


def centered_ranks(fitnesses: ArrayLike) -> Weights:
    """Centered ranks: -0.5 for the worst fitness, 0.5 for the best, evenly spaced between.

    Equal fitnesses are ranked in their order in the array (the later one higher); NaN and infinite
    ones come first, in their order, as the worst.

    Args:
        fitnesses: shape (popsize,), popsize at least 2.
    """
    fitness = np.asarray(fitnesses, dtype=np.float64)
    n = len(fitness)
    comparable = np.where(np.isfinite(fitness), fitness, -np.inf)
    ranks = np.empty(n, np.int64)
    ranks[np.argsort(comparable, kind="stable")] = np.arange(n)
    return Weights(2 * ranks - (n - 1), 1 / (2 * (n - 1)))


def raw(fitnesses: ArrayLike) -> Weights:
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
