"""PGPE: policy gradients with parameter-based exploration, as an ask-and-tell maximiser.

Sehnke et al., "Parameter-exploring policy gradients" (2010), with mirrored sampling; the update of the
center by ClipUp (Toklu et al. 2020, arXiv 2008.02387), Adam or SGD; the population grows during a
generation until enough interactions were made (adaptive population size, the same paper).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpi_pgpe.base.checks import even_popsize, fraction, not_negative, one_of, positive, true_or_false, whole
from mpi_pgpe.search.noise import GRID, MAX_DIRECTIONS, Noise, weighted_sums
from mpi_pgpe.search.optimizers import make_optimizer
from mpi_pgpe.search.ranking import TIE_BREAKING, centered_ranks, raw
from mpi_pgpe.search.seeds import draw_run_seed, seed_table

SumDirections = Callable[[int, NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]


class PGPE:
    """The search distribution N(center, diag(stdev^2)), moved towards higher fitness.

    A generation is one or more rounds of `popsize` solutions. In each round, `ask()` for the solutions
    and `tell()` their fitnesses; `tell` returns True when that ended the generation and the
    distribution was updated::

        search = PGPE(solution_length=10, popsize=100, stdev_init=1.0, seed=1)
        for _ in range(100):
            while not search.tell([-np.sum(x * x) for x in search.ask()]):
                pass

    Args:
        solution_length: number of parameters.
        popsize: solutions in a round, even.
        optimizer: "clipup", "adam" or "sgd".
        optimizer_config: its further arguments, e.g. {"max_speed": 0.15}.
        popsize_max: most solutions in a generation (whole rounds); None: no limit. It only matters
            with `num_interactions`.
        num_interactions: a generation goes on, round after round, until its solutions have made so
            many environment steps; None: one round is one generation.
        center_init: first center: a number or an array of shape (solution_length,).
        center_learning_rate: step size of the optimizer; None: the optimizer's own default, for ClipUp
            max_speed / 2.
        stdev_learning_rate: step size of the stdev; 0 keeps it as it is.
        stdev_init: first stdev: a positive number or an array of shape (solution_length,).
        stdev_max_change: an element of the stdev changes by at most this share of its value.
        solution_ranking: replace fitnesses by centered ranks; else they weigh in as they are.
        tie_breaking: with ranking, "average": equal fitnesses share the mean of their ranks; where all are equal,
            nothing moves but momentum. "order": they are ranked in their order, as version 0.1.0 did.
        seed: non-negative integer; None: a random one. It fixes all that is random here.
        sum_directions: computes noise.weighted_sums; a trainer puts in one that shares the work.

    Raises:
        ValueError: for any argument out of range, saying what was expected.
    """

    def __init__(
        self,
        *,
        solution_length: int,
        popsize: int,
        optimizer: str = "clipup",
        optimizer_config: Mapping[str, Any] | None = None,
        popsize_max: int | None = None,
        num_interactions: int | None = None,
        center_init: ArrayLike = 0.0,
        center_learning_rate: float | None = None,
        stdev_learning_rate: float = 0.1,
        stdev_init: ArrayLike = 0.1,
        stdev_max_change: float = 0.2,
        solution_ranking: bool = True,
        tie_breaking: str = "average",
        seed: int | None = None,
        sum_directions: SumDirections = weighted_sums,
    ) -> None:
        self.solution_length = whole("solution_length", solution_length)
        self.popsize = even_popsize(popsize)
        self.max_rounds = max_rounds(self.popsize, popsize_max)
        self.num_interactions = None if num_interactions is None else whole("num_interactions", num_interactions)
        self.solution_ranking = true_or_false("solution_ranking", solution_ranking)
        self.tie_breaking = one_of("tie_breaking", tie_breaking, TIE_BREAKING)
        self.stdev_learning_rate = not_negative("stdev_learning_rate", stdev_learning_rate)
        self.stdev_max_change = fraction("stdev_max_change", stdev_max_change)
        if center_learning_rate is not None:
            positive("center_learning_rate", center_learning_rate)
        self.optimizer = make_optimizer(optimizer, self.solution_length, center_learning_rate, optimizer_config or {})
        self.seed = draw_run_seed() if seed is None else whole("seed", seed, 0)
        self._center = self._vector("center_init", center_init)
        self._stdev = self._vector("stdev_init", stdev_init)
        if (self._stdev <= 0).any():
            raise ValueError("stdev_init: expected positive numbers only")
        self._sum_directions = sum_directions
        self.generation = 0  # generations completed
        self._rounds: list[NDArray[np.float64]] = []  # fitnesses of the rounds of the running generation
        self._interactions = 0  # made in those rounds

    def _vector(self, name: str, value: ArrayLike) -> NDArray[np.float64]:
        try:
            vector = np.array(np.broadcast_to(np.asarray(value, np.float64), (self.solution_length,)))
        except (TypeError, ValueError):
            raise ValueError(
                f"{name}: expected a number or an array of shape ({self.solution_length},), got shape {np.shape(value)}"
            ) from None
        if not np.isfinite(vector).all():
            raise ValueError(f"{name}: expected finite numbers, got NaN or infinite ones")
        return vector

    @property
    def center(self) -> NDArray[np.float64]:
        """Mean of the search distribution: read-only float64 of shape (solution_length,)."""
        return _read_only(self._center)

    @property
    def stdev(self) -> NDArray[np.float64]:
        """Standard deviation of each parameter: read-only float64 of shape (solution_length,)."""
        return _read_only(self._stdev)

    def seeds(self, first: int, count: int) -> NDArray[np.uint64]:
        """Noise seeds of `count` directions of the running generation, from the `first` on."""
        return seed_table(self.seed, self.generation, first + count)[first:]

    def ask(self) -> NDArray[np.float32]:
        """The solutions of the present round.

        Returns:
            read-only float32 array of shape (popsize, solution_length); row 2i is
            center + stdev * e_i, row 2i + 1 is center - stdev * e_i.
        """
        solutions = np.empty((self.popsize, self.solution_length), np.float32)
        center, stdev = self._center.astype(np.float32), self._stdev.astype(np.float32)
        noise = Noise(self.solution_length)
        first = len(self._rounds) * self.popsize // 2
        for i, seed in enumerate(self.seeds(first, self.popsize // 2)):
            mirrored_pair(center, stdev * noise.direction(seed), solutions[2 * i : 2 * i + 2])
        return _read_only(solutions)

    def tell(self, fitnesses: ArrayLike, interactions: int | ArrayLike | None = None) -> bool:
        """Take in the fitnesses of the present round; update when that ends the generation.

        Args:
            fitnesses: shape (popsize,), in the order of `ask()`; higher is better. NaN and infinite
                ones count as the worst.
            interactions: environment steps made for this round, a number or an array of any shape that
                is summed; needed if `num_interactions` is set.

        Returns:
            True if the generation ended and center and stdev moved.
        """
        fitness = np.asarray(fitnesses, dtype=np.float64)
        if fitness.shape != (self.popsize,):
            raise ValueError(f"fitnesses: expected shape ({self.popsize},), got {fitness.shape}")
        if self.num_interactions is not None:
            if interactions is None:
                raise ValueError("interactions: expected the number of steps, as num_interactions is set")
            self._interactions += int(np.sum(interactions))
        self._rounds.append(fitness.copy())
        if not self.generation_ends(len(self._rounds), self._interactions):
            return False
        self._update(np.concatenate(self._rounds))
        self._rounds, self._interactions = [], 0
        self.generation += 1
        return True

    def generation_ends(self, rounds: int, interactions: int) -> bool:
        """Whether a generation is complete after so many rounds with so many interactions."""
        return self.num_interactions is None or interactions >= self.num_interactions or rounds >= self.max_rounds

    def _update(self, fitnesses: NDArray[np.float64]) -> None:
        weights = centered_ranks(fitnesses, self.tie_breaking) if self.solution_ranking else raw(fitnesses)
        plus, minus = weights.integers[0::2], weights.integers[1::2]
        d = len(plus)
        # Both sums are exact; the mean of the weights (the baseline) is zero.
        sum_e, sum_e2 = self._sum_directions(self.solution_length, self.seeds(0, d), plus - minus, plus + minus) * (
            weights.unit / 2 * GRID / d
        )
        # Sehnke et al. 2010, eq. 11-12 with mirrored samples; (stdev e)^2 - stdev^2 = stdev^2 (e^2 - 1).
        center_gradient = self._stdev * sum_e
        stdev_gradient = self._stdev * sum_e2
        # New arrays, so that those given out before stay as they were.
        self._center = self._center + self.optimizer.ascent(center_gradient)
        change = self.stdev_max_change * self._stdev
        self._stdev = self._stdev + np.clip(self.stdev_learning_rate * stdev_gradient, -change, change)

    def state(self) -> dict[str, Any]:
        """Copies of all that the next generation depends on, at the end of a generation."""
        return {
            "generation": self.generation,
            "seed": self.seed,
            "center": self._center.copy(),
            "stdev": self._stdev.copy(),
            "optimizer": self.optimizer.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to what `state()` returned, at the start of a generation."""
        self.generation, self.seed = int(state["generation"]), int(state["seed"])
        self._center = self._vector("center", state["center"])
        self._stdev = self._vector("stdev", state["stdev"])
        self.optimizer.restore(state["optimizer"])
        self._rounds, self._interactions = [], 0


def mirrored_pair(
    center: NDArray[np.float32], delta: NDArray[np.float32], out: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Write center + delta and center - delta to the two rows of `out`."""
    np.add(center, delta, out=out[0])
    np.subtract(center, delta, out=out[1])
    return out


def max_rounds(popsize: int, popsize_max: int | None) -> int:
    """The most rounds of a generation.

    Raises:
        ValueError: not even one fits.
    """
    limit = 2 * MAX_DIRECTIONS
    if popsize > limit:
        raise ValueError(f"popsize: expected at most {limit}, got {popsize}")
    if popsize_max is None:
        return limit // popsize
    if whole("popsize_max", popsize_max, 2) < popsize:
        raise ValueError(f"popsize_max: expected at least popsize ({popsize}), got {popsize_max}")
    return min(int(popsize_max), limit) // popsize


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
