"""Sums of floating-point numbers with the same bits in any order.

After Demmel and Nguyen, "Parallel reproducible summation" (2015): every term is cut into two integers on grids that
depend on the largest term alone. Integers add up to the same bits in any order. What is cut off is below 2^-80 of the
largest term.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PART_BITS = 40


def find_largest(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest absolute value of each column of `terms`, shape (n, k); zeros if n is 0."""
    return np.abs(terms).max(axis=0, initial=0.0)


def split_exactly(terms: NDArray[np.float64], ceiling: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sums of the columns of `terms` as integers that add up exactly over ranks.

    Args:
        terms: shape (n, k), finite, n at most 2^22.
        ceiling: shape (k,), at least `find_largest` of the terms of all ranks.

    Returns:
        int64 of shape (2, k): the sums of the high and of the low parts; see `join_parts`.
    """
    scaled = np.ldexp(terms, _PART_BITS - np.frexp(ceiling)[1])
    high = np.rint(scaled)
    low = np.rint(np.ldexp(scaled - high, _PART_BITS))
    return np.stack([high.astype(np.int64).sum(axis=0), low.astype(np.int64).sum(axis=0)])


def join_parts(parts: NDArray[np.int64], ceiling: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums, shape (k,), from what `split_exactly` of all ranks add up to."""
    high, low = parts.astype(np.float64)
    return np.ldexp(high + np.ldexp(low, -_PART_BITS), np.frexp(ceiling)[1] - _PART_BITS)
