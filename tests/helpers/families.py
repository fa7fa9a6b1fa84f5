"""The families of environments that the tests run over, and environments of the user's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gym
import gymnasium
import numpy as np
import pytest

from mpi_pgpe.envs.mujoco import mujoco_py_setup
from mpi_pgpe.policies.network import Policy, PolicyShape

NO_MUJOCO_PY = mujoco_py_setup.what_is_missing()
needs_mujoco_py = pytest.mark.skipif(
    bool(NO_MUJOCO_PY), reason=f"mujoco-py: {NO_MUJOCO_PY}; {mujoco_py_setup.INSTALL} installs it"
)


@dataclass(frozen=True)
class Family:
    name: str
    env: str
    config: dict[str, Any] = field(default_factory=dict)
    frame: tuple[int, int, int] | None = None  # shape of a picture, where one is asked for


FAMILIES = [
    Family("gym-classic-discrete", "gym/CartPole-v1", frame=(400, 600, 3)),
    Family("gym-classic-continuous", "gym/Pendulum-v1"),
    Family("gym-mountain-car", "gym/MountainCarContinuous-v0"),
    Family("gymnasium-classic-discrete", "gymnasium/Acrobot-v1"),
    Family("gymnasium-classic-continuous", "gymnasium/Pendulum-v1", frame=(500, 500, 3)),
    Family("gym-box2d", "gym/LunarLanderContinuous-v2", frame=(400, 600, 3)),
    Family("gym-box2d-discrete", "gym/LunarLander-v2"),
    Family("gym-box2d-walker", "gym/BipedalWalker-v3"),
    Family("gymnasium-box2d", "gymnasium/LunarLander-v3", {"continuous": True}, frame=(400, 600, 3)),
    Family("gymnasium-box2d-discrete", "gymnasium/LunarLander-v3"),
    Family("gymnasium-box2d-walker", "gymnasium/BipedalWalker-v3"),
    Family("pybullet-humanoid", "HumanoidBulletEnv-v0", frame=(240, 320, 3)),
    Family("pybullet-hopper", "gym/HopperBulletEnv-v0"),
    Family("pybullet-ant", "AntBulletEnv-v0"),
    Family("pybullet-walker2d", "Walker2DBulletEnv-v0"),
    Family("pybullet-half-cheetah", "HalfCheetahBulletEnv-v0"),
    Family("pybullet-tiny-traj", "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0"),
    Family("mujoco-py-humanoid", "gym/Humanoid-v2", frame=(480, 480, 3)),
    Family("mujoco-py-walker2d", "gym/Walker2d-v2"),
    Family("mujoco-py-half-cheetah", "gym/HalfCheetah-v2"),
    Family("mujoco-py-hopper", "gym/Hopper-v2"),
    Family("mujoco-py-ant", "gym/Ant-v2"),
    Family("mujoco-py-swimmer", "gym/Swimmer-v2"),
    Family("gym-mujoco-v4", "gym/Humanoid-v4", frame=(480, 480, 3)),
    Family("gymnasium-mujoco-v4", "gymnasium/Walker2d-v4"),
    Family("gymnasium-mujoco-v5", "gymnasium/Humanoid-v5", frame=(480, 480, 3)),
    Family("gymnasium-half-cheetah-v5", "gymnasium/HalfCheetah-v5"),
    Family("gymnasium-ant-v5", "gymnasium/Ant-v5"),
    Family("v2-humanoid", "mpi_pgpe/Humanoid-v2", frame=(480, 480, 3)),
    Family("v2-walker2d", "mpi_pgpe/Walker2d-v2"),
    Family("v2-half-cheetah", "mpi_pgpe/HalfCheetah-v2"),
    Family("v2-hopper", "mpi_pgpe/Hopper-v2"),
    Family("v2-ant", "mpi_pgpe/Ant-v2"),
    Family("v2-of-gymnasium", "gymnasium/mpi_pgpe/Hopper-v2"),
    Family("user-class", "families:Wanderer", {"stride": 0.5}),
    Family("user-class-old-api", "families:OldWanderer"),
    Family("user-id-gym", "families:Wanderer-v0"),
    Family("user-id-gymnasium", "gymnasium/families:Wanderer-v0"),
]


def runnable() -> list[Family]:
    """Those whose simulator is here."""
    return [family for family in FAMILIES if not (NO_MUJOCO_PY and "mujoco-py" in family.name)]


def cases(families: list[Family]) -> list[Any]:
    """The families as pytest's parameters; those that need mujoco-py are skipped where it is not."""
    return [pytest.param(f, id=f.name, marks=[needs_mujoco_py] if "mujoco-py" in f.name else []) for f in families]


def random_policy(env: Any) -> Policy:
    """A linear policy for an environment of any family, the same each time."""
    shape = PolicyShape(env.observation_size, env.action_space.size)
    policy = Policy(shape, env.action_space)
    policy.load(np.random.default_rng(1).normal(0, 0.3, shape.num_parameters).astype(np.float32))
    return policy


class _Wandering:
    """Walks along a line by its actions, and is over when it is more than 1 from where it began."""

    def __init__(self, stride: float = 0.3, render_mode: str | None = None) -> None:
        self.stride, self.render_mode = stride, render_mode

    def begin(self, rng: Any) -> np.ndarray:
        self.start = float(rng.uniform(-1, 1))
        self.place = self.start
        return self.observe()

    def walk(self, action: np.ndarray) -> tuple[np.ndarray, float, bool]:
        self.place += self.stride * float(action[0])
        return self.observe(), self.place, abs(self.place - self.start) > 1

    def observe(self) -> np.ndarray:
        return np.array([self.place, self.start], np.float32)


def _spaces(library: Any) -> dict[str, Any]:
    box = library.spaces.Box
    return {"observation_space": box(-9, 9, (2,), np.float32), "action_space": box(-1, 1, (1,), np.float32)}


class _New(_Wandering):
    def reset(self, *, seed=None, options=None):
        super(_Wandering, self).reset(seed=seed)
        return self.begin(self.np_random), {}

    def step(self, action):
        observation, reward, over = self.walk(action)
        return observation, reward, over, False, {}


Wanderer = type("Wanderer", (_New, gymnasium.Env), _spaces(gymnasium))
GymWanderer = type("GymWanderer", (_New, gym.Env), _spaces(gym))


class OldWanderer(_Wandering):
    """The same in the API that gym had before 0.26, of no library's class."""

    observation_space = gym.spaces.Box(-9, 9, (2,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def seed(self, seed=None):
        self.rng = np.random.default_rng(seed)

    def reset(self):
        return self.begin(self.rng)

    def step(self, action):
        return *self.walk(action), {}

    def close(self):
        pass


for library, entry_point in ((gym, GymWanderer), (gymnasium, Wanderer)):
    if "Wanderer-v0" not in library.envs.registration.registry:
        library.register("Wanderer-v0", entry_point, max_episode_steps=30)
