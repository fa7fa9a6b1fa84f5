"""What a rank does by itself: evaluate directions of the distribution, or its center.

A direction is evaluated as a mirrored pair of solutions, each in episodes of its own. The running
statistics of their observations stay here, kept by direction.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.parallel.clock import OTHER, PHYSICS, POLICY
from mpi_pgpe.parallel.episode_timeout import Watch
from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.tasks import BREAKS, Poll, Result
from mpi_pgpe.policies.network import Policy, PolicyShape
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.search.noise import Noise
from mpi_pgpe.search.pgpe import fill_mirrored_pair
from mpi_pgpe.search.seeds import episode_seed, seed_table
from mpi_pgpe.training.failures import describe_failure, make_failure
from mpi_pgpe.training.job import RE_EVALUATION, TRAINING, Distribution, Job
from mpi_pgpe.training.rollout import LONGEST, Episode, Rollout

if TYPE_CHECKING:
    from mpi_pgpe.envs import Environment


@dataclass
class _Running:
    """The evaluation that is under way, and the arrays in which its tasks build their solutions."""

    purpose: int
    distribution: Distribution
    noise: Noise
    delta: NDArray[np.float32]
    pair: NDArray[np.float32]

    @classmethod
    def from_distribution(cls, purpose: int, distribution: Distribution) -> _Running:
        """An evaluation of a distribution, with arrays of its size."""
        size = len(distribution.center)
        return cls(purpose, distribution, Noise(size), np.empty(size, np.float32), np.empty((2, size), np.float32))


class Evaluator:
    """Runs the tasks of one rank.

    Args:
        farm: that hands them out.
        job: of the whole run.
    """

    def __init__(self, farm: Farm, job: Job) -> None:
        self.farm, self.world = farm, farm.world
        self.job = job
        farm.episode_limit = job.episode_timeout
        self._watch = None if job.episode_timeout is None else Watch(job.episode_timeout)
        self._rollouts: dict[int, tuple[Rollout, Policy]] = {}
        self._kept: dict[int, Moments] = {}  # by direction, of the generation `_kept_of`
        self._kept_of = -1
        self._now: _Running | None = None

    @property
    def _running(self) -> _Running:
        assert self._now is not None, "begin comes first"
        return self._now

    def environment(self, purpose: int) -> Environment:
        """The environment of this rank for training or for re-evaluation, made when first needed.

        Raises:
            UnknownEnvironment, UnsupportedEnvironment: it cannot be had.
            TaskFailed: it raised something else when it was made.
        """
        from mpi_pgpe.envs import UnknownEnvironment, UnsupportedEnvironment

        try:
            return self._rollout(purpose)[0].env
        except (UnknownEnvironment, UnsupportedEnvironment):
            raise
        except (Exception, SystemExit) as error:
            name = self.job.env_name if purpose == TRAINING else self.job.re_evaluation[0]
            where = f"on rank {self.world.members[self.world.rank]} when it was made"
            raise make_failure(name, where, error) from error

    def _rollout(self, purpose: int) -> tuple[Rollout, Policy]:
        if purpose not in self._rollouts:
            from mpi_pgpe import envs  # here, so that importing this module loads no simulator

            job = self.job
            if purpose == TRAINING:
                name, config, limit = job.env_name, dict(job.env_config), job.max_episode_length
            else:
                (name, config), limit = job.re_evaluation, job.re_eval_max_episode_length
            with self.world.clock.during(OTHER), warnings.catch_warnings():
                if self.world.rank > 0:
                    warnings.simplefilter("ignore")  # rank 0 says it for all
                env = envs.make(name, config, job.env_fast)
                if self.world.rank == 0 and job.env_reuse:
                    envs.warn_of_survivors(env)
            shape = PolicyShape(env.observation_size, env.action_space.size, job.hidden)
            rollout = Rollout(env, limit, None if purpose == TRAINING else LONGEST)
            if job.profile:
                rollout.timed = functools.partial(self.world.clock.timed, PHYSICS)
            self._rollouts[purpose] = rollout, Policy(shape, env.action_space)
        return self._rollouts[purpose]

    def begin(self, purpose: int, distribution: Distribution, owners: NDArray[np.int32]) -> None:
        """Begin an evaluation.

        Args:
            purpose: TRAINING or RE_EVALUATION.
            distribution: of the generation.
            owners: int32, the rank of each result that stands after a loss of ranks; empty at the first try.
        """
        self._now = _Running.from_distribution(purpose, distribution)
        if purpose != TRAINING:
            return
        me = self.world.members[self.world.rank]
        mine = np.flatnonzero(owners == me) if self._kept_of == distribution.generation else ()
        self._kept = {task: self._kept[task] for task in mine if task in self._kept}
        self._kept_of = distribution.generation

    def run(self, task: int, poll: Poll | None) -> Result:
        """Run a direction's mirrored pair (training) or one episode of the center (re-evaluation)."""
        with self.world.clock.during(POLICY):
            return self._result(task, poll)

    def _result(self, task: int, poll: Poll | None) -> Result:
        now, d = self._running, self._running.distribution
        if now.purpose == RE_EVALUATION:
            fitness, interactions = self._fitness(task, 0, self._environment_seeds(task, 0), d.center, None, poll)
            return Result((fitness, 0.0), (interactions, 0))
        np.multiply(d.stdev, now.noise.direction(self.seeds(task + 1)[task], now.delta), now.delta)
        fill_mirrored_pair(d.center, now.delta, now.pair)
        moments = None if d.mean is None else self._new_moments()
        # Before both episodes: after one the caches are the simulator's, and this takes ten times as long.
        seeds = [self._environment_seeds(task, sign) for sign in (0, 1)]
        (plus, plus_steps), (minus, minus_steps) = [
            self._fitness(task, sign, seeds[sign], parameters, moments, poll)
            for sign, parameters in enumerate(now.pair)
        ]
        if moments is not None:
            self._kept[task] = moments
        return Result((plus, minus), (plus_steps, minus_steps))

    def seeds(self, count: int) -> NDArray[np.uint64]:
        """The seeds of the first `count` directions of the generation, shape (count,)."""
        d = self._running.distribution
        if count > len(d.seeds):  # a generation of more rounds than its broadcast table foresaw
            d.seeds = seed_table(self.job.seed, d.generation, max(count, 2 * len(d.seeds)))
        return d.seeds[:count]

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
        """The running statistics of those of the first `directions` directions that were run here."""
        return [moments for direction, moments in self._kept.items() if direction < directions]

    def _environment_seeds(self, task: int, sign: int) -> list[int]:
        """Environment seeds of the episodes of one solution."""
        job, generation = self.job, self._running.distribution.generation
        if self._running.purpose == RE_EVALUATION:
            return [episode_seed(job.seed, RE_EVALUATION, generation, task, 0, 0)]
        sign = 0 if job.common_random_numbers else sign
        return [episode_seed(job.seed, TRAINING, generation, task, sign, number) for number in range(job.num_episodes)]

    def _fitness(
        self,
        task: int,
        sign: int,
        seeds: list[int],
        parameters: NDArray[np.float32],
        moments: Moments | None,
        poll: Poll | None,
    ) -> tuple[float, int]:
        """(fitness, interactions) of one solution: the mean over its episodes, and their sum."""
        fitness, interactions = 0.0, 0
        for seed in seeds:
            collected = False if moments is None else self._new_moments()
            episode = self._episode(task, sign, seed, parameters, collected, poll)
            fitness += episode.total_reward
            if self._running.purpose == TRAINING:
                fitness -= self.job.decrease_rewards_by * episode.steps
            interactions += episode.steps
            if moments is not None and episode.moments is not None and episode.moments.is_finite():
                moments.merge(episode.moments)
        return fitness / len(seeds), interactions

    def _episode(
        self,
        task: int,
        sign: int,
        seed: int,
        parameters: NDArray[np.float32],
        collect_moments: bool | Moments,
        poll: Poll | None,
    ) -> Episode:
        d, job = self._running.distribution, self.job
        try:
            rollout, policy = self._rollout(self._running.purpose)
            policy.load(parameters, d.mean, d.obs_stdev, d.reference)
            if not job.env_reuse:
                rollout.renew()

            def episode(poll: Poll | None) -> Episode:
                return rollout.run(policy, seed, collect_moments=collect_moments, between_steps=poll)

            if self._watch is None:
                return episode(poll)
            self.farm.begins(describe_failure(*self._where(task, sign, seed)))
            return self._watch.run(episode, poll)
        except BREAKS:
            raise
        except (Exception, SystemExit, GeneratorExit) as error:  # not Ctrl-C
            failure = make_failure(*self._where(task, sign, seed), error)
            if job.on_episode_error == "fail" or self._running.purpose not in self._rollouts:
                raise failure from error
            self._rollouts[self._running.purpose][0].env.remake()  # it may be in any state
            self.farm.remarks.append(str(failure))
            return Episode(np.nan, 0, False, None)  # NaN is the worst fitness

    def _where(self, task: int, sign: int, seed: int) -> tuple[str, str]:
        """(environment, what and where the episode is)."""
        generation, job = self._running.distribution.generation, self.job
        training = self._running.purpose == TRAINING
        place = (
            f"generation {generation + 1}, direction {task}, sign {'+-'[sign]}"
            if training
            else f"re-evaluation after generation {generation}, episode {task}"
        )
        name = job.env_name if training else job.re_evaluation[0]
        return name, f"on rank {self.world.members[self.world.rank]} ({place}, environment seed {seed})"
