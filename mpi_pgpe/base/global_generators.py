"""The generators of random numbers that a whole process shares: numpy's, Python's and torch's, seeded together."""

from __future__ import annotations

import contextlib
import importlib.util
import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from mpi_pgpe.base.inside import Inside

WHEN_MADE = 0
"""The seed of what is drawn while a user's objects are made and their modules imported."""
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
        return create(WHEN_MADE if seed is None and _making else seed)

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
        seed_global_generators(WHEN_MADE)
        yield
    finally:
        _making = was_making
        for module, name, create in before:
            setattr(module, name, create)


@contextlib.contextmanager
def kept_generators() -> Iterator[None]:
    """Afterwards the generators are where they were."""
    torch = sys.modules.get("torch")
    state = random.getstate(), np.random.get_state(), torch and torch.random.get_rng_state()
    try:
        yield
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])
        if torch:
            torch.random.set_rng_state(state[2])
