"""The interface of environments to the rest of the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.base.inside import Inside
from mpi_pgpe.policies.layout import Layout
from mpi_pgpe.policies.spaces import ActionSpace


class UnknownEnvironment(WrongInput):
    """No environment of this name can be made here: it is not known, or something is not installed."""


class UnsupportedEnvironment(WrongInput):
    """The environment exists, but not with these arguments, or not with spaces that a policy here can serve."""


class Stretch(NamedTuple):
    """Steps in a row for a caller who can wait for their rewards, and has arrays for what comes of them.

    Attributes:
        record_size: what a step leaves behind for its reward, in numbers.
        step: take an action, shape (n_actions,), of floats; write what the reward depends on into an array of float64,
            shape (record_size,); return whether the episode has terminated.
        observe: write the observation that the last step led to into an array, shape (observation_size,), of float32 or
            float64.
        settle: the rewards of some steps, of all since the reset or since rewards were last settled, from their
            records, shape (n, record_size), and actions, shape (n, n_actions).
    """

    record_size: int
    step: Callable[[Any, NDArray[np.float64]], bool]
    observe: Callable[[NDArray[Any]], Any]
    settle: Callable[[NDArray[np.float64], NDArray[Any]], list[float]]


class Environment(Protocol):
    """One environment; an episode depends on its seed and its actions alone.

    `time_limit` is the number of steps after which the caller has to end an episode (truncate it), or
    None. `origin` holds the library and the simulator behind it, with their versions, such as
    {"gymnasium": "1.4.0", "mujoco": "4.0.0"}. `step` is an attribute rather than a method where that
    saves a call for every step; `stretch`, where there is one, takes the same steps faster. Observations and actions
    are flat here, whatever they are in the environment: `observation_layout` and `action_space.layout` say how, None
    for a flat Box.
    """

    observation_size: int
    observation_layout: Layout | None
    action_space: ActionSpace
    time_limit: int | None
    frames_per_second: float  # of a film in real time, a frame after each step
    origin: dict[str, str]
    stretch: Stretch | None
    inside: Inside  # a block around a reset and the steps that follow

    def reset(self, seed: int) -> Any:
        """Begin the episode of this seed; returns the first observation, shape (observation_size,)."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
        """Take an action.

        Args:
            action: what a policy gives for `action_space`: of shape (n_actions,) in its dtype (float32 where it has a
                layout), or an int for discrete actions.

        Returns:
            (observation of shape (observation_size,), reward, terminated, truncated, info that nobody reads).
        """

    def frame(self) -> NDArray[np.uint8]:
        """An RGB picture of the present state, uint8 of shape (height, width, 3); needs render_mode 'rgb_array'."""

    def remake(self) -> None:
        """Make the environment anew, after an episode that may have damaged it."""

    def close(self) -> None:
        """Close the environment, and free what it holds."""
