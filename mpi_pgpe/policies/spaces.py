"""The actions that a policy can take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ActionSpace:
    """Continuous actions (`low` and `high` set, shape (size,), float32) or `size` discrete ones.

    The discrete actions are the integers start, start + 1, ..., start + size - 1.
    """

    size: int
    low: NDArray[np.float32] | None = None
    high: NDArray[np.float32] | None = None
    start: int = 0

    @property
    def discrete(self) -> bool:
        return self.low is None
