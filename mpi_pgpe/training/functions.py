"""The problem "a function of a vector": called with a solution, or with a batch of them, it returns their fitness."""

from __future__ import annotations

import contextlib
import inspect
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.global_generators import seed_global_generators
from mpi_pgpe.base.inside import Inside
from mpi_pgpe.parallel.clock import PHYSICS
from mpi_pgpe.parallel.tasks import Poll
from mpi_pgpe.parallel.world import World
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.training.job import Distribution, Job
from mpi_pgpe.training.named_code import FUNCTIONS
from mpi_pgpe.training.problem import Attempt, BadFitness, Trial
from mpi_pgpe.training.settings import BadSettings

Fitness = Callable[..., Any]


def give_function(function: Fitness) -> str:
    """A name, `module:name`, that stands for this function from now on, in this process.

    Raises:
        BadSettings: it cannot be called.
    """
    if not callable(function):
        raise BadSettings(f"fitness: expected a function, or its name module:name, got {function!r:.100}")
    return FUNCTIONS.give(function)


def find_function(name: str) -> Fitness:
    """The function of a name `module:name`, where the name may have dots.

    Raises:
        BadSettings: there is none.
    """
    return FUNCTIONS.find(name)


def takes_seed(function: Fitness) -> bool:
    """Whether a function is called with a seed, too: it has a second argument without a default, or one named seed."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of functions in C
        return False
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    second = positional[1:2]
    return any(each.name == "seed" or each.default is inspect.Parameter.empty for each in second)


class Function:
    """Evaluates a function; see `problem.Problem`. Before each call the global generators are seeded, as for episodes.

    Args:
        job: of the whole run.
        world: whose rank this is.

    Raises:
        BadSettings: there is no such function.
    """

    def __init__(self, job: Job, world: World) -> None:
        assert job.function is not None
        self.solutions_per_call = job.solutions_per_call
        self._name, self._batch, self._world = job.function, job.batch, world
        self._function: Fitness | None = None
        self._seeded = False
        self._inside = Inside()

    def load(self) -> None:
        """Find the function.

        Raises:
            BadSettings: there is none.
        """
        self._function = find_function(self._name)
        self._seeded = takes_seed(self._function)

    def describe(self, purpose: int) -> str:
        """The function, by its name."""
        return f"function {self._name!r}"

    def describe_seeds(self, seeds: Sequence[int]) -> str:
        """The seeds of a call."""
        return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}, ..., {seeds[-1]}"

    def prepare(
        self,
        purpose: int,
        distribution: Distribution,
        solutions: NDArray[Any],
        seeds: Sequence[int],
        moments: Moments | None,
    ) -> Attempt:
        """Make the arguments, which are the function's own; the attempt calls it."""
        if self._function is None:
            self.load()
        function = self._function
        assert function is not None
        arguments: list[Any] = [np.array(solutions) if self._batch else np.array(solutions[0])]
        if self._seeded:
            arguments.append(np.array(seeds, np.int64) if self._batch else seeds[0])

        def call(poll: Poll | None) -> Sequence[Trial]:
            if poll is not None:
                poll()
            seed_global_generators(seeds[0])
            with self._inside, self._world.clock.during(PHYSICS):
                returned = function(*arguments)
            return read_batch(returned, len(solutions)) if self._batch else [read_single(returned)]

        return call

    def recover(self, purpose: int) -> bool:
        """Nothing to do, once there is a function."""
        return self._function is not None


def read_single(returned: Any) -> Trial:
    """What a function returned for one solution: its fitness, or (fitness, interactions).

    Raises:
        BadFitness: it is neither.
    """
    interactions: Any = 1
    if isinstance(returned, tuple) and len(returned) == 2:
        returned, interactions = returned
    values = _as_array(returned, "a number")
    if values.shape != ():
        raise BadFitness(f"expected a number, or (number, interactions), got an array of shape {values.shape}")
    counts = _as_counts(interactions)
    if counts.shape != ():
        raise BadFitness(f"expected interactions as a whole number, got an array of shape {counts.shape}")
    return _trial(values, counts, None)


def read_batch(returned: Any, n: int) -> list[Trial]:
    """What a function returned for n solutions: n fitnesses, or (fitnesses, interactions) with n of each.

    Raises:
        BadFitness: it is neither.
    """
    interactions: Any = np.ones(n, np.int64)
    if isinstance(returned, tuple) and len(returned) == 2 and all(hasattr(each, "__len__") for each in returned):
        returned, interactions = returned
    values, counts = _as_array(returned, f"{n} numbers"), _as_counts(interactions)
    for what, found in (("fitnesses", values), ("interactions", counts)):
        if found.shape != (n,):
            raise BadFitness(f"expected {what} of shape ({n},), as many as solutions, got shape {found.shape}")
    return [_trial(values[i], counts[i], i) for i in range(n)]


def _as_array(returned: Any, expected: str) -> NDArray[Any]:
    """Real numbers as an array; of torch, on whatever device, too."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(returned, torch.Tensor):
        returned = returned.detach().cpu().numpy()
    values = np.asarray(None)
    with contextlib.suppress(Exception):  # of ragged lists, and of whatever else numpy cannot take
        values = np.asarray(returned)
    if values.dtype.kind not in "biuf":
        kind = "complex numbers" if values.dtype.kind == "c" else type(returned).__name__
        raise BadFitness(f"expected {expected}, got {kind}: {_in_one_line(returned)}")
    return values


def _in_one_line(returned: Any) -> str:
    return " ".join(repr(returned).split())[:100]


def _as_counts(returned: Any) -> NDArray[Any]:
    counts = _as_array(returned, "interactions as whole numbers")
    if not (np.all(counts >= 0) and np.all(counts == np.floor(counts)) and np.all(counts < 2**62)):
        raise BadFitness(f"expected interactions as whole numbers of at least 0, got {_in_one_line(returned)}")
    return counts


def _trial(value: Any, count: Any, number: int | None) -> Trial:
    fitness = float(value)
    if math.isnan(fitness) or fitness == math.inf:
        of = "" if number is None else f" of solution {number} of the batch"
        raise BadFitness(
            f"expected a number as the fitness{of}, got {fitness}; -inf is the worst fitness, and "
            "on_episode_error=worst takes what fails for that"
        )
    return Trial(fitness, int(count))
