"""What a rank evaluates: the interface. One case is a policy in an environment (episodes.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from mpi_pgpe.parallel.tasks import Poll
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.training.job import Distribution


class BadFitness(ValueError):
    """What an evaluation returned is no fitness; the message says all that a traceback would."""


class Trial(NamedTuple):
    """What came of one evaluation of one solution.

    Attributes:
        fitness: higher is better; NaN and infinite ones rank as the worst.
        interactions: simulator steps, or what else counts as such.
        moments: those that the evaluation was given, with what it observed; None if it was given none.
    """

    fitness: float
    interactions: int
    moments: Moments | None = None


Attempt = Callable[[Poll | None], Sequence[Trial]]
"""Evaluates the solutions that it was prepared for, calling Poll now and then if it can."""


class Problem(Protocol):
    """What solutions are evaluated on. The evaluator brings the solutions, their seeds and what is done about failures.

    Attributes:
        solutions_per_call: how many solutions are evaluated together; a multiple of 2, or 1.
    """

    solutions_per_call: int

    def describe(self, purpose: int) -> str:
        """What it is, for messages of failures: "environment 'CartPole-v1'"."""
        ...

    def describe_seeds(self, seeds: Sequence[int]) -> str:
        """The seeds of an evaluation, likewise: "environment seed 5"."""
        ...

    def prepare(
        self,
        purpose: int,
        distribution: Distribution,
        solutions: NDArray[Any],
        seeds: Sequence[int],
        moments: Moments | None,
    ) -> Attempt:
        """Make ready for one evaluation of each solution; what the attempt takes of time is that of the evaluation.

        Args:
            purpose: TRAINING or RE_EVALUATION.
            distribution: of the generation.
            solutions: float32 or float64 of shape (n, parameters), n at most `solutions_per_call`; used again later.
            seeds: of all that is random in the evaluation of each solution.
            moments: new ones, to take in what is observed; None: not needed.
        """
        ...

    def recover(self, purpose: int) -> bool:
        """After an evaluation raised: be as before it. False if that cannot be."""
        ...
