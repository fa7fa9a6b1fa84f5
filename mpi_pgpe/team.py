"""What all ranks do together: evaluate a population or the center, and sum over directions.

Rank 0 calls `start`, `evaluate`, `sum_directions`, `moments` and `stop`; the other ranks `serve`. Each call tells the
others to enter the same method, so one piece of code runs on every rank, and on one rank alone.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.farm import BREAKS, Farm, Poll, TaskFailed, Usage
from mpi_pgpe.moments import Moments, exact_parts, from_parts, largest
from mpi_pgpe.noise import Noise, seed_table, weighted_sums
from mpi_pgpe.pgpe import mirrored_pair
from mpi_pgpe.policies import Policy, PolicyShape
from mpi_pgpe.rollout import Episode, Rollout, episode_seed
from mpi_pgpe.schedule import COLUMNS, Rounds
from mpi_pgpe.ulfm import RanksLost
from mpi_pgpe.watch import Watch

if TYPE_CHECKING:
    from mpi_pgpe.envs import Environment

T = TypeVar("T")

TRAINING, RE_EVALUATION = 0, 1  # purposes of an evaluation
_START, _EVALUATE, _SUM, _MOMENTS, _STOP = range(5)  # commands


@dataclass(frozen=True)
class Job:
    """What a rank has to know to evaluate, the same for the whole run."""

    env_name: str
    re_eval_env_name: str
    seed: int
    env_config: dict[str, Any] = field(default_factory=dict)
    re_eval_env_config: dict[str, Any] = field(default_factory=dict)
    hidden: tuple[int, ...] = ()
    obs_norm: bool = False
    decrease_rewards_by: float = 0.0
    max_episode_length: int | None = None
    num_episodes: int = 1
    common_random_numbers: bool = False
    env_reuse: bool = True
    on_episode_error: str = "fail"
    episode_timeout: float | None = None


@dataclass
class Distribution:
    """The search distribution and the normalization of one generation, as broadcast.

    `mean` and `obs_stdev` are of shape (observation_size,), or None without observation normalization;
    `seeds` holds those of the generation's first rounds at least.
    """

    generation: int
    center: NDArray[np.float32]
    stdev: NDArray[np.float32]
    mean: NDArray[np.float64] | None
    obs_stdev: NDArray[np.float64] | None
    seeds: NDArray[np.uint64]


class Team:
    """The ranks at work on one job."""

    job: Job

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self._rollouts: dict[int, tuple[Rollout, Policy]] = {}
        self._kept: dict[int, Moments] = {}  # by direction, of the generation `_kept_of`
        self._kept_of = -1

    # -- rank 0 -----------------------------------------------------------------------------------------

    def start(self, job: Job) -> None:
        """Tell every rank what the job is; before anything else."""
        self._take_job(job)
        self._insist(lambda: None, told=False)

    def evaluate(self, purpose: int, distribution: Distribution, tasks: Rounds) -> None:
        """Run the tasks: directions of the distribution, or episodes of its center."""
        self.farm.usage = Usage()
        self._purpose, self._distribution, self._tasks = purpose, distribution, tasks
        self._insist(self._evaluate)

    def sum_directions(
        self, size: int, seeds: NDArray[np.uint64], a: NDArray[np.int64], b: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """noise.weighted_sums, computed by all ranks together."""

        def work() -> NDArray[np.int64]:
            self.farm.tell(_SUM, a.astype(np.int32), b.astype(np.int32))
            return self._sum(size, seeds, a, b)

        return self._insist(work)

    def moments(self, directions: int) -> Moments:
        """The moments of the observations in the first `directions` directions of the generation."""

        def work() -> Moments:
            if not self._tasks.complete:  # a rank was lost with what it kept
                self._evaluate()
            self.farm.tell(_MOMENTS, np.array([directions], np.int64))
            return self._collect_moments(directions)

        return self._insist(work)

    def _evaluate(self) -> None:
        d, nothing = self._distribution, np.zeros(0)
        owners = self._tasks.owners
        again = (owners >= 0).any()
        self.farm.tell(
            _EVALUATE,
            np.array([self._purpose, d.generation], np.int64),
            nothing if d.mean is None else d.mean,
            nothing if d.obs_stdev is None else d.obs_stdev,
            d.seeds,
            d.center,
            d.stdev,
            owners if again else owners[:0],
        )
        self._begin(self._purpose, d, owners if again else owners[:0])
        self.farm.hand_out(self._tasks, self._run)

    def _insist(self, work: Callable[[], T], told: bool = True) -> T:
        """Do work that all ranks share, again with those that are left whenever some are lost on the way."""
        while True:
            try:
                if not told:
                    self.farm.tell(_START, np.frombuffer(json.dumps(asdict(self.job)).encode(), np.uint8))
                return work()
            except RanksLost as loss:
                told = False  # what was told last may not have reached everyone
                if loss.ranks:
                    left = f"{self.farm.size} rank{'s' * (self.farm.size > 1)}"
                    print(
                        f"{loss}; its work is done again and the run goes on with {left}", file=sys.stderr, flush=True
                    )
                if hasattr(self, "_tasks"):
                    keeping = self._purpose == TRAINING and self._distribution.mean is not None
                    self._tasks.lose(self.farm.members if keeping else None)

    def stop(self, exit_code: int) -> None:
        """Tell all ranks to end."""
        self.farm.stop(_STOP, exit_code)

    # -- the other ranks --------------------------------------------------------------------------------

    def serve(self) -> int:
        """Do what rank 0 tells, until it says stop; returns the exit code that it gives."""
        while True:
            try:
                command, arrays = self.farm.hear()
                if command == _STOP:
                    self.farm.goodbye()
                    return int(arrays[0][0])
                self._obey(command, arrays)
            except RanksLost:
                continue  # rank 0 knows as well, and says how to go on

    def _obey(self, command: int, arrays: list[NDArray[Any]]) -> None:
        if command == _START:
            job = json.loads(arrays[0].tobytes())
            self._take_job(Job(**job | {"hidden": tuple(job["hidden"])}))
        elif command == _EVALUATE:
            (purpose, generation), mean, obs_stdev, seeds, center, stdev, owners = arrays
            distribution = Distribution(int(generation), center, stdev, None, None, seeds)
            if len(mean):
                distribution.mean, distribution.obs_stdev = mean, obs_stdev
            self._begin(int(purpose), distribution, owners)
            self.farm.take(self._run)
        elif command == _SUM:
            a, b = arrays
            self._sum(len(self._distribution.center), self._seeds(len(a)), a, b)
        elif command == _MOMENTS:
            self._collect_moments(int(arrays[0][0]))

    # -- every rank -------------------------------------------------------------------------------------

    def _take_job(self, job: Job) -> None:
        self.job = job
        self.farm.episode_limit = job.episode_timeout
        self._watch = None if job.episode_timeout is None else Watch(job.episode_timeout)

    def environment(self, purpose: int) -> Environment:
        """The environment of this rank for training or for re-evaluation, made when first needed."""
        return self._rollout(purpose)[0].env

    def _rollout(self, purpose: int) -> tuple[Rollout, Policy]:
        if purpose not in self._rollouts:
            from mpi_pgpe import envs  # here, so that importing this module loads no simulator

            job = self.job
            if purpose == TRAINING:
                name, config, limit = job.env_name, job.env_config, job.max_episode_length
            else:
                name, config, limit = job.re_eval_env_name, job.re_eval_env_config, None
            env = envs.make(name, config)
            shape = PolicyShape(env.observation_size, env.action_space.size, job.hidden)
            self._rollouts[purpose] = Rollout(env, limit), Policy(shape, env.action_space)
        return self._rollouts[purpose]

    def _begin(self, purpose: int, distribution: Distribution, owners: NDArray[np.int32]) -> None:
        """Get ready; `owners`, if any, are the ranks whose results of the generation stand."""
        self._purpose, self._distribution = purpose, distribution
        if purpose != TRAINING:
            return
        size, me = len(distribution.center), self.farm.members[self.farm.rank]
        mine = np.flatnonzero(owners == me) if self._kept_of == distribution.generation else ()
        self._kept = {task: self._kept[task] for task in mine if task in self._kept}
        self._kept_of = distribution.generation
        self._noise = Noise(size)
        self._delta = np.empty(size, np.float32)
        self._pair = np.empty((2, size), np.float32)

    def _run(self, task: int, poll: Poll | None) -> NDArray[np.float64]:
        """Run a direction's mirrored pair (training) or one episode of the center (re-evaluation)."""
        result = np.zeros(COLUMNS)
        d = self._distribution
        if self._purpose == RE_EVALUATION:
            result[:2] = self._fitness(task, 0, d.center, None, poll)
            return result
        self._delta[:] = d.stdev * self._noise.direction(self._seeds(task + 1)[task])
        mirrored_pair(d.center, self._delta, self._pair)
        moments = None if d.mean is None else Moments(len(d.mean))
        for sign, parameters in enumerate(self._pair):
            result[2 * sign : 2 * sign + 2] = self._fitness(task, sign, parameters, moments, poll)
        if moments is not None:
            self._kept[task] = moments
        return result

    def _seeds(self, count: int) -> NDArray[np.uint64]:
        """The seeds of the first `count` directions of the generation."""
        d = self._distribution
        if count > len(d.seeds):  # a generation of more rounds than its broadcast table foresaw
            d.seeds = seed_table(self.job.seed, d.generation, max(count, 2 * len(d.seeds)))
        return d.seeds[:count]

    def _fitness(
        self, task: int, sign: int, parameters: NDArray[np.float32], moments: Moments | None, poll: Poll | None
    ) -> tuple[float, int]:
        """(fitness, interactions) of one solution: the mean over its episodes, and their sum."""
        training = self._purpose == TRAINING
        fitness, interactions = 0.0, 0
        episodes = self.job.num_episodes if training else 1
        for number in range(episodes):
            episode = self._episode(task, sign, number, parameters, moments is not None, poll)
            fitness += episode.total_reward
            if training:
                fitness -= self.job.decrease_rewards_by * episode.steps
            interactions += episode.steps
            if moments is not None and episode.moments is not None and episode.moments.finite():
                moments.merge(episode.moments)
        return fitness / episodes, interactions

    def _episode(
        self,
        task: int,
        sign: int,
        number: int,
        parameters: NDArray[np.float32],
        collect_moments: bool,
        poll: Poll | None,
    ) -> Episode:
        d, job = self._distribution, self.job
        common = self._purpose == TRAINING and job.common_random_numbers
        seed = episode_seed(job.seed, self._purpose, d.generation, task, 0 if common else sign, number)
        try:
            rollout, policy = self._rollout(self._purpose)
            policy.load(parameters, d.mean, d.obs_stdev)
            if not job.env_reuse:
                rollout.renew()

            def episode(poll: Poll | None) -> Episode:
                return rollout.run(policy, seed, collect_moments=collect_moments, between_steps=poll)

            if self._watch is None:
                return episode(poll)
            self.farm.begins(self._where(task, sign, seed))
            return self._watch.run(episode, poll)
        except BREAKS:
            raise
        except Exception as error:
            message = f"{self._where(task, sign, seed)}: {type(error).__name__}: {error}\n\n{traceback.format_exc()}"
            if job.on_episode_error == "fail" or self._purpose not in self._rollouts:
                raise TaskFailed(message) from error
            self._rollouts[self._purpose][0].env.remake()  # it may be in any state
            self.farm.remarks.append(message)
            return Episode(np.nan, 0, False, None)  # NaN is the worst fitness

    def _where(self, task: int, sign: int, seed: int) -> str:
        generation, job = self._distribution.generation, self.job
        training = self._purpose == TRAINING
        place = (
            f"generation {generation + 1}, direction {task}, sign {'+-'[sign]}"
            if training
            else f"re-evaluation after generation {generation}, episode {task}"
        )
        return (
            f"environment {(job.env_name if training else job.re_eval_env_name)!r} failed on rank "
            f"{self.farm.members[self.farm.rank]} ({place}, environment seed {seed})"
        )

    def _sum(self, size: int, seeds: NDArray[np.uint64], a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int64]:
        # Which rank sums which directions does not matter to the result: the sums are exact.
        first, end = (len(seeds) * (self.farm.rank + i) // self.farm.size for i in (0, 1))
        own = slice(first, end)
        return self.farm.sum_on_root(weighted_sums(size, seeds[own], a[own], b[own]))

    def _collect_moments(self, directions: int) -> Moments:
        kept = [moments for direction, moments in self._kept.items() if direction < directions]
        mean = self._distribution.mean
        size = 0 if mean is None else len(mean)
        terms = np.array([np.concatenate([m.sum, m.sumsq]) for m in kept]).reshape(-1, 2 * size)
        ceiling = self.farm.maximum(largest(terms))
        count = sum(m.count for m in kept)
        total = self.farm.sum_on_root(np.append(exact_parts(terms, ceiling).ravel(), count))
        sums = from_parts(total[:-1].reshape(2, -1), ceiling)
        return Moments(size, int(total[-1]), sums[:size], sums[size:])
