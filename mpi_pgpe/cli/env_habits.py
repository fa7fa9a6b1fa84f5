"""What an environment does that its user should know, though a training copes with it; for `doctor --env`."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mpi_pgpe import envs
from mpi_pgpe.base.global_generators import seed_global_generators
from mpi_pgpe.policies.network import Policy, PolicyShape
from mpi_pgpe.search.noise import Noise
from mpi_pgpe.search.seeds import seed_table
from mpi_pgpe.training.rollout import LONGEST, Rollout

_EPISODES = 3
_SECONDS = 5.0  # that an episode is waited for


class Habit(NamedTuple):
    """What was found, and what to do."""

    finding: str
    do: str


class _GoesOn(Exception):
    pass


def find_habits(name: str, config: Mapping[str, Any], wrappers: Sequence[Any] = ()) -> list[Habit]:
    """Play some episodes and look.

    Raises:
        what the environment raises.
    """
    env = envs.make(name, config, wrappers=wrappers)
    drawn_from: set[str] = set()
    goes_on = ""
    try:
        rollout = Rollout(env, LONGEST)
        for number in range(_EPISODES):
            seed_global_generators(number)  # as the reset does
            before = _states()
            goes_on = goes_on or _play(rollout, number)
            drawn_from |= {whose for whose, state in _states().items() if before.get(whose, state) != state}
    finally:
        env.close()
    found = []
    if goes_on and env.time_limit is None:
        found.append(
            Habit(
                f"has no time limit, and an episode had not ended {goes_on}",
                "give it one (TimeLimit of gym or gymnasium, or max_episode_steps where it is registered), or train "
                "with max_episode_length=STEPS re_eval_max_episode_length=STEPS",
            )
        )
    if drawn_from:
        found.append(
            Habit(
                f"draws from the global generator of {' and '.join(sorted(drawn_from))}: a training seeds it from the "
                "seed of each episode, but in other programs reset(seed) does not repeat an episode",
                "draw from self.np_random, which reset(seed=...) seeds",
            )
        )
    return found


def _play(rollout: Rollout, number: int) -> str:
    """Play an episode; returns when it had not ended, or nothing if it did."""
    env = rollout.env
    shape = PolicyShape(env.observation_size, env.action_space.size)
    policy = Policy(shape, env.action_space)
    policy.load(Noise(shape.num_parameters).direction(seed_table(1, number, 1)[0]) * np.float32(0.3))
    until = time.monotonic() + _SECONDS

    def look() -> None:
        if time.monotonic() > until:
            raise _GoesOn

    try:
        episode = rollout.run(policy, number, between_steps=look)
    except _GoesOn:
        return f"after {_SECONDS:g} seconds"
    return f"after {LONGEST:,} steps" if episode.steps == LONGEST else ""


def _states() -> dict[str, Any]:
    """The states of the global generators, by whose they are."""
    numpys: Any = np.random.get_state(legacy=False)
    found: dict[str, Any] = {
        "numpy": (numpys["state"]["key"].tobytes(), numpys["state"]["pos"], numpys["has_gauss"]),
        "Python": random.getstate(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "default_generator"):
        found["torch"] = torch.default_generator.get_state().numpy().tobytes()
    return found
