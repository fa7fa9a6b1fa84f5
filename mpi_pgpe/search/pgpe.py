"""PGPE: policy gradients with parameter-based exploration, as an ask-and-tell maximiser.

Sehnke et al., "Parameter-exploring policy gradients" (2010), with mirrored sampling; the update of the
center by ClipUp (Toklu et al. 2020, arXiv 2008.02387), Adam or SGD; the population grows during a
generation until enough interactions were made (adaptive population size, the same paper).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from mpi_pgpe.base.checks import (
    check_choice,
    check_flag,
    check_not_negative,
    check_popsize,
    check_positive,
    check_whole,
)
from mpi_pgpe.search.arguments import Vector, check_float_type, compute_max_rounds, is_minus_one, make_list, make_vector
from mpi_pgpe.search.noise import GRID, Noise, fill_mirrored_pair
from mpi_pgpe.search.optimizers import make_optimizer
from mpi_pgpe.search.ranking import TIE_BREAKING, centered_ranks, raw_weights
from mpi_pgpe.search.seeds import draw_run_seed, seed_table
from mpi_pgpe.search.stdev_limits import StdevLimits
from mpi_pgpe.search.threads import share, shared_sums

SumDirections = Callable[[int, NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]
"""A function with the arguments and the result of `noise.weighted_sums`."""


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
        popsize: solutions in a round, even (mirrored pairs), unless `symmetric` is False.
        optimizer: "clipup", "adam" or "sgd"; None: plain gradient ascent, which is "sgd" without momentum.
        optimizer_config: its further arguments, e.g. {"max_speed": 0.15}.
        popsize_max: most solutions in a generation, of which whole rounds are made (`max_rounds` of them); None or -1:
            no limit. It only matters with `num_interactions`.
        num_interactions: a generation goes on, round after round, until its solutions have made so
            many environment steps; None or -1: one round is one generation.
        dtype: of the solutions that `ask` returns, float32 or float64. In float32 a perturbation below 1e-7 of the
            center is lost in rounding, and with it the gradient; center and stdev are float64 in any case.
        center_init: first center: a number or an array of shape (solution_length,); None: zero.
        center_learning_rate: step size of the optimizer; None: the optimizer's own default, for ClipUp
            max_speed / 2.
        stdev_learning_rate: step size of the stdev; 0 keeps it as it is.
        stdev_init: first stdev: a positive number or an array of shape (solution_length,).
        stdev_min: an element of the stdev is at least this: a number or an array of shape (solution_length,); None: no
            bound.
        stdev_max: likewise, at most.
        stdev_max_change: an element of the stdev changes by at most this share of its value, a number in [0, 1) or an
            array; None: it falls by at most 99%, as it has to stay positive, and rises without a limit.
        symmetric: solutions come in mirrored pairs; False: each has noise of its own, and `popsize` may be odd.
        solution_ranking: replace fitnesses by centered ranks; else they weigh in as they are.
        tie_breaking: with ranking, "average": equal fitnesses share the mean of their ranks; where all are equal,
            nothing moves but momentum. "order": they are ranked in their order, as version 0.1.0 did.
        seed: non-negative integer; None: a random one. It fixes all that is random here.
        sum_directions: computes noise.weighted_sums; the default in threads, a trainer's on all ranks.

    Raises:
        ValueError: for any argument out of range, saying what was expected.
    """

    def __init__(
        self,
        *,
        solution_length: int,
        popsize: int,
        optimizer: str | None = "clipup",
        optimizer_config: Mapping[str, Any] | None = None,
        popsize_max: int | None = None,
        num_interactions: int | None = None,
        dtype: DTypeLike = "float32",
        center_init: ArrayLike | None = None,
        center_learning_rate: float | None = None,
        stdev_learning_rate: float = 0.1,
        stdev_init: ArrayLike = 0.1,
        stdev_min: ArrayLike | None = None,
        stdev_max: ArrayLike | None = None,
        stdev_max_change: ArrayLike | None = 0.2,
        symmetric: bool = True,
        solution_ranking: bool = True,
        tie_breaking: str = "average",
        seed: int | None = None,
        sum_directions: SumDirections = shared_sums,
    ) -> None:
        self.solution_length = check_whole("solution_length", solution_length)
        self.symmetric = check_flag("symmetric", symmetric)
        self.popsize = check_popsize(popsize) if self.symmetric else check_whole("popsize", popsize, 2)
        self.max_rounds = compute_max_rounds(self.popsize, popsize_max, self._solutions_per_direction)
        no_limit = num_interactions is None or is_minus_one(num_interactions)
        self.num_interactions = None if no_limit else check_whole("num_interactions", num_interactions)
        self.dtype = check_float_type(dtype)
        self.solution_ranking = check_flag("solution_ranking", solution_ranking)
        self.tie_breaking = check_choice("tie_breaking", tie_breaking, TIE_BREAKING)
        self.stdev_learning_rate = check_not_negative("stdev_learning_rate", stdev_learning_rate)
        if center_learning_rate is not None:
            check_positive("center_learning_rate", center_learning_rate)
        self.optimizer = make_optimizer(
            "sgd" if optimizer is None else optimizer,
            self.solution_length,
            center_learning_rate,
            optimizer_config or {},
        )
        self.seed = draw_run_seed() if seed is None else check_whole("seed", seed, 0)
        self._center = make_vector("center_init", 0.0 if center_init is None else center_init, self.solution_length)
        self._stdev = make_vector("stdev_init", stdev_init, self.solution_length)
        if (self._stdev <= 0).any():
            raise ValueError("stdev_init: expected positive numbers only")
        self.stdev_min, self.stdev_max, self.stdev_max_change = stdev_min, stdev_max, stdev_max_change
        self._stdev_limits = StdevLimits(self._stdev, stdev_min, stdev_max, stdev_max_change)
        self._sum_directions = sum_directions
        self.generation = 0  # generations completed
        self._rounds: list[NDArray[np.float64]] = []  # fitnesses of the rounds of the running generation
        self._interactions = 0  # made in those rounds
        self._last: tuple[int, Vector, Vector, Vector] | None = None  # generation, center, stdev, fitnesses

    @property
    def _solutions_per_direction(self) -> int:
        return 2 if self.symmetric else 1

    @property
    def center_learning_rate(self) -> float:
        """Step size of the optimizer."""
        return self.optimizer.stepsize

    @property
    def center(self) -> NDArray[np.float64]:
        """Mean of the search distribution: read-only float64 of shape (solution_length,)."""
        return _read_only(self._center)

    @property
    def stdev(self) -> NDArray[np.float64]:
        """Standard deviation of each parameter: read-only float64 of shape (solution_length,)."""
        return _read_only(self._stdev)

    def seeds(self, first: int, count: int) -> NDArray[np.uint64]:
        """Noise seeds of directions `first` to `first + count` of the running generation: uint64, shape (count,)."""
        return seed_table(self.seed, self.generation, first + count)[first:]

    def ask(self) -> NDArray[Any]:
        """The solutions of the present round.

        Returns:
            read-only array of shape (popsize, solution_length) and of the dtype that the search was made with; row 2i
            is center + stdev * e_i, row 2i + 1 is center - stdev * e_i. Without `symmetric` row i is
            center + stdev * e_i.
        """
        per_direction = self._solutions_per_direction
        solutions = np.empty((self.popsize, self.solution_length), self.dtype)
        count = self.popsize // per_direction
        seeds = self.seeds(len(self._rounds) * count, count)
        pairs = solutions.reshape(count, per_direction, self.solution_length)

        def fill(part: slice) -> None:
            for _ in self._fill(pairs[part], seeds[part], self._center, self._stdev):
                pass

        share(fill, count, self.solution_length)
        return _read_only(solutions)

    def _fill(
        self, places: Iterable[NDArray[Any]], seeds: NDArray[np.uint64], center: Vector, stdev: Vector
    ) -> Iterator[NDArray[Any]]:
        """Write the solutions of each direction to a place of shape (1 or 2, solution_length), and yield it."""
        center, stdev = center.astype(self.dtype), stdev.astype(self.dtype)
        noise = Noise(self.solution_length)
        for place, seed in zip(places, seeds, strict=True):
            delta = stdev * noise.direction(seed)
            if self.symmetric:
                fill_mirrored_pair(center, delta, place)
            else:
                np.add(center, delta, out=place[0])
            yield place

    def __len__(self) -> int:
        """How many solutions have a fitness: those of the running generation or, at its start, of the last one."""
        if self._rounds:
            return len(self._rounds) * self.popsize
        return 0 if self._last is None else len(self._last[-1])

    def __iter__(self) -> Iterator[tuple[NDArray[Any], float]]:
        """These solutions, rebuilt from their seeds, each with its fitness as it was told."""
        if self._rounds:
            told = self.generation, self._center, self._stdev, np.concatenate(self._rounds)
        elif self._last is not None:
            told = self._last
        else:
            return
        generation, center, stdev, fitnesses = told
        seeds = seed_table(self.seed, generation, len(fitnesses) // self._solutions_per_direction)
        new = (np.empty((self._solutions_per_direction, self.solution_length), self.dtype) for _ in seeds)
        solutions = itertools.chain.from_iterable(self._fill(new, seeds, center, stdev))
        for solution, fitness in zip(solutions, fitnesses, strict=True):
            yield _read_only(solution), float(fitness)

    def __bool__(self) -> bool:
        return True  # also before any solution is known

    def tell(
        self, fitnesses: ArrayLike | Iterable[float], interactions: int | ArrayLike | Iterable[int] | None = None
    ) -> bool:
        """Take in the fitnesses of the present round; update when that ends the generation.

        Args:
            fitnesses: shape (popsize,), in the order of `ask()`; higher is better. NaN and infinite
                ones count as the worst. A generator will do.
            interactions: environment steps made for this round, a number or an array of any shape (or a generator)
                that is summed; needed if `num_interactions` is set.

        Returns:
            True if the generation ended and center and stdev moved.

        Raises:
            ValueError: `fitnesses` has another shape, or `interactions` is missing.
        """
        fitness = np.asarray(make_list(fitnesses), dtype=np.float64)
        if fitness.shape != (self.popsize,):
            raise ValueError(f"fitnesses: expected shape ({self.popsize},), got {fitness.shape}")
        if self.num_interactions is not None:
            if interactions is None:
                raise ValueError("interactions: expected the number of steps, as num_interactions is set")
            self._interactions += int(np.sum(make_list(interactions)))
        self._rounds.append(fitness.copy())
        if not self.generation_ends(len(self._rounds), self._interactions):
            return False
        told = self.generation, self._center, self._stdev, np.concatenate(self._rounds)
        self._update(told[-1])
        self._last = told
        self._rounds, self._interactions = [], 0
        self.generation += 1
        return True

    def generation_ends(self, rounds: int, interactions: int) -> bool:
        """Whether a generation is complete after so many rounds with so many interactions."""
        return self.num_interactions is None or interactions >= self.num_interactions or rounds >= self.max_rounds

    def _update(self, fitnesses: NDArray[np.float64]) -> None:
        weights = centered_ranks(fitnesses, self.tie_breaking) if self.solution_ranking else raw_weights(fitnesses)
        # The mean of the weights, which is the baseline, is zero.
        if self.symmetric:
            plus, minus = weights.integers[0::2], weights.integers[1::2]
            of_e, of_e2, unit = plus - minus, plus + minus, weights.unit / 2
        else:
            of_e, of_e2, unit = weights.integers, weights.integers, weights.unit
        d = len(of_e)
        # Both sums are exact.
        sum_e, sum_e2 = self._sum_directions(self.solution_length, self.seeds(0, d), of_e, of_e2) * (unit * GRID / d)
        # Sehnke et al. 2010, eq. 11-12 with mirrored samples, 9-10 without; (stdev e)^2 - stdev^2 = stdev^2 (e^2 - 1).
        center_gradient = self._stdev * sum_e
        stdev_gradient = self._stdev * sum_e2
        # New arrays, so that those given out before stay as they were.
        self._center = self._center + self.optimizer.ascent(center_gradient)
        self._stdev = self._stdev_limits.after_step(self._stdev, self.stdev_learning_rate * stdev_gradient)

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
        self._center = make_vector("center", state["center"], self.solution_length)
        self._stdev = make_vector("stdev", state["stdev"], self.solution_length)
        self.optimizer.restore(state["optimizer"])
        self._rounds, self._interactions, self._last = [], 0, None


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
