"""One episode of one policy in one environment."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.global_generators import seed_global_generators
from mpi_pgpe.policies.interface import AnyPolicy
from mpi_pgpe.policies.normalization import Moments

if TYPE_CHECKING:
    from mpi_pgpe.envs import Environment

_ROWS = 1000  # observations that are added to the running statistics together
_BYTES = 2**25  # of observations that are kept for that, at most; but a row
LONGEST = 100_000
"""Steps without a limit after which training warns, and an episode that is only watched or judged ends."""
_SECONDS_BETWEEN_CALLS = 1e-3  # of `between_steps`

_TOO_LONG = (
    f"an episode has made {LONGEST:,} steps and goes on, in an environment without a time limit. Give it one (gym's "
    "TimeLimit, or max_episode_steps where it is registered), or end episodes that last too long with "
    "episode_timeout=SECONDS; max_episode_length=STEPS does so in training alone"
)

_ENDED = (
    f"an episode was ended after {LONGEST:,} steps: the environment has no time limit, or one that is longer. Set it "
    "with re_eval_max_episode_length=STEPS (enjoy: --max-episode-length STEPS)"
)

_Slot = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64], NDArray[np.float32]]


@dataclass
class Episode:
    """What came of an episode.

    Attributes:
        total_reward: the undiscounted sum of rewards (the return).
        steps: the number of environment steps (interactions).
        truncated: whether a time limit ended it rather than the environment.
        moments: of the observations that the policy acted on; None unless asked for.
    """

    total_reward: float
    steps: int
    truncated: bool
    moments: Moments | None


class Rollout:
    """Runs episodes in one environment, in arrays that are used again and again.

    Args:
        env: the environment.
        max_episode_length: most steps of an episode; None: the environment's own limit.
        otherwise: most steps where `max_episode_length` is None, and the environment's own limit is larger or there is
            none; an episode that they end is told of.

    Attributes:
        timed: given what an episode calls of the environment, returns what is called in its place; set it to take the
            time.
    """

    def __init__(self, env: Environment, max_episode_length: int | None = None, otherwise: int | None = None) -> None:
        self.env = env
        self.timed: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function
        limits = [limit for limit in (env.time_limit, max_episode_length) if limit is not None]
        self.limit = min(limits, default=None)
        self._tells = max_episode_length is None and otherwise is not None and (self.limit or math.inf) > otherwise
        if self._tells:
            self.limit = otherwise
        n = min(_ROWS, max(1, _BYTES // (4 * (env.observation_size + 1))))
        n = n if self.limit is None else min(n, self.limit)
        self._observations = np.ones((n + 1, env.observation_size + 1), np.float32)
        self._actions = np.empty((n, env.action_space.size), np.float32)
        self._records = np.empty((n, 0 if env.stretch is None else env.stretch.record_size))
        # What a step takes and leaves: observation and 1, action, record, next observation.
        self._slots = list(
            zip(
                self._observations,
                self._actions,
                self._records,
                self._observations[1:, :-1],
                strict=False,
            )
        )
        self._steps_between_calls = 1
        self._fresh = True

    def renew(self) -> None:
        """Make the environment anew, unless it is new, for those that carry something into the next episode."""
        if not self._fresh:
            self.env.remake()
            self._fresh = True

    def run(
        self,
        policy: AnyPolicy,
        seed: int,
        *,
        collect_moments: bool | Moments = False,
        between_steps: Callable[[], None] | None = None,
    ) -> Episode:
        """Run one episode from `env.reset(seed)` to its end.

        Args:
            policy: loaded with parameters; it is reset first.
            seed: of the environment.
            collect_moments: whether to return the moments of the observations; or the new moments that take them in.
            between_steps: called every millisecond or so; what it raises ends the episode.
        """
        if self.limit == 0:
            raise ValueError("expected a time limit of at least 1 step, got 0")
        self._fresh = False
        moments = Moments(self.env.observation_size) if collect_moments is True else collect_moments or None
        with self.env.inside as inside:

            def call() -> None:
                assert between_steps is not None
                inside.end_copy()
                between_steps()

            episode = self._play(policy, seed, moments, None if between_steps is None else call)
        if episode.truncated and self._tells and episode.steps == self.limit:
            warnings.warn(_ENDED, stacklevel=2)
        if not math.isfinite(episode.total_reward):
            self.env.remake()  # a simulator that computed NaN may keep it
        return episode

    def _play(
        self, policy: AnyPolicy, seed: int, moments: Moments | None, between_steps: Callable[[], None] | None
    ) -> Episode:
        started = time.perf_counter()
        total, steps, terminated, truncated = 0.0, 0, False, False
        play = self._one_by_one if self.env.stretch is None else self._in_a_stretch
        if policy.draws:  # not every environment's reset seeds what it does not draw from itself
            seed_global_generators(seed)
        observed = self.timed(self.env.reset)(seed)
        policy.reset()
        if np.shape(observed) != (self.env.observation_size,):
            raise _unlike_declared(self.env, observed)
        self._observations[0, :-1] = observed
        while not (terminated or truncated):
            slots, room = self._slots, _ROWS - steps % _ROWS
            if self.limit is not None:
                room = min(room, self.limit - steps)
            if len(slots) > room:
                slots = slots[:room]
            rewards, terminated, truncated = play(policy.act, slots, between_steps)
            for reward in rewards:
                total += reward
            n = len(rewards)
            steps += n
            if self.limit is None and steps == LONGEST:
                warnings.warn(_TOO_LONG, stacklevel=3)
            truncated = truncated or (steps == self.limit and not terminated)
            if moments is not None:
                over = terminated or truncated
                moments.observe(self._observations[:n, :-1], more=not over and steps % _ROWS > 0)
            self._observations[0] = self._observations[n]
        seconds_per_step = (time.perf_counter() - started) / steps
        # Only how often between_steps is called depends on the clock; no result does.
        self._steps_between_calls = max(1, min(256, int(_SECONDS_BETWEEN_CALLS / seconds_per_step)))
        return Episode(total, steps, bool(truncated), moments)

    def _one_by_one(
        self, act: Callable[..., Any], slots: list[_Slot], between_steps: Callable[[], None] | None
    ) -> tuple[list[float], bool, bool]:
        """Take as many steps as there are slots, or until one ends the episode: (rewards, terminated, truncated)."""
        step, every, size = self.timed(self.env.step), self._steps_between_calls, self.env.observation_size
        rewards = []
        for i, (observation, _, _, following) in enumerate(slots, 1):
            observed, reward, terminated, truncated, _ = step(act(observation))
            rewards.append(float(reward))
            if terminated or truncated:
                break
            try:
                fits = len(observed) == size  # numpy would spread a single number over all of it
            except TypeError:
                fits = False
            if not fits:
                raise _unlike_declared(self.env, observed)
            following[:] = observed
            if between_steps is not None and i % every == 0:
                between_steps()
        return rewards, terminated, truncated

    def _in_a_stretch(
        self, act: Callable[..., Any], slots: list[_Slot], between_steps: Callable[[], None] | None
    ) -> tuple[list[float], bool, bool]:
        """The same with `env.stretch`."""
        assert self.env.stretch is not None
        step, observe, settle = (self.timed(function) for function in self.env.stretch[1:])
        every = self._steps_between_calls
        for i, (observation, action, record, following) in enumerate(slots, 1):
            terminated = step(act(observation, action), record)
            if terminated:
                break
            observe(following)
            if between_steps is not None and i % every == 0:
                between_steps()
        return settle(self._records[:i], self._actions[:i]), terminated, False


def _unlike_declared(env: Environment, observed: Any) -> ValueError:
    return ValueError(
        f"expected observations of shape ({env.observation_size},), as the environment's observation_space says, got "
        f"shape {np.shape(observed)}"
    )
