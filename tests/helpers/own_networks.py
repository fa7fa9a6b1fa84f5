"""Networks of users: in numpy and in torch, with and without a state, and some that are none. `own_networks:Class`."""

from __future__ import annotations

from typing import Any

import numpy as np


class Leaks:
    """A linear layer of the observation and of a trace of the last ones."""

    def __init__(self, observation_size: int, action_size: int) -> None:
        self.shape = action_size, 2 * observation_size
        self.num_parameters = action_size * 2 * observation_size
        self.trace = np.zeros(observation_size, np.float32)

    def load(self, parameters: np.ndarray) -> None:
        self.weights = parameters.reshape(self.shape)

    def reset(self) -> None:
        self.trace = 0 * self.trace

    def act(self, observation: np.ndarray) -> np.ndarray:
        self.trace = 0.8 * self.trace + observation
        return self.weights @ np.concatenate([observation, self.trace])


class Draws(Leaks):
    """Adds noise from the global generator, and begins with numbers from one without a seed."""

    def __init__(self, observation_size: int, action_size: int) -> None:
        super().__init__(observation_size, action_size)
        self.scale = np.random.default_rng().uniform(0.1, 0.2) + np.random.uniform(0, 0.1)

    def act(self, observation: np.ndarray) -> np.ndarray:
        return super().act(observation) + self.scale * np.random.standard_normal(self.shape[0])


class NoReset:
    num_parameters = 3

    def load(self, parameters: np.ndarray) -> None: ...

    def act(self, observation: np.ndarray) -> Any: ...


class TakesNothing(Leaks):
    def __init__(self) -> None:
        super().__init__(3, 2)


class NoNumber(Leaks):
    def __init__(self, observation_size: int, action_size: int) -> None:
        super().__init__(observation_size, action_size)
        del self.num_parameters


class OddNumber(Leaks):
    def __init__(self, observation_size: int, action_size: int) -> None:
        super().__init__(observation_size, action_size)
        self.num_parameters = 2.5


class OneTooMany(Leaks):
    def __init__(self, observation_size: int, action_size: int) -> None:
        super().__init__(observation_size, action_size)
        self.num_parameters += 1


class WrongShape(Leaks):
    def act(self, observation: np.ndarray) -> np.ndarray:
        return super().act(observation)[:1]


class NoArray(Leaks):
    def act(self, observation: np.ndarray) -> Any:
        return {"action": super().act(observation)}


class FailsLater(Leaks):
    """Of the right shape until the fourth step of an episode."""

    def reset(self) -> None:
        super().reset()
        self.steps = 0

    def act(self, observation: np.ndarray) -> np.ndarray:
        self.steps += 1
        return super().act(observation)[: 1 if self.steps == 4 else None]


number = 7
