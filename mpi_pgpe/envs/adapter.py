"""Environments of gym, gymnasium and the user's own, without the wrappers that only cost time."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import math
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.envs import bullet_survivors, closing, fast_bullet, patches, registry
from mpi_pgpe.envs.global_generators import OtherGenerators, seed_while_importing
from mpi_pgpe.envs.inside import Inside
from mpi_pgpe.envs.interface import Stretch, UnknownEnvironment, UnsupportedEnvironment
from mpi_pgpe.envs.mujoco import gymnasium_fast, log, mujoco_py_fast, mujoco_py_setup
from mpi_pgpe.envs.quiet import silent_output
from mpi_pgpe.envs.rendering import defer_rendering, prepare_headless
from mpi_pgpe.policies.spaces import ActionSpace


def check_name(name: str) -> None:
    """Raise UnknownEnvironment unless `name` can be made here; makes no environment."""
    registry.resolve(name)


def make(name: str, config: Mapping[str, Any], fast: bool = True) -> AdaptedEnvironment:
    """Make an environment.

    Args:
        name: see `registry.resolve`.
        config: keyword arguments for the environment (for gym.make or gymnasium.make, or the class).
        fast: whether to use a fast path with the same results, where there is one.

    Raises:
        UnknownEnvironment: no such name, or its simulator is not installed.
        UnsupportedEnvironment: it refuses these arguments, cannot be seeded, or its spaces are not flat Box
            observations with Box or Discrete actions.
    """
    return AdaptedEnvironment(name, config, fast)


def warn_of_survivors(env: Any) -> None:
    """Warn if an environment is a user's own whose PyBullet simulation goes on from one episode to the next.

    It is made once more for this, if it may be such a one.
    """
    if not isinstance(env, AdaptedEnvironment) or not bullet_survivors.may_use_bullet(_innermost(env._env)):
        return
    if bullet_survivors.has_surviving_bodies(lambda: AdaptedEnvironment(env.name, env._config, fast=False)):
        warnings.warn(
            f"environment {env.name!r} keeps its PyBullet simulation from one episode to the next: contacts, "
            "velocities and motors of earlier episodes may decide later ones, and then results depend on the number "
            "of ranks. Let its reset call resetSimulation and load everything again, or train with env_reuse=False; "
            f"python -m mpi_pgpe.doctor --env {env.name} looks whether episodes differ",
            stacklevel=2,
        )


class AdaptedEnvironment:
    """An environment of gym or gymnasium, of the present API or the old one; see `interface.Environment`."""

    def __init__(self, name: str, config: Mapping[str, Any], fast: bool = True) -> None:
        self.name = name
        self._fast = fast
        self._config = dict(config)
        self._served = registry.resolve(name)
        self._close: Callable[[], Any] = lambda: None
        left_slow = self._make()
        if left_slow:
            warnings.warn(left_slow, stacklevel=3)

    def _make(self) -> str | None:
        """Make it anew; returns why it had to be left slow, or None."""
        rendering = self._config.get("render_mode") is not None
        if rendering:
            prepare_headless()
        mujoco_py_setup.prepare()
        drawing = (
            defer_rendering()
            if not rendering and registry.is_of_known_library(self._served)
            else contextlib.nullcontext()
        )
        self.inside = Inside(self._served.folder)
        with self.inside, silent_output(), warnings.catch_warnings(), drawing, seed_while_importing():
            warnings.simplefilter("ignore")  # pkg_resources, np.bool8: old news of old packages
            env, self.time_limit = _unwrap(self._create(), keep_rendering=rendering)
            _check_parts(self.name, env)
            innermost = _innermost(env)
            if self._config.get("render_mode") == "human" and hasattr(innermost, "isRender"):
                innermost.render(mode="human")  # PyBullet opens its window at the first reset
            patches.apply_patches(innermost, self._config)
            left_slow = None
            if self._fast:
                left_slow = (
                    fast_bullet.use_fast_path(innermost)
                    or gymnasium_fast.use_fast_path(env)
                    or mujoco_py_fast.use_fast_path(env)
                )
        log.keep_out_of_folder()  # where only the environment has loaded MuJoCo
        self.origin = registry.find_origin(self._served, env)
        self._env = env
        self._close = env.close
        closing.remember(self)
        metadata = getattr(env, "metadata", None) or {}
        self.frames_per_second = _frames_per_second(metadata)
        self._seeded_reset = _seeded_reset(self.name, env)
        self._others = OtherGenerators(env)
        self.observation_size = _observation_size(self.name, env.observation_space)
        self.action_space = _action_space(self.name, env.action_space)
        # The libraries' own environments step in 5-tuples; a user's may be older.
        self.step = env.step if type(env).__module__.startswith(_NEW_API) else self._step
        stretch = getattr(env, "__dict__", {}).get("stretch")  # not that of a class, or of what a wrapper has inside
        self.stretch = stretch if isinstance(stretch, Stretch) else None
        return left_slow

    def _create(self) -> Any:
        served = self._served
        try:
            if served.library is None:
                assert served.creator is not None
                return served.creator(**self._config)
            if registry.find_simulator_of(served) == "mujoco":
                if served.library == "gym":
                    mujoco_py_setup.import_gyms_tasks()
                    importlib.import_module("gym.envs.mujoco")  # mujoco_py before mujoco, which brings glfw
                importlib.import_module("mujoco")
            log.keep_out_of_folder()
            with registry.path_in_order():
                return registry.load(served.library).make(served.id, **{"disable_env_checker": True} | self._config)
        except ImportError as error:  # DependencyNotInstalled among them
            raise UnknownEnvironment(
                f"environment {self.name!r} cannot be made: {error}{registry.find_install_command(error)}"
            ) from error
        except TypeError as error:
            if "Descriptors cannot be created directly" in str(error):  # protobuf's word, with advice for the authors
                raise UnknownEnvironment(
                    f"environment {self.name!r} cannot be made: it needs an older protobuf than the one that is "
                    f"installed; install it with: {registry.INSTALL['google']}"
                ) from error
            if "argument" not in str(error):  # not about those that it was given
                raise
            raise UnsupportedEnvironment(
                f"environment {self.name!r} cannot be made with the arguments {self._config}: {error}"
            ) from error

    def remake(self) -> None:
        """See `interface.Environment`."""
        with contextlib.suppress(Exception):  # it may be in any state
            self.close()
        self._make()

    def close(self) -> None:
        """See `interface.Environment`; a second time this does nothing."""
        close, self._close = self._close, lambda: None
        closing.forget(self)
        with self.inside:
            close()

    def reset(self, seed: int) -> Any:
        """Begin an episode; see `interface.Environment`."""
        self._others.seed(seed)
        result = self._seeded_reset(seed)
        if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict):
            return result[0]
        return result

    def _step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
        result = self._env.step(action)
        if len(result) == 5:
            return result
        observation, reward, done, info = result
        truncated = bool(done and info and info.get("TimeLimit.truncated", False))
        return observation, reward, done and not truncated, truncated, info

    def frame(self) -> NDArray[np.uint8]:
        """A picture of the present state; see `interface.Environment`."""
        with silent_output(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = self._env.render()
        if picture is None:
            raise UnsupportedEnvironment(
                f"environment {self.name!r}: expected a picture, got None; make it with render_mode='rgb_array'"
            )
        return np.asarray(picture, np.uint8)[..., :3]


def _frames_per_second(metadata: Any) -> float:
    for name in ("render_fps", "video.frames_per_second"):
        value = metadata.get(name)
        if isinstance(value, (int, float, np.number)) and math.isfinite(value) and value > 0:
            return float(value)
    return 30.0


_NEW_API = ("gym.", "gymnasium.", "mpi_pgpe.envs.mujoco.v2")  # whose environments step in 5-tuples
_COUNTING_OR_CHECKING = {"TimeLimit", "OrderEnforcing", "PassiveEnvChecker"}


def _unwrap(env: Any, keep_rendering: bool) -> tuple[Any, int | None]:
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


def _check_parts(name: str, env: Any) -> None:
    missing = [
        part for part in ("reset", "step", "observation_space", "action_space", "close") if not hasattr(env, part)
    ]
    if missing:
        raise UnsupportedEnvironment(
            f"environment {name!r}: expected an environment of gym or gymnasium, got {type(env).__name__} without "
            f"{', '.join(missing)}"
        )


def _innermost(env: Any) -> Any:
    """The environment itself, without any wrapper."""
    env = getattr(env, "unwrapped", env)
    return env.env if type(env).__name__ == "EnvCompatibility" else env


def _seeded_reset(name: str, env: Any) -> Callable[[int], Any]:
    """What resets `env` with a seed, by the present API or the old one."""
    innermost = getattr(env, "unwrapped", env)  # as far as its reset decides on the API
    if _takes_seed(innermost):
        layer = env
        while layer is not innermost:
            if not _takes_seed(layer):
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


def _takes_seed(env: Any) -> bool:
    parameters = inspect.signature(env.reset).parameters
    return "seed" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _is_a(space: Any, kind: str) -> bool:
    """Whether `space` is a `kind` of gym or of gymnasium, as far as they are loaded."""
    return any(
        isinstance(space, getattr(sys.modules[library].spaces, kind))
        for library in ("gym", "gymnasium")
        if library in sys.modules
    )


def _observation_size(name: str, space: Any) -> int:
    if not _is_a(space, "Box") or len(space.shape) != 1 or not space.shape[0]:
        raise UnsupportedEnvironment(
            f"environment {name!r}: expected observations in a flat Box, got {space}; wrap it, "
            "for instance with FlattenObservation of gym.wrappers or gymnasium.wrappers"
        )
    return int(space.shape[0])


def _action_space(name: str, space: Any) -> ActionSpace:
    if _is_a(space, "Discrete"):
        return ActionSpace(int(space.n), start=int(space.start))
    if _is_a(space, "Box") and len(space.shape) == 1 and space.shape[0] and space.dtype.kind == "f":
        try:
            return ActionSpace.box(*(np.asarray(bound, space.dtype) for bound in (space.low, space.high)))
        except ValueError as error:
            raise UnsupportedEnvironment(f"environment {name!r}: {error}") from None
    raise UnsupportedEnvironment(
        f"environment {name!r}: expected actions in a flat Box of floats or Discrete, got {space}"
    )
