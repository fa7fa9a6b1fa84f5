"""What every policy is, whatever its network: loaded with parameters, reset with each episode, asked for actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.fast_numpy import clip
from mpi_pgpe.policies.spaces import ActionSpace


class AnyPolicy(ABC):
    """Maps observations to actions; made once, loaded with many parameter vectors.

    Args:
        action_space: the actions that it can take.

    Attributes:
        shape: of its network; see `making.Shape`.
        draws: whether it may draw from the global generators of random numbers.
    """

    draws = False
    shape: Any

    def __init__(self, action_space: ActionSpace) -> None:
        self.action_space = action_space
        self._low, self._high = action_space.low, action_space.high
        self._dtype = None if action_space.dtype == "float32" else np.dtype(action_space.dtype)

    @abstractmethod
    def load(
        self,
        parameters: NDArray[np.float32],
        mean: NDArray[np.float64] | None = None,
        stdev: NDArray[np.float64] | None = None,
        reference: NDArray[np.float64] | None = None,
    ) -> None:
        """Take a parameter vector, and the normalization (x - mean) / stdev of observations.

        A `reference`, of float32 numbers, is taken from x and mean first: far from zero float32 products would lose
        what x - mean has.

        Raises:
            ValueError: the vector has another shape.
        """

    @abstractmethod
    def reset(self) -> None:
        """Forget what earlier observations have left: an episode begins."""

    @abstractmethod
    def act(self, observation_and_1: NDArray[np.float32], out: NDArray[np.float32] | None = None) -> Any:
        """The action for an observation.

        Args:
            observation_and_1: the observation with a 1 appended, float32, shape (observation_size + 1,),
                contiguous.
            out: where to write a continuous action, shape (action_size,); default a new array, as an environment may
                keep the action that it was given.

        Returns:
            an array of the action space's dtype within the action space's bounds, or an int.
        """

    def _to_action(self, output: NDArray[np.float32], out: NDArray[np.float32] | None) -> Any:
        """The action for a network's output, shape (action_size,); `output` and `out` are written on."""
        if self._low is None or self._high is None:
            return int(output.argmax()) + self.action_space.start
        if self._dtype is None:
            return clip(output, self._low, self._high, out)
        action = clip(output, self._low, self._high, output).astype(self._dtype)
        if out is None:
            return action
        out[:] = action
        return out
