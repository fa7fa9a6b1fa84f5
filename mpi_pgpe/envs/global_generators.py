"""Random numbers that no environment's own seed reaches: all are drawn from the seed of the episode.

An environment may draw from the generators that a whole process shares (numpy's, Python's, torch's), from that of a
space (`action_space.sample()`), or from a generator of gym's that nobody seeded. On other numbers of ranks the same
episode would find each of them in another state. So they are seeded before each reset, and before an environment is
made.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from mpi_pgpe.base.global_generators import WHEN_MADE, seed_global_generators

DRAW_FROM_THEIR_OWN = ("gym.envs.classic_control.", "gymnasium.envs.classic_control.")
"""Modules whose environments draw from the generator alone that their reset seeds, and from none before. Their episodes
are so short that it would cost several percent of the time to seed the others."""


class _WhenUsed:
    """A numpy Generator that is not made before it is drawn from, as most are not."""

    # A wrapper that makes a space from another one hands its generator on, and spaces ask what it is.
    __class__ = property(lambda self: np.random.Generator)

    def __init__(self, create: Any) -> None:
        self.create, self.seed, self.generator = create, WHEN_MADE, None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by copy and pickle
            raise AttributeError(name)
        if self.generator is None:
            self.generator, _ = self.create(self.seed)
        return getattr(self.generator, name)


class OtherGenerators:
    """All that an environment may draw from but the generator that its reset seeds: the global ones, those of its
    spaces, and its own where its reset leaves it unseeded.

    Args:
        env: of gym or gymnasium, or like one, with its wrappers.
    """

    def __init__(self, env: Any) -> None:
        self._drawn_from = not type(env).__module__.startswith(DRAW_FROM_THEIR_OWN)
        layers = [env]
        while "env" in getattr(layers[-1], "__dict__", {}):
            layers.append(layers[-1].env)
        spaces: list[Any] = []
        for layer in layers:
            values = [getattr(layer, "action_space", None), getattr(layer, "observation_space", None)]
            _add_spaces([*values, *getattr(layer, "__dict__", {}).values()], spaces)
        library = next((m for m in ("gymnasium", "gym") if _built_on(layers[-1], m)), None) or "gym"
        seeding = sys.modules.get(f"{library}.utils.seeding")
        create = getattr(seeding, "np_random", None) or (lambda seed: (np.random.default_rng(seed), seed))
        self._generator = _WhenUsed(create)
        self._spaces = spaces
        self._env = layers[-1] if hasattr(layers[-1], "_np_random") else None

    def seed(self, seed: int) -> None:
        """Have what is drawn from them follow from `seed`, as long as nobody seeds them otherwise."""
        if not self._drawn_from:
            return
        seed_global_generators(seed)
        generator = self._generator
        generator.seed, generator.generator = seed, None
        for space in self._spaces:
            space._np_random = generator
        env = self._env
        # Not one of another kind, such as numpy's RandomState, which has other methods.
        if env is not None and isinstance(env._np_random, (_WhenUsed, np.random.Generator, type(None))):
            env._np_random = generator


def _built_on(env: Any, library: str) -> bool:
    return any(cls.__module__.partition(".")[0] == library for cls in type(env).__mro__)


def _add_spaces(values: Any, spaces: list[Any]) -> None:
    """Add to `spaces` those among the values, and those that they are composed of."""
    for value in values:
        is_space = hasattr(type(value), "sample") and hasattr(type(value), "contains") and hasattr(value, "_np_random")
        if is_space and not any(value is space for space in spaces):
            spaces.append(value)
            parts = getattr(value, "spaces", ())
            _add_spaces(parts.values() if isinstance(parts, dict) else parts, spaces)
            _add_spaces([getattr(value, "feature_space", None)], spaces)
