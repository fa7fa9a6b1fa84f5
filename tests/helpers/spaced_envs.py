"""Environments with any spaces, named `spaced_envs:Spaced`; each refuses an action that is not in its space."""

from __future__ import annotations

import copy
from typing import Any

import gym
import gymnasium
import numpy as np


def make_spaces(library: Any) -> dict[str, Any]:
    """Spaces of gym or gymnasium, by name."""
    s = library.spaces
    spaces = {
        "Box": s.Box(-1, 1, (2,), np.float32),
        "Discrete": s.Discrete(3, start=2),
        "MultiDiscrete": s.MultiDiscrete([3, 2]),
        "MultiDiscrete of two axes": s.MultiDiscrete(np.array([[3, 2], [2, 4]]), np.int32),
        "MultiBinary": s.MultiBinary(4),
        "MultiBinary of two axes": s.MultiBinary([2, 3]),
        "Box of two axes": s.Box(np.array([[-1, 0, -2]] * 2), np.array([[0.1, 2, 3]] * 2), dtype=np.float64),
        "Box without axes": s.Box(-1, 1, (), np.float32),
        "Box of integers": s.Box(-3, 5, (2,), np.int32),
        "Box of bytes": s.Box(0, 255, (2, 2, 1), np.uint8),
        "Box of large integers": s.Box(-(2**63), 2**63 - 1, (2,), np.int64),
        "Tuple": s.Tuple((s.Discrete(2), s.Box(-1, 1, (2,), np.float16))),
        "Dict": s.Dict({"b": s.MultiBinary(2), "a": s.Box(-1, 1, (2, 1), np.float32), "c": s.Discrete(3, start=-1)}),
    }
    spaces["nested"] = s.Dict(
        {"z": s.Tuple((s.Dict({"y": spaces["MultiDiscrete"]}), spaces["Discrete"])), "a": spaces["Box of integers"]}
    )
    if library is gymnasium:
        spaces["MultiDiscrete with starts"] = s.MultiDiscrete([3, 2], start=[5, -1])
    return spaces


SPACES = {"gym": make_spaces(gym), "gymnasium": make_spaces(gymnasium)}

REFUSED = {
    "Text": gymnasium.spaces.Text(4),
    "Sequence": gymnasium.spaces.Sequence(gymnasium.spaces.Discrete(3)),
    "Graph": gymnasium.spaces.Graph(gymnasium.spaces.Box(-1, 1, (2,)), None),
    "OneOf": gymnasium.spaces.OneOf((gymnasium.spaces.Discrete(2), gymnasium.spaces.Box(-1, 1, (2,)))),
    "Text in a Dict": gymnasium.spaces.Dict({"a": gymnasium.spaces.Text(4), "b": gymnasium.spaces.Discrete(2)}),
}


class _Spaced:
    length = 10

    def __init__(self, observations: str = "Box", actions: str = "Box", misses: bool = False) -> None:
        spaces = SPACES[type(self).__mro__[2].__module__.partition(".")[0]] | REFUSED
        self.observation_space, self.action_space = copy.deepcopy((spaces[observations], spaces[actions]))
        self.misses = misses
        self.seen: list[Any] = []
        self.done: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.observation_space.seed(seed)
        self.seen, self.done = [self.observation_space.sample()], []
        return self.seen[-1], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        for mine, its in zip(leaves(self.action_space.sample()), leaves(action), strict=True):
            assert np.asarray(mine).dtype == np.asarray(its).dtype, f"{its!r} is not of {np.asarray(mine).dtype}"
        self.done.append(action)
        ended = len(self.done) == self.length
        self.seen.append("nothing" if ended or self.misses else self.observation_space.sample())
        return (
            self.seen[-1],
            float(sum(np.clip(np.sum(x, dtype=float), -9, 9) for x in leaves(action))),
            ended,
            False,
            {},
        )


class Spaced(_Spaced, gymnasium.Env):  # type: ignore[type-arg]
    """Ten steps with random observations; the reward is the sum of the action's numbers."""


class SpacedGym(_Spaced, gym.Env):  # type: ignore[misc]
    """The same of gym."""


def leaves(element: Any) -> list[Any]:
    """The arrays and numbers in an element of a space."""
    if isinstance(element, dict):
        return [leaf for part in element.values() for leaf in leaves(part)]
    return [leaf for part in element for leaf in leaves(part)] if isinstance(element, tuple) else [element]
