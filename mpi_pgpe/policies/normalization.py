"""Running statistics of observations: count, sum and sum of squares, from which their mean and stdev come."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

STDEV_FLOOR = 0.1
"""The least that observations are divided by, unless `obs_stdev_floor` is set; pgpelib's, too."""
FAR = 1e4
"""Elements whose mean is so many times their range or the floor are summed up around a reference near their mean.

Sums around zero lose about 1e-15 x (mean / stdev)^2 of a variance, which is below 1e-6 for all others.
"""
_LARGEST_COPY = 2**24  # bytes of float64 that observations are copied to, at most


@dataclass
class Moments:
    """Running statistics of observations: their count, and the sum and the sum of squares of each element, in float64.

    Attributes:
        size, count: numbers of elements and of observations.
        sum, sumsq: of the observations less the reference, shape (size,).
        reference: what the observations are summed up around, shape (size,), float32 numbers; None: zero.
        stdev_floor: see STDEV_FLOOR.
        undecided: whether the first batch, or the first statistics merged, decide on the reference.
    """

    size: int
    count: int = 0
    sum: NDArray[np.float64] = field(default=None)  # type: ignore[arg-type]
    sumsq: NDArray[np.float64] = field(default=None)  # type: ignore[arg-type]
    reference: NDArray[np.float64] | None = None
    stdev_floor: float = STDEV_FLOOR
    undecided: bool = False
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
        if self.undecided:
            self.reference, self.undecided = self._near_mean(observations), False
        self.count += len(observations)
        rows = max(1, _LARGEST_COPY // (8 * self.size))
        if not more and self._of_batch is None and len(observations) <= rows:
            batch = observations.astype(np.float64)
            if self.reference is not None:
                batch -= self.reference
            self.sum += np.add.reduce(batch, 0)
            np.multiply(batch, batch, out=batch)
            self.sumsq += np.add.reduce(batch, 0)
            return
        for row in observations:  # in the order in which numpy adds up the rows of a batch
            values = row.astype(np.float64)
            if self.reference is not None:
                values -= self.reference
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

    def _near_mean(self, observations: NDArray[Any]) -> NDArray[np.float64] | None:
        """The mean of elements that are far from zero, rounded so that its distance from float32 numbers is exact."""
        with np.errstate(invalid="ignore", over="ignore"):
            mean = observations.mean(axis=0, dtype=np.float64)
            spread = observations.max(axis=0).astype(np.float64) - observations.min(axis=0)
            far = np.abs(mean) > FAR * np.maximum(spread, self.stdev_floor)
            return np.where(far, mean.astype(np.float32), 0.0).astype(np.float64) if far.any() else None

    def merge(self, other: Moments) -> None:
        """Add the statistics of other observations; `other` stays as it is."""
        if self.undecided and other.count:
            self.reference, self.undecided = other.reference, False
        other = other.shift_to(self.reference)
        self.count += other.count
        self.sum += other.sum
        self.sumsq += other.sumsq

    def shift_to(self, reference: NDArray[np.float64] | None) -> Moments:
        """The same running statistics, around another reference; elements whose reference stays keep their bits.

        Args:
            reference: shape (size,), float32 numbers; None: zero.
        """
        if reference is self.reference:
            return self
        own, other = (np.zeros(self.size) if each is None else each for each in (self.reference, reference))
        way = own - other
        total = self.sum + self.count * way
        squares = self.sumsq + (self.sum + total) * way  # n (d + way)^2 = d^2 + (2 d + n way) way, summed up
        return Moments(self.size, self.count, total, squares, reference, self.stdev_floor)

    def copy(self) -> Moments:
        """A copy that shares no array with this one."""
        return Moments(
            self.size, self.count, self.sum.copy(), self.sumsq.copy(), self.reference, self.stdev_floor, self.undecided
        )

    def state(self) -> dict[str, Any]:
        """Copies of what it has come to, for a checkpoint: count, sum, sumsq, and the reference if there is one."""
        return {
            "count": self.count,
            "sum": self.sum.copy(),
            "sumsq": self.sumsq.copy(),
            **({} if self.reference is None else {"reference": self.reference}),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], stdev_floor: float) -> Moments:
        """What `state()` returned, which may be among other things."""
        total, squares = np.array(state["sum"]), np.array(state["sumsq"])
        return cls(len(total), int(state["count"]), total, squares, state.get("reference"), stdev_floor)

    def is_finite(self) -> bool:
        """Whether every observation taken in was finite."""
        # Then the sums are, too. The first one tells in most cases, in a third of the time.
        return math.isfinite(np.add.reduce(self.sumsq)) or bool(np.isfinite(self.sumsq).all())

    def mean(self) -> NDArray[np.float64]:
        """Mean of each element, shape (size,); zeros before the first observation."""
        if not self.count:
            return np.zeros(self.size)
        return self._mean_less_reference() if self.reference is None else self.reference + self._mean_less_reference()

    def stdev(self) -> NDArray[np.float64]:
        """Standard deviation of each element, shape (size,), at least `stdev_floor`; ones without observations."""
        if not self.count:
            return np.ones(self.size)
        variance = self.sumsq / self.count - self._mean_less_reference() ** 2
        return np.maximum(np.sqrt(np.maximum(variance, 0.0)), self.stdev_floor)

    def normalization(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
        """Mean, stdev and reference, as Policy.load takes them."""
        return self.mean(), self.stdev(), self.reference

    def _mean_less_reference(self) -> NDArray[np.float64]:
        return self.sum / self.count


def common_reference(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """One reference for running statistics that decided on different ones.

    Args:
        positive, negative: of each element the largest reference and the largest of minus the references, or zero.
    """
    reference = np.where(positive >= negative, positive, -negative)
    return reference if reference.any() else None
