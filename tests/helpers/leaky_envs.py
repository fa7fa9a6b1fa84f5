"""Environments of a user's own that keep something from one episode to the next, named `leaky_envs:Name`."""

from __future__ import annotations

import itertools
import random
from typing import Any, ClassVar

import gym
import gymnasium
import mujoco
import numpy as np
from Box2D import b2
from gymnasium import spaces
from gymnasium import wrappers as of_gymnasium

PENDULUM = "Pendulum-v1"


def normalized_observations() -> Any:
    return of_gymnasium.NormalizeObservation(gymnasium.make(PENDULUM))


def normalized_observations_of_gym() -> Any:
    return gym.wrappers.NormalizeObservation(gym.make(PENDULUM, disable_env_checker=True))


def normalized_rewards() -> Any:
    return of_gymnasium.NormalizeReward(gymnasium.make(PENDULUM))


def normalized_rewards_of_gym() -> Any:
    return gym.wrappers.NormalizeReward(gym.make(PENDULUM, disable_env_checker=True))


def stacked_frames() -> Any:
    return of_gymnasium.FlattenObservation(of_gymnasium.FrameStackObservation(gymnasium.make(PENDULUM), 3))


def delayed_observations() -> Any:
    return of_gymnasium.DelayObservation(gymnasium.make(PENDULUM), 3)


def sticky_actions() -> Any:
    return of_gymnasium.StickyAction(gymnasium.make(PENDULUM), 0.3)


def time_in_observations() -> Any:
    return of_gymnasium.TimeAwareObservation(gymnasium.make(PENDULUM))


def recorded_statistics() -> Any:
    return of_gymnasium.RecordEpisodeStatistics(gymnasium.make(PENDULUM))


class Tame(gymnasium.Env):
    """Two random observations, twenty steps; the reward is the action. Keeps nothing."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)
    length = 20

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        return self.observe(), {}

    def observe(self) -> Any:
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        self.last_action = float(action[0])  # left behind by the last step, and read by nobody
        return self.observe(), self.reward(self.last_action), False, self.t >= self.length, {}

    def reward(self, action: float) -> float:
        return action


class Curriculum(Tame):
    """Becomes harder with each episode, but not in the first thousand."""

    level = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.level += 1
        return super().reset(seed=seed)

    def reward(self, action: float) -> float:
        return action / (1 + max(0, self.level - 1000))


class CountsInItsClass(Tame):
    """What all environments of the class share is none the fresher in a fresh one."""

    episodes: ClassVar[list[int]] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.episodes.append(0)
        return super().reset(seed=seed)

    def reward(self, action: float) -> float:
        return action + len(self.episodes)


class OwnGenerator(Tame):
    """Draws from a generator that reset(seed) does not reach."""

    def __init__(self) -> None:
        self.generator = random.Random(0)

    def reward(self, action: float) -> float:
        return action + self.generator.random()


class FromTheSystem(Tame):
    """The same in every episode of a process, and another in another process."""

    hash_of_text = hash("depends on PYTHONHASHSEED")

    def reward(self, action: float) -> float:
        return action + self.hash_of_text % 1000


class Crawler(gymnasium.Env):
    """A body of MuJoCo that lies on the ground; reset puts positions and velocities back, and nothing else."""

    options, flags = 'iterations="3"', ""
    action_space = spaces.Box(-1, 1, (1,), np.float32)
    whole = False

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_string(
            f"""<mujoco><option timestep="0.01" {self.options}>{self.flags}</option><worldbody>
            <geom type="plane" size="5 5 .1"/>
            <body pos="0 0 .06"><freejoint/><geom type="capsule" size=".05 .2" euler="0 90 0"/>
            <body pos=".2 0 0"><joint name="a" axis="0 1 0"/><geom type="capsule" fromto="0 0 0 .3 0 0" size=".04"/>
            </body></body>
            <body pos="0 .5 .1"><freejoint/><geom type="box" size=".1 .1 .1"/></body></worldbody>
            <actuator><motor joint="a" gear="5"/></actuator></mujoco>"""
        )
        self.data = mujoco.MjData(self.model)
        self.first = self.data.qpos.copy()
        size = self.model.nq + self.model.nv
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float64)

    def observe(self) -> Any:
        return np.concatenate([self.data.qpos, self.data.qvel])

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        if self.whole:
            mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = self.first + self.np_random.uniform(-0.01, 0.01, self.model.nq)
        self.data.qvel[:] = 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        self.data.ctrl[:] = action
        mujoco.mj_step(self.model, self.data, 2)
        return self.observe(), float(self.data.qpos[0]), False, self.t >= 200, {}


class WholeCrawler(Crawler):
    """The same with mj_resetData."""

    whole = True


class WholeSleeper(WholeCrawler):
    """Its box falls asleep in the middle of an episode (MuJoCo 4)."""

    options, flags = "", '<flag sleep="enable"/>'


class WornGround(WholeCrawler):
    """The ground becomes rougher with each episode."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.model.geom_friction[0, 0] *= 1.1
        return super().reset(seed=seed)


class Pile(gymnasium.Env):
    """Boxes of Box2D that are destroyed and made again in the same world, as gym's own environments do it."""

    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self) -> None:
        self.world = b2.world(gravity=(0, -10))
        self.ground = self.world.CreateStaticBody(shapes=b2.edgeShape(vertices=[(-20, 0), (20, 0)]))
        self.boxes: list[Any] = []

    def observe(self) -> Any:
        box = self.boxes[0]
        return np.array([*box.position, box.angle])

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        for box in self.boxes:
            self.world.DestroyBody(box)
        self.boxes = []
        for row, column in itertools.product(range(4), range(3)):
            x, y = self.np_random.uniform(-0.3, 0.3, 2)
            box = self.world.CreateDynamicBody(position=(column + x, 0.6 + 1.2 * row + y))
            box.CreatePolygonFixture(box=(0.5, 0.5), density=1, friction=0.3)
            self.boxes.append(box)
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        self.boxes[0].ApplyForceToCenter((20 * float(action[0]), 0), True)
        self.world.Step(1 / 50, 10, 10)
        return self.observe(), float(self.boxes[0].position[0]), False, self.t >= 100, {}


def warm_hopper_of_mujoco_py() -> Any:
    """gym's Hopper on mujoco-py with a reset of its own, which does not reset the simulation."""
    from gym.envs.mujoco.hopper import HopperEnv

    class WarmHopper(HopperEnv):
        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
            gym.Env.reset(self, seed=seed)
            return self.reset_model(), {}

    return WarmHopper()
