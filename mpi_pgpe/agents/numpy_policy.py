"""A saved agent as a callable of numpy arrays, one observation or a batch at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.policies.activations import ACTIVATIONS
from mpi_pgpe.policies.interface import AnyPolicy
from mpi_pgpe.policies.layout import flatten_observations
from mpi_pgpe.policies.making import make_policy
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.policies.own import Own
from mpi_pgpe.policies.recurrent import step_cell


def make_numpy_policy(agent: Agent, own: Own | None = None) -> NumpyPolicy | OwnNumpyPolicy:
    """See `restore.to_numpy_policy`; `own` is the class of a network of one's own.

    Raises:
        WrongInput: see `making.make_policy`.
    """
    if isinstance(agent.shape, PolicyShape) and own is None:
        return NumpyPolicy(agent, agent.shape)
    policy = make_policy(agent.shape, agent.action_space, own)
    policy.load(agent.parameters, *(() if agent.moments is None else agent.moments.normalization()))
    return OwnNumpyPolicy(agent, policy)


class OwnNumpyPolicy:
    """That of a network of one's own, for one observation at a time."""

    def __init__(self, agent: Agent, policy: AnyPolicy) -> None:
        self._agent, self._policy = agent, policy
        self.reset = policy.reset

    def __call__(self, observation: ArrayLike) -> Any:
        """The action for an observation.

        Raises:
            ValueError: it has another shape.
        """
        agent, space = self._agent, self._agent.action_space
        size = agent.shape.observation_size
        x = flatten_observations(observation, size, agent.observation_layout)
        if x.shape != (size,):
            raise ValueError(f"expected an observation of shape ({size},) for a network of one's own, got {x.shape}")
        action = self._policy.act(np.append(x, np.float32(1)))
        return action if space.layout is None else space.to_action(action)


class NumpyPolicy:
    """That of a network that is built in."""

    def __init__(self, agent: Agent, shape: PolicyShape) -> None:
        self._agent, self._shape = agent, shape
        moments = agent.moments
        self._cells = shape.split_cells(agent.parameters)
        layers = shape.split(agent.parameters)
        names = [shape.activation] * (len(layers) - 1) + [shape.output_activation]
        self._layers = [(*layer, ACTIVATIONS[name]) for layer, name in zip(layers, names, strict=True)]
        self._normalization = moments and [x.astype(np.float32) for x in (moments.mean(), moments.stdev())]
        self._states: list[NDArray[np.float32]] | None = None

    def reset(self) -> None:
        """An episode begins: the state of a recurrent policy is zero again; others have none."""
        self._states = None

    def __call__(self, observations: ArrayLike) -> Any:
        """The action for an observation, or the actions for a batch.

        Raises:
            ValueError: the observations have another shape, or since the last reset had another.
        """
        agent, space = self._agent, self._agent.action_space
        x = flatten_observations(observations, agent.shape.observation_size, agent.observation_layout)
        if self._normalization:
            x = (x - self._normalization[0]) / self._normalization[1]
        if self._cells:
            x = self._step_cells(x)
        for weights, bias, activate in self._layers:
            x = x @ weights.T if bias is None else x @ weights.T + bias
            activate(x, x)
        if space.low is None or space.high is None:
            return np.argmax(x, axis=-1) + space.start
        x = np.clip(x, space.low, space.high).astype(space.dtype, copy=False)
        return x if space.layout is None else space.to_action(x)

    def _step_cells(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        shape, batch = self._shape, x.shape[:-1]
        if self._states is None:
            width = 2 if shape.cell == "lstm" else 1
            self._states = [np.zeros((*batch, width * units), np.float32) for units in shape.hidden]
        before = self._states[0].shape[:-1]
        if before != batch:
            expected, got = ((*each, shape.observation_size) for each in (before, batch))
            raise ValueError(
                f"expected observations of shape {expected} like those since the last reset, got {got}; call reset() "
                "where an episode begins"
            )
        for i, parameters in enumerate(self._cells):
            x, self._states[i] = step_cell(shape, parameters, x, self._states[i])
        return x
