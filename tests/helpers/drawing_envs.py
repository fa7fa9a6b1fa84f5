"""Environments that draw from generators that their own seed does not reach, named `drawing_envs:Class`."""

from __future__ import annotations

import random
from typing import Any

import gym
import gymnasium
import numpy as np

MAP = np.random.standard_normal(2)
"""Drawn when the module is imported."""


class Draws(gym.Env):
    """Six steps; the reward is the first action and a number from `draw`, and the observation another one."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def draw(self) -> float:
        raise NotImplementedError

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return np.array([self.draw(), 0], np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        observation = np.array([self.draw(), self.steps], np.float32)
        return observation, float(action[0]) + self.draw(), self.steps == 6, False, {}


class FromNumpy(Draws):
    """One number of a Gaussian pair is left in the generator: three are drawn in each reset and step."""

    def draw(self) -> float:
        return float(np.random.standard_normal(3).sum())


class FromPython(Draws):
    def draw(self) -> float:
        return random.gauss(0, 1)


class FromTorch(Draws):
    def draw(self) -> float:
        import torch

        return float(torch.randn(()))


class LateTorch(FromTorch):
    """Imports torch in its first step, long after the generators were seeded."""

    def draw(self) -> float:
        return super().draw() if self.steps else 0.0


class FromSpaces(Draws):
    """Draws from a space in the place of one of its wrapper's, and from one of its parts."""

    def __init__(self) -> None:
        self.start = gym.spaces.Dict(place=gym.spaces.Box(-1, 1, (1,)))

    def draw(self) -> float:
        return float(self.action_space.sample()[0] + self.start["place"].sample()[0] + self.start.sample()["place"][0])


class NeverSeeded(Draws):
    """Its reset takes a seed, and forgets it."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return super().reset(seed=None)

    def draw(self) -> float:
        return float(self.np_random.standard_normal())


class NeverSeededOfGymnasium(gymnasium.Env):  # type: ignore[type-arg]
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    step, draw = Draws.step, NeverSeeded.draw

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.steps = 0
        return np.array([self.draw(), 0], np.float32), {}


class WhenMade(Draws):
    """Its map is drawn when it is made, from every generator, and when its module is imported."""

    def __init__(self) -> None:
        import torch

        drawn = np.random.random(), random.random(), float(torch.rand(())), np.random.default_rng().random()
        self.map = (*drawn, self.np_random.random(), *MAP)

    def draw(self) -> float:
        return float(sum(self.map) + self.np_random.random())


ALL = [FromNumpy, FromPython, FromTorch, LateTorch, FromSpaces, NeverSeeded, NeverSeededOfGymnasium, WhenMade]
