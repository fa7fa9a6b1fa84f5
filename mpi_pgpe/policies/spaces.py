"""The actions that a policy can take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOATS = ("float16", "float32", "float64", "longdouble")
"""Types of continuous actions."""


@dataclass(frozen=True)
class ActionSpace:
    """Continuous actions (`low` and `high` set, shape (size,), float32) or `size` discrete ones.

    The discrete actions are the integers start, start + 1, ..., start + size - 1. Continuous ones are computed in
    float32 and given as `dtype`, a name of FLOATS; see `box`.
    """

    size: int
    low: NDArray[np.float32] | None = None
    high: NDArray[np.float32] | None = None
    start: int = 0
    dtype: str = "float32"

    @property
    def discrete(self) -> bool:
        """Whether the actions are integers."""
        return self.low is None

    @classmethod
    def box(cls, low: NDArray[Any], high: NDArray[Any]) -> ActionSpace:
        """Continuous actions between bounds of shape (size,) and any of the types in FLOATS, which they get, too.

        The bounds are rounded to float32 inwards, so that an action within them is within those that are given.

        Raises:
            ValueError: there is no float32 between a lower bound and its upper one.
        """
        dtype = next(name for name in FLOATS if np.dtype(name) == low.dtype)
        least, most = low, high
        if dtype == "float16":  # a float32 beyond its range would become infinite
            least, most = (np.clip(bound, *np.array([-65504, 65504], np.float16)) for bound in (low, high))
        with np.errstate(over="ignore"):
            least, most = least.astype(np.float32), most.astype(np.float32)
        up, down = np.float32(np.inf), np.float32(-np.inf)
        least = np.where(least < low, np.nextafter(least, up), least)
        most = np.where(most > high, np.nextafter(most, down), most)
        for i in np.flatnonzero(least > most)[:1]:
            raise ValueError(f"expected a float32 between the bounds of an action, got {low[i]!r} and {high[i]!r}")
        return cls(len(low), least, most, dtype=dtype)

    def within(self, other: ActionSpace) -> ActionSpace:
        """The part of these actions that lies in another space of the same size, in the dtype of that space.

        An agent's bounds may be those of an earlier environment. Of what is outside of the other space, the nearest
        action in it is taken.
        """
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return other
        low, high = (np.clip(bound, other.low, other.high) for bound in (self.low, self.high))
        return ActionSpace(self.size, low, high, dtype=other.dtype)
