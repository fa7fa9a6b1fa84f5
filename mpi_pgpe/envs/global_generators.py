"""Random numbers that no environment's own seed reaches: all are drawn from the seed of the episode.

An environment may draw from the generators that a whole process shares (numpy's, Python's, torch's), from that of a
space (`action_space.sample()`), or from a generator of gym's that nobody seeded. On other numbers of ranks the same
episode would find each of them in another state. So they are seeded before each reset, and before an environment is
made.
"""

from __future__ import annotations

import contextlib
import importlib.util
import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from mpi_pgpe.envs.inside import Inside

DRAW_FROM_THEIR_OWN = ("gym.envs.classic_control.", "gymnasium.envs.classic_control.")
"""Modules whose environments draw from the generator alone that their reset seeds, and from none before. Their episodes
are so short that it would cost several percent of the time to seed the others."""

_WHEN_MADE = 0  # the seed of what is drawn while environments are made and their modules imported
_OF_NUMPY = 0x6A09E667  # numpy.random.RandomState(seed), which environments have too, would give the same numbers


def seed_global_generators(seed: int) -> None:
    """Set numpy's, Python's and torch's global generator to a state that follows from `seed`.

    torch is not imported for that: where it is not yet, its generator is set if an environment imports it.

    Args:
        seed: from 0 to 2**32 - 1.
    """
    np.random.seed(seed ^ _OF_NUMPY)  # forgets the second number of a Gaussian pair, too
    random.seed(seed)
    _torch_to_come.seed = seed
    if "torch" in sys.modules:
        _seed_torch(seed)
    elif _torch_to_come not in sys.meta_path:
        sys.meta_path.insert(0, _torch_to_come)


def _seed_torch(seed: int) -> None:
    torch = sys.modules["torch"]
    if hasattr(torch, "default_generator"):  # else it is being imported
        if torch.cuda.is_available():
            torch.manual_seed(seed)
        else:  # what that does for devices that are not here takes a hundred times as long
            torch.default_generator.manual_seed(seed)


class _TorchToCome:
    """Seeds torch's generator where an environment imports torch after its reset: its first draws count, too.

    Python asks it, as one of sys.meta_path, for each module that is imported from now on.
    """

    seed = 0

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_seed(module: Any) -> None:
                execute(module)
                if Inside.depth:  # else it is nobody's environment that imports it
                    _seed_torch(self.seed)

            spec.loader.exec_module = execute_and_seed  # type: ignore[method-assign]
        return spec


_torch_to_come = _TorchToCome()
_making = False


def _seeded_while_making(create: Any) -> Any:
    """`create(seed=None)`, which takes its seed from the system's entropy, with a seed while environments are made."""

    def create_seeded(seed: Any = None) -> Any:
        return create(_WHEN_MADE if seed is None and _making else seed)

    return create_seeded


@contextlib.contextmanager
def seed_while_importing() -> Iterator[None]:
    """Meanwhile, what is drawn comes out the same in every process: for making environments and importing theirs."""
    global _making
    modules = [np.random, *(sys.modules.get(f"{library}.utils.seeding") for library in ("gym", "gymnasium"))]
    names = ["default_rng", "np_random", "np_random"]
    before = [(m, name, getattr(m, name)) for m, name in zip(modules, names, strict=True) if hasattr(m, name)]
    was_making, _making = _making, True
    try:
        for module, name, create in before:
            setattr(module, name, _seeded_while_making(create))
        seed_global_generators(_WHEN_MADE)
        yield
    finally:
        _making = was_making
        for module, name, create in before:
            setattr(module, name, create)


class _WhenUsed:
    """A numpy Generator that is not made before it is drawn from, as most are not."""

    def __init__(self, create: Any) -> None:
        self.create, self.seed, self.generator = create, _WHEN_MADE, None

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
