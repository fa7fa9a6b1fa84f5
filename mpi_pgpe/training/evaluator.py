"""What a rank does by itself: evaluate directions of the distribution, or its center, on whatever the problem is.

A direction is evaluated as a mirrored pair of solutions. The running statistics of what is observed meanwhile stay
here, kept by direction.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.parallel.clock import POLICY
from mpi_pgpe.parallel.episode_timeout import Watch
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.tasks import BREAKS, Poll, Result
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.search.noise import Noise, fill_mirrored_pair
from mpi_pgpe.search.seeds import episode_seed, seed_table
from mpi_pgpe.training.failures import describe_failure, make_failure
from mpi_pgpe.training.job import RE_EVALUATION, TRAINING, Distribution, Job
from mpi_pgpe.training.problem import BadFitness, Problem, Trial

_Place = tuple[int, int]  # direction, and 0 or 1 for its sign; or episode of a re-evaluation, and 0


@dataclass
class _Running:
    """The evaluation that is under way, and the arrays in which its tasks build their solutions.

    Attributes:
        noise, direction: float32 noise of one direction.
        delta: the same times the stdev, in the dtype of the solutions; the same array where that is float32, too.
        pairs: solutions of a task, shape (directions, 2, parameters).
    """

    purpose: int
    distribution: Distribution
    noise: Noise
    direction: NDArray[np.float32]
    delta: NDArray[Any]
    pairs: NDArray[Any]

    @classmethod
    def from_distribution(cls, purpose: int, distribution: Distribution, directions: int) -> _Running:
        """An evaluation of a distribution, with arrays for tasks of so many directions."""
        size, dtype = len(distribution.center), distribution.center.dtype
        direction = np.empty(size, np.float32)
        delta = direction if dtype == np.float32 else np.empty(size, dtype)
        return cls(purpose, distribution, Noise(size), direction, delta, np.empty((directions, 2, size), dtype))


class Evaluator:
    """Runs the tasks of one rank.

    Args:
        farm: that hands them out.
        job: of the whole run.
        problem: on which solutions are evaluated.
    """

    def __init__(self, farm: Farm, job: Job, problem: Problem) -> None:
        self.farm, self.world = farm, farm.world
        self.job, self.problem = job, problem
        self.blocks = {
            purpose: job.blocks(purpose, problem.solutions_per_call) for purpose in (TRAINING, RE_EVALUATION)
        }
        farm.episode_limit = job.episode_timeout
        self._watch = None if job.episode_timeout is None else Watch(job.episode_timeout)
        self._kept: dict[int, Moments] = {}  # by direction, of the generation `_kept_of`
        self._kept_of = -1
        self._now: _Running | None = None

    @property
    def _running(self) -> _Running:
        assert self._now is not None, "begin comes first"
        return self._now

    def begin(self, purpose: int, distribution: Distribution, owners: NDArray[np.int32]) -> None:
        """Begin an evaluation.

        Args:
            purpose: TRAINING or RE_EVALUATION.
            distribution: of the generation.
            owners: int32, the rank of each result that stands after a loss of ranks; empty at the first try.
        """
        self._now = _Running.from_distribution(purpose, distribution, self.blocks[TRAINING].size)
        if purpose != TRAINING:
            return
        me = self.world.members[self.world.rank]
        mine = np.flatnonzero(owners == me) if self._kept_of == distribution.generation else ()
        still = {direction for task in mine for direction in self.blocks[TRAINING].items(int(task))}
        self._kept = {direction: moments for direction, moments in self._kept.items() if direction in still}
        self._kept_of = distribution.generation

    def run(self, task: int, poll: Poll | None) -> Result:
        """Run the mirrored pairs of a block of directions (training) or episodes of the center (re-evaluation)."""
        with self.world.clock.during(POLICY):
            return self._result(task, poll)

    def _result(self, task: int, poll: Poll | None) -> Result:
        now, d = self._running, self._running.distribution
        items = self.blocks[now.purpose].items(task)
        moments = None
        if now.purpose == RE_EVALUATION:
            places = [(episode, 0) for episode in items]
            solutions = np.broadcast_to(d.center, (len(items), len(d.center)))
        else:
            places = [(direction, sign) for direction in items for sign in (0, 1)]
            for direction, pair in zip(items, now.pairs, strict=False):
                now.noise.direction(self.seeds(direction + 1)[direction], now.direction)
                np.multiply(d.stdev, now.direction, now.delta)
                fill_mirrored_pair(d.center, now.delta, pair)
            solutions = now.pairs[: len(items)].reshape(len(places), -1)
            moments = None if d.mean is None else self._new_moments()
        # Before all episodes: after one the caches are the simulator's, and this takes ten times as long.
        seeds = [self._evaluation_seeds(*place) for place in places]
        found: list[tuple[float, int]] = []
        together = self.problem.solutions_per_call
        for first in range(0, len(places), together):
            part = slice(first, first + together)
            found += self._fitnesses(places[part], seeds[part], solutions[part], moments, poll)
        if moments is not None:
            self._kept[items[0]] = moments
        found += [(0.0, 0)] * (self.solutions_per_task - len(found))
        fitness, interactions = zip(*found, strict=True)
        return Result(fitness, interactions)

    def seeds(self, count: int) -> NDArray[np.uint64]:
        """The seeds of the first `count` directions of the generation, shape (count,)."""
        d = self._running.distribution
        if count > len(d.seeds):  # a generation of more rounds than its broadcast table foresaw
            d.seeds = seed_table(self.job.seed, d.generation, max(count, 2 * len(d.seeds)))
        return d.seeds[:count]

    @property
    def solutions_per_task(self) -> int:
        """How many numbers of each kind the result of a task has."""
        return 2 * self.blocks[TRAINING].size

    @property
    def parameters(self) -> int:
        """The number of parameters of the distribution."""
        return len(self._running.distribution.center)

    @property
    def observations(self) -> int:
        """The size of an observation whose running statistics are kept; 0 without normalization."""
        mean = self._running.distribution.mean
        return 0 if mean is None else len(mean)

    def _new_moments(self) -> Moments:
        d = self._running.distribution
        return Moments(
            self.observations,
            reference=d.reference,
            stdev_floor=self.job.obs_stdev_floor,
            undecided=d.reference_undecided,
        )

    @property
    def reference_undecided(self) -> bool:
        """Whether the running statistics of each direction decide on their reference."""
        return self._running.distribution.reference_undecided

    @property
    def reference(self) -> NDArray[np.float64] | None:
        """The reference of the running statistics, if it is decided on."""
        return self._running.distribution.reference

    def kept(self, directions: int) -> list[Moments]:
        """The running statistics of those of the first `directions` directions that were run here.

        Those of a block of directions are kept together, under the first.
        """
        return [moments for direction, moments in self._kept.items() if direction < directions]

    def _evaluation_seeds(self, item: int, sign: int) -> list[int]:
        """Seeds of the evaluations of one solution: environment seeds, of episodes."""
        job, generation = self.job, self._running.distribution.generation
        if self._running.purpose == RE_EVALUATION:
            return [episode_seed(job.seed, RE_EVALUATION, generation, item, 0, 0)]
        sign = 0 if job.common_random_numbers else sign
        return [episode_seed(job.seed, TRAINING, generation, item, sign, number) for number in range(job.num_episodes)]

    def _fitnesses(
        self,
        places: Sequence[_Place],
        seeds: Sequence[Sequence[int]],
        solutions: NDArray[Any],
        moments: Moments | None,
        poll: Poll | None,
    ) -> list[tuple[float, int]]:
        """(fitness, interactions) of solutions that are evaluated together: means over evaluations, and sums."""
        found = [(0.0, 0)] * len(places)
        for of_these in zip(*seeds, strict=True):
            trials = self._trials(places, of_these, solutions, moments, poll)
            for i, trial in enumerate(trials):
                fitness, interactions = found[i]
                fitness += trial.fitness
                if self._running.purpose == TRAINING:
                    fitness -= self.job.decrease_rewards_by * trial.interactions
                found[i] = fitness, interactions + trial.interactions
                if moments is not None and trial.moments is not None and trial.moments.is_finite():
                    moments.merge(trial.moments)
        return [(fitness / len(seeds[0]), interactions) for fitness, interactions in found]

    def _trials(
        self,
        places: Sequence[_Place],
        seeds: Sequence[int],
        solutions: NDArray[Any],
        moments: Moments | None,
        poll: Poll | None,
    ) -> Sequence[Trial]:
        """One evaluation of each of these solutions."""
        problem, purpose, d = self.problem, self._running.purpose, self._running.distribution
        try:
            collect = None if moments is None else self._new_moments()
            attempt = problem.prepare(purpose, d, solutions, seeds, collect)
            if self._watch is None:
                return attempt(poll)
            self.farm.begins(describe_failure(problem.describe(purpose), self._where(places, seeds)))
            return self._watch.run(attempt, poll)
        except BREAKS:
            raise
        except (Exception, SystemExit, GeneratorExit, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt) and self._may_be_ctrl_c():
                raise
            failure = make_failure(
                problem.describe(purpose), self._where(places, seeds), error, isinstance(error, BadFitness)
            )
            if self.job.on_episode_error == "fail" or not problem.recover(purpose):
                raise failure from error
            self.farm.remarks.append(str(failure))
            return [Trial(np.nan, 0)] * len(places)  # NaN is the worst fitness

    def _may_be_ctrl_c(self) -> bool:
        """Whether a KeyboardInterrupt may come from the keyboard; else an environment has raised it."""
        return self.world.rank == 0 or signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def _where(self, places: Sequence[_Place], seeds: Sequence[int]) -> str:
        """What and where an evaluation is."""
        generation = self._running.distribution.generation
        (first, sign), (last, _) = places[0], places[-1]
        numbers = f" {first}" if len(places) == 1 else f"s {first} to {last}"
        if self._running.purpose == TRAINING:
            signs = f", sign {'+-'[sign]}" if len(places) == 1 else ""
            place = f"generation {generation + 1}, direction{numbers}{signs}"
        else:
            place = f"re-evaluation after generation {generation}, episode{numbers}"
        seed = self.problem.describe_seeds(seeds)
        return f"on rank {self.world.members[self.world.rank]} ({place}, {seed})"
