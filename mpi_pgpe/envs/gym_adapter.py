"""gym 0.26: environments made without the wrappers that only cost time, old and new API alike."""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib
import importlib.util
import inspect
import io
import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.envs import mends
from mpi_pgpe.envs.interface import UnknownEnvironment, UnsupportedEnvironment
from mpi_pgpe.envs.quiet import silent_output
from mpi_pgpe.envs.registration import register
from mpi_pgpe.policies import ActionSpace


@functools.cache
def _gym() -> Any:
    """gym, imported without its notice of retirement (which 64 ranks would print 64 times)."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            gym = importlib.import_module("gym")
            importlib.import_module("gym.wrappers.compatibility")
    except ImportError as error:
        raise UnknownEnvironment(f"gym cannot be imported ({error}); pip install 'gym==0.26.2'") from None
    gym.logger.set_level(gym.logger.ERROR)
    register()
    return gym


def check_name(name: str) -> None:
    """Raise UnknownEnvironment unless `name` is registered; makes no environment."""
    if not isinstance(name, str) or not name:
        raise UnknownEnvironment(f"expected the name of an environment, got {name!r}")
    _creator(name)


def make(name: str, config: Mapping[str, Any]) -> GymEnvironment:
    """Make an environment of gym.

    Args:
        name: an id of gym's registry, `module:ID` (the module registers the id), or `module:Class`.
        config: keyword arguments for the environment.

    Raises:
        UnknownEnvironment: no such name.
        UnsupportedEnvironment: its spaces are not flat Box observations with Box or Discrete actions.
    """
    return GymEnvironment(name, config)


def _creator(name: str) -> Any:
    """What makes the environment called `name`: a class, or the id for gym.make."""
    registration = _gym().envs.registration
    module_name, _, rest = name.rpartition(":")
    if module_name:
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise UnknownEnvironment(
                f"environment {name!r}: expected `module:ID`, but module {module_name!r} cannot be "
                f"imported ({error}); is it on PYTHONPATH?"
            ) from None
        attribute = getattr(module, rest, None)
        if isinstance(attribute, type):
            return attribute
    if rest in registration.registry:
        _check_simulator(rest, str(registration.registry[rest].entry_point))
        return rest
    known = list(registration.registry)
    near = (
        difflib.get_close_matches(rest, known, n=3, cutoff=0.6)
        or [k for k in known if rest and rest.lower() in k.lower()][:3]
    )
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    where = f"module {module_name!r} registered no environment" if module_name else "no environment"
    raise UnknownEnvironment(f"{where} {rest!r} in gym{hint}")


# Simulators that gym registers environments for without having them: (what the entry point begins with,
# the module that has to be there, how to install it).
_SIMULATORS = [
    (
        r"gym\.envs\.mujoco(:|\.\w+_v3)",
        "mujoco_py",
        "MuJoCo 2.1 in ~/.mujoco/mujoco210, then: apt-get install -y --no-install-recommends python3-dev gcc "
        "libc6-dev libosmesa6-dev libgl-dev patchelf && pip install 'cython<3' mujoco-py==2.1.2.14",
    ),
    (r"gym\.envs\.mujoco\.\w+_v4", "mujoco", "pip install mujoco==2.3.3 imageio"),
    (r"gym\.envs\.box2d", "Box2D", "pip install Box2D==2.3.10 pygame-ce"),
    (r"pybullet_envs", "pybullet", "pip install pybullet==3.2.7"),
]


def _check_simulator(name: str, entry_point: str) -> None:
    for pattern, module, command in _SIMULATORS:
        if re.match(pattern, entry_point) and importlib.util.find_spec(module) is None:
            raise UnknownEnvironment(
                f"environment {name!r} needs {module}, which is not installed; install it with: {command}"
            )


class GymEnvironment:
    """An environment of gym 0.26; see `interface.Environment`."""

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        self.name = name
        self._config = dict(config)
        self.close = lambda: None
        self._make()

    def _make(self) -> None:
        gym = _gym()
        creator = _creator(self.name)
        with silent_output(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pkg_resources, np.bool8: old news of old packages
            try:
                if isinstance(creator, str):
                    env = gym.make(creator, disable_env_checker=True, **self._config)
                else:
                    env = creator(**self._config)
            except TypeError as error:  # an argument that it does not know, for one
                raise UnsupportedEnvironment(
                    f"environment {self.name!r} cannot be made with the arguments {self._config}: {error}"
                ) from error
            env, self.time_limit = _unwrap(gym, env)
            self._old_api = _has_old_api(self.name, env)
            if self._old_api and self._config.get("render_mode") == "human":
                env.render(mode="human")  # opens the window at the first reset
            mends.mend(env, self._config)
        self._env = env
        self.close = env.close
        metadata = env.metadata or {}
        self.frames_per_second = int(metadata.get("render_fps") or metadata.get("video.frames_per_second") or 30)
        self.observation_size = _observation_size(gym, self.name, env.observation_space)
        self.action_space = _action_space(gym, self.name, env.action_space)
        if self._old_api:
            self.step = self._old_step
        else:
            self.step = env.step

    def remake(self) -> None:
        """See `interface.Environment`."""
        self.close()
        self._make()

    def reset(self, seed: int) -> Any:
        """Begin an episode; see `interface.Environment`."""
        if self._old_api:
            self._env.seed(seed)
            return self._env.reset()
        return self._env.reset(seed=seed)[0]

    def _old_step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
        observation, reward, done, info = self._env.step(action)
        truncated = done and info.get("TimeLimit.truncated", False)
        return observation, reward, done and not truncated, truncated, info

    def frame(self) -> NDArray[np.uint8]:
        """A picture of the present state; see `interface.Environment`."""
        return np.asarray(self._env.render(mode="rgb_array") if self._old_api else self._env.render())


def _unwrap(gym: Any, env: Any) -> tuple[Any, int | None]:
    """Peel off the wrappers that only check or count; return (env, its time limit)."""
    wrappers, limit = gym.wrappers, None
    while True:
        if type(env) is wrappers.TimeLimit:
            limit = env._max_episode_steps if limit is None else min(limit, env._max_episode_steps)
        elif type(env) is wrappers.compatibility.EnvCompatibility:
            return env.env, limit
        elif type(env) not in (wrappers.OrderEnforcing, wrappers.env_checker.PassiveEnvChecker):
            return env, limit
        env = env.env


def _has_old_api(name: str, env: Any) -> bool:
    """Whether `env` is of the API before gym 0.26: a method `seed` in place of reset's argument, 4-tuples."""
    parameters = inspect.signature(env.reset).parameters.values()
    if any(p.name == "seed" or p.kind is p.VAR_KEYWORD for p in parameters):
        return False
    if not callable(getattr(env, "seed", None)):
        raise UnsupportedEnvironment(
            f"environment {name!r}: expected reset(seed=...) or a method seed(...), got neither; "
            "without a seed its episodes cannot be repeated"
        )
    return True


def _observation_size(gym: Any, name: str, space: Any) -> int:
    if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
        raise UnsupportedEnvironment(
            f"environment {name!r}: expected observations in a flat Box, got {space}; wrap it, "
            "for instance with gym.wrappers.FlattenObservation"
        )
    return int(space.shape[0])


def _action_space(gym: Any, name: str, space: Any) -> ActionSpace:
    if isinstance(space, gym.spaces.Discrete):
        return ActionSpace(int(space.n), start=int(space.start))
    if isinstance(space, gym.spaces.Box) and len(space.shape) == 1:
        low, high = (np.asarray(bound, np.float32) for bound in (space.low, space.high))
        return ActionSpace(int(space.shape[0]), low, high)
    raise UnsupportedEnvironment(f"environment {name!r}: expected actions in a flat Box or Discrete, got {space}")
