"""Environments of gym, gymnasium and the user's own, without the wrappers that only cost time."""

from __future__ import annotations

import contextlib
import importlib
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.errors import describe_error
from mpi_pgpe.base.global_generators import seed_while_importing
from mpi_pgpe.base.inside import Inside
from mpi_pgpe.envs import bullet_survivors, closing, patches, registry, spaces, wrapping
from mpi_pgpe.envs.global_generators import OtherGenerators
from mpi_pgpe.envs.installing import INSTALL, find_install_command
from mpi_pgpe.envs.interface import Stretch, UnknownEnvironment, UnsupportedEnvironment
from mpi_pgpe.envs.layers import check_parts, innermost, seeded_reset, unwrap
from mpi_pgpe.envs.mujoco import log, mujoco_py_setup
from mpi_pgpe.envs.quiet import silent_output
from mpi_pgpe.envs.rendering import defer_rendering, prepare_headless


def check_name(name: str) -> None:
    """Raise UnknownEnvironment unless `name` can be made here; makes no environment."""
    registry.resolve(name)


def make(name: str, config: Mapping[str, Any], fast: bool = True, wrappers: Sequence[Any] = ()) -> AdaptedEnvironment:
    """Make an environment.

    Args:
        name: see `registry.resolve`.
        config: keyword arguments for the environment (for gym.make or gymnasium.make, or the class).
        fast: whether to use a fast path with the same results, where there is one.
        wrappers: around it, the innermost first; see `wrapping`.

    Raises:
        UnknownEnvironment: no such name or wrapper, or its simulator is not installed.
        UnsupportedEnvironment: it refuses these arguments or wrappers, cannot be seeded, or has a space that no policy
            can serve.
    """
    return AdaptedEnvironment(name, config, fast, wrappers)


def warn_of_survivors(env: Any) -> None:
    """Warn if an environment is a user's own whose PyBullet simulation goes on from one episode to the next.

    It is made once more for this, if it may be such a one.
    """
    if not isinstance(env, AdaptedEnvironment) or not bullet_survivors.may_use_bullet(innermost(env._env)):
        return
    if bullet_survivors.has_surviving_bodies(lambda: AdaptedEnvironment(env.name, env._config, False, env._wrappers)):
        warnings.warn(
            f"environment {env.name!r} keeps its PyBullet simulation from one episode to the next: contacts, "
            "velocities and motors of earlier episodes may decide later ones, and then results depend on the number "
            "of ranks. Let its reset call resetSimulation and load everything again, or train with env_reuse=False; "
            f"python -m mpi_pgpe.doctor --env {env.name} looks whether episodes differ",
            stacklevel=2,
        )


def _use_fast_path(env: Any) -> str | None:
    """Give an environment faster steps with the same results, in place; returns why it had to be left slow, or None.

    Each fast path is loaded with its simulator alone, so that many ranks read fewer files of a shared disk.
    """
    left_slow = None
    if sys.modules.get("pybullet"):
        from mpi_pgpe.envs import fast_bullet

        left_slow = fast_bullet.use_fast_path(innermost(env))
    if sys.modules.get("mujoco"):
        from mpi_pgpe.envs.mujoco import gymnasium_fast

        left_slow = left_slow or gymnasium_fast.use_fast_path(env)
    if sys.modules.get("mujoco_py"):
        from mpi_pgpe.envs.mujoco import mujoco_py_fast

        left_slow = left_slow or mujoco_py_fast.use_fast_path(env)
    return left_slow


class AdaptedEnvironment:
    """An environment of gym or gymnasium, of the present API or the old one; see `interface.Environment`."""

    def __init__(self, name: str, config: Mapping[str, Any], fast: bool = True, wrappers: Sequence[Any] = ()) -> None:
        self.name = name
        self._fast = fast
        self._config = dict(config)
        self._wrappers = list(wrappers)
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
            env = wrapping.wrap(self.name, self._create(), self._wrappers)
            env, self.time_limit = unwrap(env, keep_rendering=rendering)
            check_parts(self.name, env)
            inside = innermost(env)
            if self._config.get("render_mode") == "human" and hasattr(inside, "isRender"):
                inside.render(mode="human")  # PyBullet opens its window at the first reset
            patches.apply_patches(inside, self._config)
            left_slow = _use_fast_path(env) if self._fast else None
        log.keep_out_of_folder()  # where only the environment has loaded MuJoCo
        self.origin = registry.find_origin(self._served, env)
        self._env = env
        self._close = env.close
        closing.remember(self)
        metadata = getattr(env, "metadata", None) or {}
        self.frames_per_second = _frames_per_second(metadata)
        self._seeded_reset = seeded_reset(self.name, env)
        self._others = OtherGenerators(env)
        self.observation_size, self.observation_layout, self._flatten = spaces.read_observations(
            self.name, env.observation_space
        )
        self.action_space = spaces.read_actions(self.name, env.action_space)
        # The libraries' own environments step in 5-tuples; a user's may be older.
        step = env.step if type(env).__module__.startswith(_NEW_API) else self._step
        to_action = None if self.action_space.layout is None else self.action_space.to_action
        is_flat = self._flatten is None and to_action is None
        self.step = step if is_flat else spaces.translate_step(step, self._flatten, to_action)
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
                f"environment {self.name!r} cannot be made: {error}{find_install_command(error)}"
            ) from error
        except TypeError as error:
            if "Descriptors cannot be created directly" in str(error):  # protobuf's word, with advice for the authors
                raise UnknownEnvironment(
                    f"environment {self.name!r} cannot be made: it needs an older protobuf than the one that is "
                    f"installed; install it with: {INSTALL['google']}"
                ) from error
            if "argument" not in str(error):  # not about those that it was given
                raise
            raise UnsupportedEnvironment(
                f"environment {self.name!r} cannot be made with the arguments {self._config}: {error}"
            ) from error
        except Exception as error:
            if (versions := registry.explain_versions(served)) is None:
                raise
            raise UnsupportedEnvironment(
                f"environment {self.name!r} cannot be made ({describe_error(error)}): {versions}"
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
            result = result[0]
        return result if self._flatten is None else self._flatten(result)

    def _step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
        result = self._env.step(action)
        if len(result) == 5:
            return result
        observation, reward, done, info = result
        truncated = bool(done and info and info.get("TimeLimit.truncated", False))
        return observation, reward, done and not truncated, truncated, info

    def frame(self) -> NDArray[np.uint8]:
        """A picture of the present state, shape (height, width, 3); see `interface.Environment`.

        Raises:
            UnsupportedEnvironment: the environment draws none.
        """
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
