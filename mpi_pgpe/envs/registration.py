"""Names known to gym and gymnasium: the package's own environments and, with gym 0.26, those of pybullet_envs.

setup.py names `register` as a plugin of gym, so that `gym.make` finds them in any program after `import gym`.
gymnasium has no plugins; there, import mpi_pgpe.envs.in_gymnasium.
"""

from __future__ import annotations

import importlib.util
import sys

TINY_TRAJ_HUMANOID = "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0"
MUJOCO_V2 = ("Humanoid", "Walker2d", "HalfCheetah", "Hopper", "Ant")
"""Tasks whose v2 is to be had on today's MuJoCo, as mpi_pgpe/TASK-v2."""


def register() -> None:
    """Enter the environments into gym's registry; safe to call again. Imports no simulator."""
    from gym.envs import registration

    _register_mujoco_v2("gym", registration)
    if TINY_TRAJ_HUMANOID in registration.registry or importlib.util.find_spec("pybullet_envs") is None:
        return
    _register_pybullet_envs(registration)
    registration.register(
        id=TINY_TRAJ_HUMANOID,
        entry_point="mpi_pgpe.envs.tiny_traj:TinyTrajHumanoidBulletEnv",
        max_episode_steps=200,
        apply_api_compatibility=True,
        disable_env_checker=True,
    )


def register_with_gymnasium() -> None:
    """Enter the environments into gymnasium's registry; safe to call again. Imports no simulator."""
    from gymnasium.envs import registration

    _register_mujoco_v2("gymnasium", registration)


def _register_mujoco_v2(library: str, registration) -> None:  # type: ignore[no-untyped-def]
    for task in MUJOCO_V2:
        id = f"mpi_pgpe/{task}-v2"
        if id not in registration.registry:
            registration.register(
                id=id,
                entry_point="mpi_pgpe.envs.mujoco.v2:make",
                kwargs={"task": task, "library": library},
                max_episode_steps=1000,
                disable_env_checker=True,
            )


def _register_pybullet_envs(registration) -> None:  # type: ignore[no-untyped-def]
    """Let pybullet_envs 3.2.7 register with gym 0.26, whose registry lost the `env_specs` it asks for."""

    class RegistryOfOld(dict):  # type: ignore[type-arg]
        @property
        def env_specs(self) -> dict:  # type: ignore[type-arg]
            return self

    # gym calls its plugins while it is itself being imported, before it has its attribute `envs`.
    sys.modules["gym"].envs = sys.modules["gym.envs"]  # type: ignore[attr-defined]
    registry = registration.registry
    registration.registry = RegistryOfOld(registry)
    try:
        importlib.import_module("pybullet_envs")
        added = {name: spec for name, spec in registration.registry.items() if name not in registry}
    finally:
        registration.registry = registry
    for spec in added.values():
        spec.apply_api_compatibility = True  # they step in 4-tuples
        spec.disable_env_checker = True
    registry.update(added)
