"""Moments of observations (count, sum, sum of squares), and sums of them independent of their order."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

VARIANCE_FLOOR = 1e-2
"""Observations are scaled by sqrt(max(variance, VARIANCE_FLOOR)), as pgpelib does."""


@dataclass
class Moments:
    """Count, sum and sum of squares of observations with `size` elements, in float64."""

    size: int
    count: int = 0
    sum: NDArray[np.float64] = field(default=None)  # type: ignore[arg-type]
    sumsq: NDArray[np.float64] = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        self.sum = np.zeros(self.size) if self.sum is None else self.sum
        self.sumsq = np.zeros(self.size) if self.sumsq is None else self.sumsq

    def observe(self, observations: NDArray[Any]) -> None:
        """Take in a batch of shape (n, size)."""
        batch = observations.astype(np.float64)
        self.count += len(batch)
        self.sum += np.add.reduce(batch, 0)
        np.multiply(batch, batch, out=batch)
        self.sumsq += np.add.reduce(batch, 0)

    def merge(self, other: Moments) -> None:
        """Take in all that `other` has seen."""
        self.count += other.count
        self.sum += other.sum
        self.sumsq += other.sumsq

    def finite(self) -> bool:
        """Whether every observation taken in was finite."""
        # Then the sums are, too. The first one tells in most cases, in a third of the time.
        return math.isfinite(np.add.reduce(self.sumsq)) or bool(np.isfinite(self.sumsq).all())

    def mean(self) -> NDArray[np.float64]:
        """Mean of each element; zeros before the first observation."""
        return self.sum / self.count if self.count else np.zeros(self.size)

    def stdev(self) -> NDArray[np.float64]:
        """Square root of each variance or of VARIANCE_FLOOR; ones before the first observation."""
        if not self.count:
            return np.ones(self.size)
        variance = self.sumsq / self.count - self.mean() ** 2
        return np.sqrt(np.maximum(variance, VARIANCE_FLOOR))


# Exact sums, after Demmel and Nguyen, "Parallel reproducible summation" (2015): every term is cut into
# two integers on grids that depend on the largest term alone. Integers add up to the same bits in any
# order. What is cut off is below 2^-80 of the largest term.
_PART_BITS = 40


def largest(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest absolute value of each column of `terms`, shape (n, k); zeros if n is 0."""
    return np.abs(terms).max(axis=0, initial=0.0)


def exact_parts(terms: NDArray[np.float64], ceiling: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sums of the columns of `terms` as integers that add up exactly over ranks.

    Args:
        terms: shape (n, k), finite, n at most 2^22.
        ceiling: shape (k,), at least `largest` of the terms of all ranks.

    Returns:
        int64 of shape (2, k): the sums of the high and of the low parts; see `from_parts`.
    """
    scaled = np.ldexp(terms, _PART_BITS - np.frexp(ceiling)[1])
    high = np.rint(scaled)
    low = np.rint(np.ldexp(scaled - high, _PART_BITS))
    return np.stack([high.astype(np.int64).sum(axis=0), low.astype(np.int64).sum(axis=0)])


def from_parts(parts: NDArray[np.int64], ceiling: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums, shape (k,), from what `exact_parts` of all ranks add up to."""
    high, low = parts.astype(np.float64)
    return np.ldexp(high + np.ldexp(low, -_PART_BITS), np.frexp(ceiling)[1] - _PART_BITS)
