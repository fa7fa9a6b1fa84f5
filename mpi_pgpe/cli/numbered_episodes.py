"""Episodes by number: a number stands for a policy and a seed, in any process and whatever was played before.

    stage = Stage(Cast("HumanoidBulletEnv-v0"))
    forward, backward = (stage.play(Order("", numbers)) for numbers in (range(9), range(9)[::-1]))
    differing([forward, backward])      # numbers of the episodes that did not come out the same

episode_leaks.py compares a few of them for `doctor`, benchmarks/alone.py thousands.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mpi_pgpe import envs
from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.file import read_agent
from mpi_pgpe.envs.kept_state import find_kept_state
from mpi_pgpe.policies.interface import AnyPolicy
from mpi_pgpe.policies.making import Shape, make_policy
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.search.noise import Noise
from mpi_pgpe.search.seeds import episode_seed, seed_table
from mpi_pgpe.training.rollout import Episode, Rollout

SCALES = (0.3, 0.01, 1.0, 0.1, 3.0)
"""Stdevs of the parameters of random linear policies: near zero, and so large that actions are at their bounds."""

NOISES = (0.0, 0.1, 0.3, 0.03, 1.0)
"""Stdevs of the noise on an agent's parameters, in root mean squares of these: some walk, some stumble, some fall."""

OTHERS = 10**8
"""Numbers from here on are of episodes that are played and not compared."""


class Outcome(NamedTuple):
    """What came of an episode.

    Attributes:
        bits: a digest of all that a training takes from it, 16 bytes.
        total_reward: its return.
        steps: of the environment.
    """

    bits: bytes
    total_reward: float
    steps: int


@dataclass(frozen=True)
class Order:
    """Episodes in the order in which they are played.

    Attributes:
        name: what to call it.
        numbers: of the episodes.
        before: those that are played first and not compared.
        fresh: whether each has an environment that is made for it.
        beside: whether another client is open, and takes a step now and then.
        cut_short: before every how many episodes one is ended in its middle; 0: none is.
        raised: before every how many episodes one raises, after which training makes the environment anew; 0: none.
    """

    name: str
    numbers: Sequence[int]
    before: Sequence[int] = ()
    fresh: bool = False
    beside: bool = False
    cut_short: int = 0
    raised: int = 0


class _CutShort(Exception):
    pass


@dataclass(frozen=True)
class Cast:
    """All that an episode's number needs to become an episode, in any process.

    Odd numbers are an agent's with noise, if there are agents; the others random linear policies'.

    Attributes:
        name, config, fast, wrappers: as for envs.make.
        agents: files of saved agents whose sizes are the environment's.
        longest: steps after which episodes end; None: the environment's own limit.
        neighbour: the environment that is open beside it where an order wants one; None: another of the same.
    """

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    fast: bool = True
    agents: tuple[str, ...] = ()
    longest: int | None = None
    neighbour: str | None = None
    wrappers: Sequence[Any] = ()


