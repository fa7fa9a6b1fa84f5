"""The actions that a policy can take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.policies.layout import FLOATS, Layout


@dataclass(frozen=True)
class ActionSpace:
    """Continuous actions (`low` and `high` set, shape (size,), float32) or `size` discrete ones.

    The discrete actions are the integers start, start + 1, ..., start + size - 1. Continuous ones are computed in
    float32 and given as `dtype`, a name of layout.FLOATS; see `box`.

    Other spaces have a `layout`. A policy gives `size` outputs within `low` and `high` for them, float32, of which
    `to_action` makes the action.
    """

    size: int
    low: NDArray[np.float32] | None = None
    high: NDArray[np.float32] | None = None
    start: int = 0
    dtype: str = "float32"
    layout: Layout | None = None

    def __str__(self) -> str:
        if self.layout is not None:
            return f"actions in {self.layout}"
        return f"{self.size} {'discrete' if self.discrete else 'continuous'} actions"

    @property
    def discrete(self) -> bool:
        """Whether an action is one integer, which the policy gives as it is."""
        return self.low is None

    @classmethod
    def box(cls, low: NDArray[Any], high: NDArray[Any]) -> ActionSpace:
        """Continuous actions between bounds of shape (size,) and any of the types in FLOATS, which they get, too.

        The bounds are rounded to float32 inwards, so that an action within them is within those that are given.

        Raises:
            ValueError: there is no float32 between a lower bound and its upper one.
        """
        dtype = next(name for name in FLOATS if np.dtype(name) == low.dtype)
        return cls(len(low), *round_inwards(low, high), dtype=dtype)

    def within(self, other: ActionSpace) -> ActionSpace:
        """The part of these actions that lies in another space of the same size, in the dtype of that space.

        An agent's bounds may be those of an earlier environment. Of what is outside of the other space, the nearest
        action in it is taken.
        """
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return other
        low, high = (np.clip(bound, other.low, other.high) for bound in (self.low, self.high))
        return ActionSpace(self.size, low, high, dtype=other.dtype, layout=other.layout)

    def to_action(self, outputs: NDArray[np.float32]) -> Any:
        """What `layout` makes of outputs within the bounds, shape (size,) or (n, size); NaN counts as the least."""
        assert self.layout is not None
        assert self.low is not None
        return self.layout.make(np.fmax(outputs, self.low))


def round_inwards(low: NDArray[Any], high: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bounds of shape (size,) as float32, so that what is within them is within those that are given.

    Raises:
        ValueError: there is no float32 between a lower bound and its upper one.
    """
    least, most = low, high
    if low.dtype == np.float16:  # a float32 beyond its range would become infinite
        least, most = (np.clip(bound, *np.array([-65504, 65504], np.float16)) for bound in (low, high))
    with np.errstate(over="ignore"):
        least, most = least.astype(np.float32), most.astype(np.float32)
    up, down = np.float32(np.inf), np.float32(-np.inf)
    exact = low.dtype if low.dtype.kind == "f" else np.longdouble  # which holds all 64 bits of an integer
    least = np.where(least < low.astype(exact), np.nextafter(least, up), least)
    most = np.where(most > high.astype(exact), np.nextafter(most, down), most)
    for i in np.flatnonzero(least > most)[:1]:
        raise ValueError(f"expected a float32 between the bounds of an action, got {low[i]!r} and {high[i]!r}")
    return least, most
