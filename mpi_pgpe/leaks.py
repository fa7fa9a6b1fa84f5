"""Whether an environment carries anything from one episode into the next.

    for situation in measure("HumanoidBulletEnv-v0", {}):
        print(situation)

The same policies play the same seeds in a fresh environment and in one that has been used; what a
training run takes from an episode (return, steps, moments of the observations) has to be the same bits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe import envs
from mpi_pgpe.noise import Noise, seed_table
from mpi_pgpe.policies import Policy, PolicyShape
from mpi_pgpe.rollout import Episode, Rollout

_LONGEST = 100  # steps of an episode here: a leak shows in the first ones


class _CutShort(Exception):
    pass


@dataclass
class Situation:
    """What was found of episodes played in some situation.

    Attributes:
        name: of the situation.
        episodes: that were compared with the same ones in a fresh environment.
        different: those of them that came out otherwise.
        largest: difference of their returns.
    """

    name: str
    episodes: int = 0
    different: int = 0
    largest: float = 0.0

    def __str__(self) -> str:
        if not self.different:
            return f"{self.name}: the same bits in {self.episodes} of {self.episodes} episodes"
        return f"{self.name}: {self.different} of {self.episodes} episodes differ, returns by up to {self.largest:.3g}"


def measure(name: str, config: Mapping[str, Any], episodes: int = 4, reuse: bool = True) -> list[Situation]:
    """Play episodes of environment `name` in all situations.

    Args:
        name, config: as for envs.make.
        episodes: in each situation, each with a policy and a seed of its own.
        reuse: False makes the environment anew for every episode, as `env_reuse=False` does.

    Raises:
        envs.UnknownEnvironment, envs.UnsupportedEnvironment: as envs.make.
    """
    players = [_Player(name, config, seed) for seed in range(1, episodes + 1)]
    expected = [player.play(player.fresh()) for player in players]

    def others(rollout: Rollout) -> None:
        for player in players[:2]:
            player.play(rollout, 1000 + player.seed)

    def cut_short(rollout: Rollout) -> None:
        def stop() -> None:
            raise _CutShort

        with contextlib.suppress(_CutShort):
            players[0].play(rollout, 2000, stop)

    def raised(rollout: Rollout) -> None:
        step, steps = rollout.env.step, [0]

        def fail(action: Any) -> Any:
            steps[0] += 1
            if steps[0] == 4:
                raise _CutShort
            return step(action)

        rollout.env.step, rollout.env.stretch = fail, None  # type: ignore[method-assign]
        with contextlib.suppress(_CutShort):
            players[0].play(rollout, 3000)
        rollout.env.remake()  # as training does

    before: dict[str, Callable[[Rollout], None]] = {
        "in another fresh environment": lambda rollout: None,
        "after other episodes": others,
        "after an episode cut short": cut_short,
        "after an episode that raised": raised,
    }
    situations = []
    for title, prepare in before.items():
        found = Situation(title)
        rollout = None
        for player, right in zip(players, expected, strict=True):
            # Fresh for each where that is the point; otherwise the longer used, the better.
            if rollout is None or title == "in another fresh environment":
                rollout = player.fresh()
            prepare(rollout)
            if not reuse:
                rollout.renew()
            episode = player.play(rollout)
            found.episodes += 1
            if _bits(episode) != _bits(right):
                found.different += 1
                found.largest = max(found.largest, abs(episode.total_reward - right.total_reward))
        situations.append(found)
    return situations


class _Player:
    """A random linear policy and the seed of its episode."""

    def __init__(self, name: str, config: Mapping[str, Any], seed: int) -> None:
        self._name, self._config, self.seed = name, config, seed

    def fresh(self) -> Rollout:
        env = envs.make(self._name, self._config)
        return Rollout(env, _LONGEST)

    def play(
        self, rollout: Rollout, seed: int | None = None, between_steps: Callable[[], None] | None = None
    ) -> Episode:
        env = rollout.env
        shape = PolicyShape(env.observation_size, env.action_space.size)
        policy = Policy(shape, env.action_space)
        parameters: NDArray[np.float32] = Noise(shape.num_parameters).direction(seed_table(self.seed, 0, 1)[0])
        policy.load(parameters * np.float32(0.3))
        return rollout.run(
            policy, self.seed if seed is None else seed, collect_moments=True, between_steps=between_steps
        )


def _bits(episode: Episode) -> tuple[bytes, ...]:
    moments = episode.moments
    assert moments is not None
    total = np.float64(episode.total_reward).tobytes()
    return (
        total,
        bytes([episode.truncated]),
        str(episode.steps).encode(),
        moments.sum.tobytes(),
        moments.sumsq.tobytes(),
    )
