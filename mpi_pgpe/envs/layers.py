"""The layers of an environment: the libraries' wrappers, those of the user, and what is inside."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from mpi_pgpe.envs.interface import UnsupportedEnvironment

_COUNTING_OR_CHECKING = {"TimeLimit", "OrderEnforcing", "PassiveEnvChecker"}


def unwrap(env: Any, keep_rendering: bool) -> tuple[Any, int | None]:
    """Peel off the libraries' wrappers that only check or count; returns (env, its time limit)."""
    limit = None
    while True:
        module, kind = type(env).__module__, type(env).__name__
        if not module.startswith(("gym.wrappers.", "gymnasium.wrappers.")):
            return env, limit
        if kind == "TimeLimit":
            limit = env._max_episode_steps if limit is None else min(limit, env._max_episode_steps)
        # EnvCompatibility is what calls render() of an environment of the old API.
        elif kind not in _COUNTING_OR_CHECKING and (kind != "EnvCompatibility" or keep_rendering):
            return env, limit
        env = env.env


def check_parts(name: str, env: Any) -> None:
    """Refuse what is no environment.

    Raises:
        UnsupportedEnvironment: something is missing of it.
    """
    missing = [
        part for part in ("reset", "step", "observation_space", "action_space", "close") if not hasattr(env, part)
    ]
    if missing:
        raise UnsupportedEnvironment(
            f"environment {name!r}: expected an environment of gym or gymnasium, got {type(env).__name__} without "
            f"{', '.join(missing)}"
        )


def innermost(env: Any) -> Any:
    """The environment itself, without any wrapper."""
    env = getattr(env, "unwrapped", env)
    return env.env if type(env).__name__ == "EnvCompatibility" else env


def seeded_reset(name: str, env: Any) -> Callable[[int], Any]:
    """What resets `env` with a seed, by the present API or the old one.

    Raises:
        UnsupportedEnvironment: it cannot be seeded.
    """
    innermost = getattr(env, "unwrapped", env)  # as far as its reset decides on the API
    if takes_seed(innermost):
        layer = env
        while layer is not innermost:
            if not takes_seed(layer):
                raise UnsupportedEnvironment(
                    f"environment {name!r}: expected all its wrappers to hand reset(seed=...) on, but that of "
                    f"{type(layer).__name__} takes no seed; give it `def reset(self, **keywords)` and call "
                    "self.env.reset(**keywords) there"
                )
            if "env" not in getattr(layer, "__dict__", {}):
                break
            layer = layer.env
        return lambda seed: env.reset(seed=seed)
    if hasattr(innermost, "seed"):

        def seed_and_reset(seed: int) -> Any:
            env.seed(seed)
            return env.reset()

        return seed_and_reset
    raise UnsupportedEnvironment(
        f"environment {name!r}: expected reset(seed=...) or a method seed(...), got neither; "
        "without a seed its episodes cannot be repeated"
    )


def takes_seed(env: Any) -> bool:
    """Whether its reset takes a seed, as it does since gym 0.26."""
    parameters = inspect.signature(env.reset).parameters
    return "seed" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
