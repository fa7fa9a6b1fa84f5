"""How far the stdev of the search may go: in one update, and at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mpi_pgpe.base.checks import check_fraction
from mpi_pgpe.search.arguments import Vector, make_vector

_DEEPEST_FALL = 0.99  # of an element in one update, as a share of its value: it has to stay positive


class StdevLimits:
    """Keeps the stdev positive, its changes small and its elements within bounds.

    Args:
        stdev: the first one, shape (size,).
        least, most: bounds of its elements, numbers or arrays of shape (size,), or None.
        max_change: the share of its value by which an element changes at most, in [0, 1); None: no limit but that
            an element falls by at most 99%.

    Raises:
        ValueError: naming stdev_min, stdev_max or stdev_max_change.
    """

    def __init__(
        self, stdev: Vector, least: ArrayLike | None, most: ArrayLike | None, max_change: ArrayLike | None
    ) -> None:
        size = len(stdev)
        self._low = None if least is None else make_vector("stdev_min", least, size)
        self._high = None if most is None else make_vector("stdev_max", most, size)
        if self._low is not None and (self._low < 0).any():
            raise ValueError(f"stdev_min: expected zero or positive numbers, got {least!r}")
        if self._low is not None and (stdev < self._low).any():
            raise ValueError(f"stdev_min: expected at most the first stdev, got {least!r} above it")
        if self._high is not None and (stdev > self._high).any():
            raise ValueError(f"stdev_max: expected at least the first stdev, got {most!r} below it")
        self._fall, self._rise = _shares(max_change, size)

    def after_step(self, stdev: Vector, step: Vector) -> Vector:
        """A new array: the stdev after a step that is cut to these limits."""
        step = np.clip(step, -(self._fall * stdev), None if self._rise is None else self._rise * stdev)
        moved: Vector = stdev + step
        if self._low is not None or self._high is not None:
            np.clip(moved, self._low, self._high, out=moved)
        return moved


def _shares(max_change: ArrayLike | None, size: int) -> tuple[Vector, Vector | None]:
    if max_change is None:
        return np.full(size, _DEEPEST_FALL), None
    if np.ndim(max_change) == 0:
        check_fraction("stdev_max_change", max_change)
    shares = make_vector("stdev_max_change", max_change, size)
    if (shares < 0).any() or (shares >= 1).any():
        raise ValueError(f"stdev_max_change: expected numbers from 0 up to, but not including, 1, got {max_change!r}")
    return shares, shares
