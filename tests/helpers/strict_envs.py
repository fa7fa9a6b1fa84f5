"""Environments that refuse an action outside of their space, and a seed of numpy's, named `strict_envs:Class`."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box


class Strict(gymnasium.Env):  # type: ignore[type-arg]
    """Ten steps; the reward is the sum of the actions. `scale` of the observations drives actions to their bounds."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float32)

    def __init__(self, dtype: str = "float64", bound: float = 0.1) -> None:
        self.action_space = Box(-bound, bound, (2,), np.dtype(dtype).type)

    def observe(self) -> Any:
        return (100 * self.np_random.standard_normal(3)).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        assert seed is None or type(seed) is int, f"{seed!r} is a {type(seed).__name__}"  # as gymnasium demands
        super().reset(seed=seed)
        self.steps = 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        self.steps += 1
        return self.observe(), float(action.sum()), self.steps == 10, False, {}
