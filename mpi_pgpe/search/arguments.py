"""Arguments of the search: each check says what was expected and what came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from mpi_pgpe.base.checks import check_whole
from mpi_pgpe.search.noise import MAX_DIRECTIONS

Vector = NDArray[np.float64]


def make_vector(name: str, value: ArrayLike, size: int) -> Vector:
    """A new array of shape (size,) from a number or such an array; ValueError unless it is finite."""
    try:
        array = np.array(np.broadcast_to(np.asarray(value, np.float64), (size,)))
    except (TypeError, ValueError):
        raise ValueError(
            f"{name}: expected a number or an array of shape ({size},), got shape {np.shape(value)}"
        ) from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinite ones")
    return array


def compute_max_rounds(popsize: int, popsize_max: int | None, solutions_per_direction: int = 2) -> int:
    """The most rounds of a generation; `popsize_max` may be None or -1 for no limit of one's own.

    Raises:
        ValueError: not even one fits.
    """
    limit = solutions_per_direction * MAX_DIRECTIONS
    if popsize > limit:
        raise ValueError(f"popsize: expected at most {limit}, got {popsize}")
    if popsize_max is None or is_minus_one(popsize_max):
        return limit // popsize
    if check_whole("popsize_max", popsize_max, 2) < popsize:
        raise ValueError(f"popsize_max: expected at least popsize ({popsize}), got {popsize_max}: no whole round fits")
    return min(int(popsize_max), limit) // popsize


def is_minus_one(value: Any) -> bool:
    """Whether it is the whole number -1, by which other libraries mean None."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value == -1


def check_float_type(dtype: DTypeLike) -> np.dtype[Any]:
    """float32 or float64, however it is named; ValueError for anything else."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if dtype is None or found not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype: expected float32 or float64, got {dtype!r}")
    return found


def make_list(values: Any) -> Any:
    """`values`, as a list if it is a generator or the like, of which numpy would make one object."""
    return list(values) if isinstance(values, Iterator) else values
