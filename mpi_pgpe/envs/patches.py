"""Patches of simulators: an episode depends on its seed alone, costs what it must, and can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mpi_pgpe.envs.quiet import silent_output


def apply_patches(env: Any, config: Mapping[str, Any]) -> None:
    """Patch a new environment in place."""
    modules = {cls.__module__ for cls in type(env).__mro__}
    if any(module.startswith("pybullet_envs.") for module in modules):
        _discard_first_reset(env)
        from mpi_pgpe.envs import bullet_memory, kuka  # loaded with PyBullet alone, as fast paths are

        if any(cls.__name__ == "MJCFBaseBulletEnv" for cls in type(env).__mro__):
            bullet_memory.begin_every_episode_alike(env)
        if config.get("render_mode") == "rgb_array" and hasattr(env, "camera"):
            _leave_the_window_alone(env)
        if "pybullet_envs.deep_mimic.gym_env.deep_mimic_env" in modules:
            _renew_simulation(env)
        if type(env).__name__ == "KukaGymEnv" and not env._renders:
            kuka.give_own_client(env)
    if any(module.startswith(("gym.envs.box2d.", "gymnasium.envs.box2d.")) for module in modules):
        _renew_world(env)
    if "gym.envs.box2d.lunar_lander" in modules:
        if config.get("render_mode") is None:
            _leave_out_smoke(env)
        if env.continuous:
            _step_in_doubles(env)
        if env.enable_wind:
            _draw_wind_anew(env)
    if any(module.startswith("gymnasium.envs.mujoco.") for module in modules):
        _follow(env)


def _discard_first_reset(env: Any) -> None:
    """pybullet_envs saves the state that resets return to after the first reset, not before it."""
    env.seed(0)
    env.reset()


def _renew_simulation(env: Any) -> None:
    """DeepMimic's reset leaves contacts, motors and the mocap's cycle as the episode before left them."""
    reset = env.reset

    def reset_in_a_new_simulation() -> Any:
        if env._internal_env is not None:
            env._p.disconnect()
            env._internal_env = None  # `reset` makes it anew
        with silent_output():  # Bullet has a warning for each joint
            return reset()

    env.reset = reset_in_a_new_simulation


def _leave_the_window_alone(env: Any) -> None:
    """Films have a camera of their own. To ask for the window's fails once pybullet's first connection is closed."""
    env.camera.move_and_look_at = lambda *_: None


def _renew_world(env: Any) -> None:
    """The libraries reset Box2D's world by destroying the bodies in it; contacts then come in another order."""
    reset = env.reset

    def reset_in_a_new_world(**keywords: Any) -> Any:
        env._destroy()
        env.world = type(env.world)(gravity=env.world.gravity)
        return reset(**keywords)

    env.reset = reset_in_a_new_world


class _NoParticle:
    """Takes the place of a smoke particle: the thrust on it is computed and goes nowhere."""

    def ApplyLinearImpulse(self, *_: Any) -> None:  # noqa: N802 (Box2D's name)
        pass


def _leave_out_smoke(env: Any) -> None:
    """Smoke particles collide with the ground alone; simulating them costs 7/8 of the time."""
    particle = _NoParticle()
    env._create_particle = lambda *_: particle
    env._clean_particles = lambda *_: None


class _Doubles(np.ndarray):  # type: ignore[type-arg]
    """An action that stays one of float64 where the environment converts it to float32.

    And that is not clipped, which takes numpy long: what becomes of it, the engines' power, is clipped again.
    """

    def astype(self, *_: Any, **__: Any) -> Any:
        return np.asarray(self)

    def clip(self, *_: Any, **__: Any) -> Any:
        return self


def _step_in_doubles(env: Any) -> None:
    """gym 0.26 relies on float32 scalars becoming float64 in arithmetic, as they did before numpy 2; Box2D
    refuses what they are since. Before numpy 2 this is the same arithmetic, and quicker."""
    step = env.step
    env.step = lambda action: step(np.asarray(action, np.float32).astype(np.float64).view(_Doubles))


def _draw_wind_anew(env: Any) -> None:
    """gym draws where the wind begins when the environment is made, and has it go on through all episodes."""
    reset = env.reset

    def reset_with_new_wind(**keywords: Any) -> Any:
        env.wind_idx, env.torque_idx = np.random.randint(-9999, 9999), np.random.randint(-9999, 9999)
        return reset(**keywords)

    env.reset = reset_with_new_wind


def _follow(env: Any) -> None:
    """gymnasium 1.4 looks at where a walker began; the model has a camera that goes with it."""
    cameras = [env.model.camera(number).name for number in range(env.model.ncam)]
    if "track" in cameras:
        env.mujoco_renderer.camera_id = cameras.index("track")
