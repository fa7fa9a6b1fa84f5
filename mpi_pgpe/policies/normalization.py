"""Running statistics of observations: count, sum and sum of squares, from which their mean and stdev come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

VARIANCE_FLOOR = 1e-2
"""Observations are scaled by sqrt(max(variance, VARIANCE_FLOOR)), as pgpelib does."""
_LARGEST_COPY = 2**24  # bytes of float64 that observations are copied to, at most


@dataclass
class Moments:
    """Count, sum and sum of squares of observations with `size` elements, in float64."""

    size: int
    count: int = 0
    sum: NDArray[np.float64] = field(default=None)  # type: ignore[arg-type]
    sumsq: NDArray[np.float64] = field(default=None)  # type: ignore[arg-type]
    _of_batch: tuple[NDArray[np.float64], NDArray[np.float64]] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.sum = np.zeros(self.size) if self.sum is None else self.sum
        self.sumsq = np.zeros(self.size) if self.sumsq is None else self.sumsq

    def observe(self, observations: NDArray[Any], more: bool = False) -> None:
        """Take in a batch of shape (n, size), or a part of one.

        Args:
            observations: of any type.
            more: whether more parts of the batch follow. A batch is summed up by itself, so what is rounded does not
                depend on its parts.
        """
        self.count += len(observations)
        rows = max(1, _LARGEST_COPY // (8 * self.size))
        if not more and self._of_batch is None and len(observations) <= rows:
            batch = observations.astype(np.float64)
            self.sum += np.add.reduce(batch, 0)
            np.multiply(batch, batch, out=batch)
            self.sumsq += np.add.reduce(batch, 0)
            return
        for row in observations:  # in the order in which numpy adds up the rows of a batch
            values = row.astype(np.float64)
            if self._of_batch is None:
                self._of_batch = values, values * values
            else:
                total, squares = self._of_batch
                total += values
                values *= values
                squares += values
        if not more and self._of_batch is not None:
            self.sum += self._of_batch[0]
            self.sumsq += self._of_batch[1]
            self._of_batch = None

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