class Stage:
    """Plays the episodes of a cast, in this process."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._agents = [read_agent(path) for path in cast.agents]
        self._policies: dict[Shape, AnyPolicy] = {}
        self.origin: dict[str, str] = {}

    def play(self, order: Order, reuse: bool = True) -> dict[int, Outcome]:
        """Play episodes; returns what came of each, by number.

        Args:
            order: which.
            reuse: False makes the environment anew for every episode, as `env_reuse=False` does.

        Raises:
            envs.UnknownEnvironment, envs.UnsupportedEnvironment: as envs.make.
            ValueError: an agent does not fit the environment.
        """
        outcomes = {}
        rollout = self._rollout()
        beside = self._neighbour() if order.beside else None
        try:
            for number in order.before:
                self._run(rollout, number)
            for place, number in enumerate(order.numbers):
                if order.fresh and place:
                    rollout.env.close()
                    rollout = self._rollout()
                if order.cut_short and place % order.cut_short == 0:
                    self._cut_short(rollout, OTHERS + number)
                if order.raised and place % order.raised == 0:
                    self._raise(rollout, OTHERS + number)
                if not reuse:
                    rollout.renew()
                outcomes[number] = _outcome(self._run(rollout, number, None if beside is None else beside.step))
        finally:
            rollout.env.close()
            if beside is not None:
                beside.close()
        return outcomes

    def kept(self) -> list[str]:
        """Names of what the environment keeps from one episode to the next; see envs.kept_state."""
        rollout = self._rollout()
        try:
            self._run(rollout, 0)
            return find_kept_state(rollout.env, lambda: [self._run(rollout, number) for number in (1, 2, 3)])
        finally:
            rollout.env.close()

    def _rollout(self) -> Rollout:
        env = envs.make(self._cast.name, self._cast.config, self._cast.fast, self._cast.wrappers)
        self.origin = env.origin
        return Rollout(env, self._cast.longest)

    def _neighbour(self) -> _Neighbour:
        cast = self._cast
        if cast.neighbour is None:
            return _Neighbour(envs.make(cast.name, cast.config, cast.fast, cast.wrappers))
        return _Neighbour(envs.make(cast.neighbour, {}, cast.fast))

    def _run(self, rollout: Rollout, number: int, between_steps: Callable[[], None] | None = None) -> Episode:
        seed = episode_seed(1, 0, number, 0, 0, 0)
        return rollout.run(self._policy(rollout, number), seed, collect_moments=True, between_steps=between_steps)

    def _policy(self, rollout: Rollout, number: int) -> AnyPolicy:
        env, noise_seed = rollout.env, seed_table(1, number, 1)[0]
        size = env.observation_size, env.action_space.size
        agent: Agent | None = None
        shape: Shape = PolicyShape(*size)
        if self._agents and number % 2:
            turn, which = divmod(number // 2, len(self._agents))
            agent, shape = self._agents[which], self._agents[which].shape
            if (shape.observation_size, shape.action_size) != size:
                raise ValueError(
                    f"expected an agent for {size[0]} observations and {size[1]} actions, as {self._cast.name} has, "
                    f"got {self._cast.agents[which]}, which is one for {shape.observation_size} and {shape.action_size}"
                )
        if shape not in self._policies:
            self._policies[shape] = make_policy(shape, env.action_space)
        policy, direction = self._policies[shape], Noise(shape.num_parameters).direction(noise_seed)
        if agent is None:
            policy.load(direction * np.float32(SCALES[number // 2 % len(SCALES)]))
        else:
            size_of_one = np.sqrt(np.mean(np.square(agent.parameters)))
            noise = direction * np.float32(NOISES[turn % len(NOISES)] * size_of_one)
            moments = () if agent.moments is None else agent.moments.normalization()
            policy.load(agent.parameters + noise, *moments)
        return policy

    def _cut_short(self, rollout: Rollout, number: int) -> None:
        def stop() -> None:
            raise _CutShort

        with contextlib.suppress(_CutShort):
            self._run(rollout, number, stop)

    def _raise(self, rollout: Rollout, number: int) -> None:
        step, steps = rollout.env.step, 0

        def fail(action: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == 4:
                raise _CutShort
            return step(action)

        rollout.env.step, rollout.env.stretch = fail, None  # type: ignore[method-assign]
        with contextlib.suppress(_CutShort):
            self._run(rollout, number)
        rollout.env.remake()  # as training does


class _Neighbour:
    """Another client of a simulator, which takes random steps."""

    def __init__(self, env: envs.Environment) -> None:
        self._env, self._random, self._seed, self._going = env, np.random.default_rng(0), 0, False
        self.close = env.close
        self._calls = 0
        self.step()

    def step(self) -> None:
        """Take one, in every fourth call; after the end of an episode begin the next."""
        self._calls += 1
        if self._calls % 4 != 1:
            return
        if not self._going:
            self._seed += 1
            self._env.reset(self._seed)
        space = self._env.action_space
        if space.low is None or space.high is None:
            action: Any = space.start + int(self._random.integers(space.size))
        else:
            action = np.clip(self._random.normal(size=space.size), space.low, space.high).astype(np.float32)
        _, _, terminated, truncated, _ = self._env.step(action)
        self._going = not (terminated or truncated)


def _outcome(episode: Episode) -> Outcome:
    moments = episode.moments
    assert moments is not None
    total, steps = np.float64(episode.total_reward), np.array([episode.steps, episode.truncated])
    parts = (total, steps, moments.sum, moments.sumsq)
    digest = hashlib.blake2b(b"".join(part.tobytes() for part in parts), digest_size=16).digest()
    return Outcome(digest, episode.total_reward, episode.steps)


def find_differences(plays: Sequence[Mapping[int, Outcome]]) -> list[int]:
    """The numbers of the episodes that did not come out with the same bits each time that they were played."""
    found: dict[int, set[bytes]] = {}
    for outcomes in plays:
        for number, outcome in outcomes.items():
            found.setdefault(number, set()).add(outcome.bits)
    return sorted(number for number, bits in found.items() if len(bits) > 1)
