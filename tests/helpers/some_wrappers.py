"""Wrappers of a user's own, named `some_wrappers:Name`."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np


class Halved(gymnasium.ObservationWrapper):
    """Divides observations, by 2 or another number."""

    def __init__(self, env: Any, by: float = 2.0) -> None:
        super().__init__(env)
        self.by = by

    def observation(self, observation: Any) -> Any:
        return (observation / self.by).astype(np.float32)


class Counts(gymnasium.Wrapper):
    """Keeps the number of its steps through all episodes, and rewards them."""

    total = 0

    def step(self, action: Any) -> Any:
        self.total += 1
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward + self.total, terminated, truncated, info


class OwnNormalization(gymnasium.wrappers.NormalizeObservation):
    """Built on one that keeps statistics."""


def nothing(env: Any) -> Any:
    """Forgets to return the environment."""


def breaks(env: Any) -> Any:
    """Cannot be made."""
    raise RuntimeError("the wrapper came off")
