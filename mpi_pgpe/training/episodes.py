"""The problem "a policy in an environment": a solution is the policy's parameters, its fitness the return."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.parallel.clock import OTHER, PHYSICS
from mpi_pgpe.parallel.tasks import Poll
from mpi_pgpe.parallel.world import World
from mpi_pgpe.policies.interface import AnyPolicy
from mpi_pgpe.policies.making import make_policy
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.policies.own import OwnPolicy
from mpi_pgpe.training.failures import make_failure
from mpi_pgpe.training.job import TRAINING, Distribution, Job
from mpi_pgpe.training.named_code import NETWORKS
from mpi_pgpe.training.problem import Attempt, Trial
from mpi_pgpe.training.rollout import LONGEST, Rollout
from mpi_pgpe.training.settings import RankSettings

if TYPE_CHECKING:
    from mpi_pgpe.envs import Environment


class Episodes:
    """Evaluates a policy in an episode; see `problem.Problem`.

    Args:
        job: of the whole run.
        world: whose rank this is.
    """

    solutions_per_call = 1

    def __init__(self, job: Job, world: World) -> None:
        self._job, self._world = job, world
        self._rollouts: dict[int, tuple[Rollout, AnyPolicy]] = {}

    def _name(self, purpose: int) -> str:
        return self._job.env_name if purpose == TRAINING else self._job.re_evaluation[0]

    def describe(self, purpose: int) -> str:
        """The environment, by its name."""
        return f"environment {self._name(purpose)!r}"

    def describe_seeds(self, seeds: Sequence[int]) -> str:
        """The seed of an episode."""
        return f"environment seed {seeds[0]}"

    def environment(self, purpose: int) -> Environment:
        """The environment of this rank for training or for re-evaluation, made when first needed.

        Raises:
            UnknownEnvironment, UnsupportedEnvironment: it cannot be had.
            WrongInput: the policy cannot.
            TaskFailed: it raised something else when it was made.
        """
        try:
            return self._rollout(purpose)[0].env
        except WrongInput:
            raise
        except (Exception, SystemExit) as error:
            where = f"on rank {self._world.members[self._world.rank]} when it was made"
            raise make_failure(self.describe(purpose), where, error) from error

    def _rollout(self, purpose: int) -> tuple[Rollout, AnyPolicy]:
        if purpose not in self._rollouts:
            from mpi_pgpe import envs  # here, so that importing this module loads no simulator

            job = self._job
            if purpose == TRAINING:
                name, config, limit = job.env_name, dict(job.env_config), job.max_episode_length
            else:
                (name, config), limit = job.re_evaluation, job.re_eval_max_episode_length
            with self._world.clock.during(OTHER), warnings.catch_warnings():
                if self._world.rank > 0:
                    warnings.simplefilter("ignore")  # rank 0 says it for all
                env = envs.make(name, config, job.env_fast, job.wrappers)
                if self._world.rank == 0 and job.env_reuse:
                    envs.warn_of_survivors(env)
            rollout = Rollout(env, limit, None if purpose == TRAINING else LONGEST)
            if job.profile:
                rollout.timed = functools.partial(self._world.clock.timed, PHYSICS)
            self._rollouts[purpose] = rollout, make_network(job, env)
        return self._rollouts[purpose]

    def policy(self, purpose: int) -> AnyPolicy:
        """That of this rank for training or for re-evaluation; raises as `environment` does."""
        self.environment(purpose)
        return self._rollouts[purpose][1]

    def prepare(
        self,
        purpose: int,
        distribution: Distribution,
        solutions: NDArray[Any],
        seeds: Sequence[int],
        moments: Moments | None,
    ) -> Attempt:
        """Load the policy; the attempt runs one episode."""
        rollout, policy = self._rollout(purpose)
        d, (parameters,), (seed,) = distribution, solutions, seeds
        policy.load(parameters, d.mean, d.obs_stdev, d.reference)
        if not self._job.env_reuse:
            rollout.renew()

        def run(poll: Poll | None) -> Sequence[Trial]:
            collect = False if moments is None else moments
            episode = rollout.run(policy, seed, collect_moments=collect, between_steps=poll)
            return [Trial(episode.total_reward, episode.steps, episode.moments)]

        return run

    def recover(self, purpose: int) -> bool:
        """Make the environment anew, as it may be in any state; False if it could not be made at all."""
        if purpose not in self._rollouts:
            return False
        self._rollouts[purpose][0].env.remake()
        return True


def make_network(job: RankSettings, env: Environment) -> AnyPolicy:
    """The policy of a job, or of settings, for an environment, without parameters yet.

    Raises:
        WrongInput: it is one's own, and cannot be had.
    """
    if job.own is None:
        return make_policy(job.shape(env.observation_size, env.action_space.size), env.action_space)
    policy = OwnPolicy(NETWORKS.find(job.own), job.own, env.observation_size, env.action_space)
    policy.limit_threads()
    return policy
