"""Noise that any rank can rebuild from one number, and sums of it that do not depend on their order.

A direction is one vector e ~ N(0, I), known to all ranks by its seed alone (uint64): the key of the
counter-based generator Philox-4x64 (Salmon et al. 2011). Its elements are rounded to multiples of
``GRID`` = 2^-16, and the weights that they are summed with are integers. So every product is an
integer (times a power of two), every partial sum is exact, and

    sum_i a_i e_i    and    sum_i b_i (e_i^2 - 1)

have the same bits in whatever order, blocks and number of ranks they are added (contract C1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

GRID = 2.0**-16
"""The spacing of the noise: an element of a direction is an integer times this."""

MAX_DIRECTIONS = 2**19
"""Beyond so many directions in one generation the sums could leave the exact range of int64."""

# |e| < 8.3 (the tail of numpy's float32 ziggurat), so an element in units of GRID is below 2^19.1 and
# an element of e^2 below 2^22.2. Weights are below 2^21. A float64 holds integers up to 2^53 exactly:
# 512 terms are below 2^(9 + 22.2 + 21) = 2^52.2; after those the sum moves to int64, where
# MAX_DIRECTIONS terms stay below 2^62.2.
_TERMS_EXACT_IN_FLOAT64 = 512
_BLOCK_ELEMENTS = 2**14  # a block of noise of 64 KB, and as float64 128 KB, stays in the processor's cache


class Noise:
    """Rebuilds directions of `size` elements from their seeds, without making a generator each time."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._philox = np.random.Philox(key=0)
        self._generator = np.random.Generator(self._philox)
        self._state = self._philox.state  # counter 0, empty buffers; the key is set for each direction

    def fill_units(self, seed: int | np.uint64, out: NDArray[np.float32]) -> None:
        """Write a direction in units of GRID (integers, as float32) to `out`, shape (size,)."""
        self.begin(seed)
        self.next_units(out)

    def begin(self, seed: int | np.uint64) -> None:
        """Go to the first element of a direction."""
        self._state["state"]["key"][0] = seed
        self._philox.state = self._state

    def next_units(self, out: NDArray[np.float32]) -> None:
        """Write the direction's next elements, in units of GRID, to `out`, of any shape (n,)."""
        self._generator.standard_normal(out=out, dtype=np.float32)
        np.multiply(out, np.float32(1 / GRID), out=out)
        np.rint(out, out=out)

    def direction(self, seed: int | np.uint64, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """The direction of a seed: float32 array of shape (size,), multiples of GRID; in `out`, or in a new array."""
        out = np.empty(self.size, np.float32) if out is None else out
        self.fill_units(seed, out)
        return np.multiply(out, np.float32(GRID), out=out)


def fill_mirrored_pair(center: NDArray[Any], delta: NDArray[Any], out: NDArray[Any]) -> NDArray[Any]:
    """Write center + delta and center - delta to the two rows of `out`."""
    np.add(center, delta, out=out[0])
    np.subtract(center, delta, out=out[1])
    return out


def weighted_sums(
    size: int, seeds: NDArray[np.uint64], a: NDArray[np.int64], b: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Sums over directions, exactly: the partial sums of all ranks simply add up.

    Args:
        size: number of elements of a direction.
        seeds: the directions' seeds, uint64 of shape (n,).
        a: integer weights of e, shape (n,), absolute values at most 2^21.
        b: integer weights of e^2 - 1, shape (n,), likewise.

    Returns:
        int64 array of shape (2, size), in units of GRID: sum a_i e_i and sum b_i (e_i^2 - 1), with
        e_i^2 rounded to multiples of GRID.
    """
    total = np.zeros((2, size), np.int64)
    # A block that stays in the cache: of many whole directions, or of a part of one.
    rows = int(max(1, min(_TERMS_EXACT_IN_FLOAT64, _BLOCK_ELEMENTS // size)))
    columns = min(size, _BLOCK_ELEMENTS)
    noise = Noise(size)
    units = np.empty((rows, columns), np.float32)
    exact = np.empty((rows, columns), np.float64)
    partial = np.zeros((2, size), np.float64)
    terms = 0
    for start in range(0, len(seeds), rows):
        block = slice(start, min(start + rows, len(seeds)))
        n = block.stop - block.start
        if terms + n > _TERMS_EXACT_IN_FLOAT64:
            total += partial.astype(np.int64)
            partial[:] = 0
            terms = 0
        a_block, b_block = a[block].astype(np.float64), b[block].astype(np.float64)
        for first in range(0, size, columns):
            part = slice(first, min(first + columns, size))
            width = part.stop - part.start
            for row, seed in zip(units, seeds[block], strict=False):
                if first == 0:
                    noise.begin(seed)
                noise.next_units(row[:width])
            e = exact[:n, :width]
            e[:] = units[:n, :width]
            partial[0, part] += a_block @ e
            np.multiply(e, e, out=e)
            np.multiply(e, GRID, out=e)  # e^2 in units of GRID
            np.rint(e, out=e)
            np.subtract(e, 1 / GRID, out=e)
            partial[1, part] += b_block @ e
        terms += n
    total += partial.astype(np.int64)
    return total
