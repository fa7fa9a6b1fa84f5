"""One episode of one policy in one environment."""

from __future__ import annotations

import itertools
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mpi_pgpe.moments import Moments
from mpi_pgpe.policies import Policy

if TYPE_CHECKING:
    from mpi_pgpe.envs import Environment

_ROWS = 1000  # observations kept before they go into the moments
_ENDLESS = 100_000  # steps without a limit after which a warning is due
_SECONDS_BETWEEN_CALLS = 1e-3  # of `between_steps`

_TOO_LONG = (
    f"an episode has made {_ENDLESS:,} steps and goes on, in an environment without a time limit. Give it one (gym's "
    "TimeLimit, or max_episode_steps where it is registered), or end episodes that last too long with "
    "episode_timeout=SECONDS; max_episode_length=STEPS does so in training alone"
)


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

    Attributes:
        timed: given what an episode calls of the environment, returns what is called in its place; set it to take the
            time.
    """

    def __init__(self, env: Environment, max_episode_length: int | None = None) -> None:
        self.env = env
        self.timed: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function
        limits = [limit for limit in (env.time_limit, max_episode_length) if limit is not None]
        self.limit = min(limits, default=None)
        n_rows = _ROWS if self.limit is None else min(_ROWS, self.limit)
        self._rows = np.ones((n_rows, env.observation_size + 1), np.float32)
        self._row_list = list(self._rows)
        self._observation_list = [row[:-1] for row in self._row_list]
        self._steps_between_calls = 1
        self._fresh = True

    def renew(self) -> None:
        """Make the environment anew, unless it is new, for those that carry something into the next episode."""
        if not self._fresh:
            self.env.remake()
            self._fresh = True

    def run(
        self,
        policy: Policy,
        seed: int,
        *,
        collect_moments: bool = False,
        between_steps: Callable[[], None] | None = None,
    ) -> Episode:
        """Run one episode from `env.reset(seed)` to its end.

        Args:
            policy: loaded with parameters.
            seed: of the environment.
            collect_moments: whether to return the moments of the observations.
            between_steps: called every millisecond or so; what it raises ends the episode.
        """
        if self.limit == 0:
            raise ValueError("expected a time limit of at least 1 step, got 0")
        moments = Moments(self.env.observation_size) if collect_moments else None
        started = time.perf_counter()
        total, steps, terminated, truncated = 0.0, 0, False, False
        stretch = self.env.stretch and type(self.env.stretch)(*map(self.timed, self.env.stretch))
        step = self.timed(self.env.step) if stretch is None else stretch.step
        act, every = policy.act, self._steps_between_calls
        self._fresh = False
        observation = self.timed(self.env.reset)(seed)
        while not (terminated or truncated):
            rows = self._row_list
            if self.limit is not None and steps + len(rows) > self.limit:
                rows = rows[: self.limit - steps]
            rewards: list[Any] = []
            for i, row, target in zip(itertools.count(1), rows, self._observation_list, strict=False):
                if stretch is None or observation is not None:
                    target[:] = observation
                else:
                    stretch.observe(target)
                observation, reward, terminated, truncated, _ = step(act(row))
                rewards.append(float(reward) if stretch is None else reward)
                if terminated or truncated:
                    break
                if between_steps is not None and i % every == 0:
                    between_steps()
            for reward in rewards if stretch is None else stretch.settle(rewards):
                total += reward
            steps += i
            if self.limit is None and steps == _ENDLESS:
                warnings.warn(_TOO_LONG, stacklevel=2)
            if moments is not None:
                moments.observe(self._rows[:i, :-1])
            truncated = truncated or (steps == self.limit and not terminated)
        seconds_per_step = (time.perf_counter() - started) / steps
        # Only how often between_steps is called depends on the clock; no result does.
        self._steps_between_calls = max(1, min(256, int(_SECONDS_BETWEEN_CALLS / seconds_per_step)))
        if not math.isfinite(total):
            self.env.remake()  # a simulator that computed NaN may keep it
        return Episode(total, steps, bool(truncated), moments)


def episode_seed(run_seed: int, purpose: int, generation: int, item: int, sign: int, episode: int) -> int:
    """The environment seed of an episode: 31 bits, from its place in the run alone.

    Args:
        run_seed: of the run.
        purpose: 0 for training, 1 for re-evaluation.
        generation: its number.
        item: the direction, or the number of the re-evaluation episode.
        sign: 0 for center + stdev * e, 1 for center - stdev * e (or 0 for both, with common random
            numbers).
        episode: number among the episodes of one solution.
    """
    place: Any = [run_seed, purpose, generation, item, sign, episode]
    if run_seed < 2**32:
        place = np.array(place, np.uint32)  # numpy turns the list into the same, but slowly
    return int(np.random.SeedSequence(place).generate_state(1)[0] >> 1)
