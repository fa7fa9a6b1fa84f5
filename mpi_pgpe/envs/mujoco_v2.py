"""gym's v2 MuJoCo environments on today's MuJoCo, without mujoco-py: mpi_pgpe/Humanoid-v2 and four more.

MuJoCo 2.1, which mujoco-py runs, took the mass and inertia of a capsule for those of a cylinder; an agent
that was trained so falls over in the v4 and v5 environments. Here the model gets the masses and inertias of
2.1, and the observations, rewards and ends of episodes are those of v2: contact forces, which mujoco-py does
not compute, are zero. The models are those that come with gymnasium.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import math
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.envs.mujoco_masses import give_masses_of_2_1
from mpi_pgpe.numpy_core import clip

FloatArray = NDArray[np.float64]


def _sum_of_squares(values: Any) -> Any:
    return np.add.reduce(np.square(values))


class Task:
    """What the five environments share; mixed with gym.Env or gymnasium.Env, whose np_random it uses."""

    metadata = {"render_modes": ["human", "rgb_array", "depth_array"]}
    xml: str
    frame_skip: int
    density = 1000.0  # of the model's geoms, kg/m^3
    total_mass: float | None = None  # kg, if the model prescribes one
    position_noise = 0.005  # half width of the uniform noise on the first positions
    velocity_noise = 0.005  # the same, or the stdev where it is normal
    normal_velocity_noise = False
    np_random: np.random.Generator

    def __init__(self, render_mode: str | None = None, width: int = 480, height: int = 480) -> None:
        self.model = mujoco.MjModel.from_xml_string(_model(self.xml))
        give_masses_of_2_1(self.model, self.density, self.total_mass)
        self.model.vis.global_.offwidth, self.model.vis.global_.offheight = width, height
        self.data = mujoco.MjData(self.model)
        self.render_mode = render_mode
        self._size = width, height
        self._renderer: Any = None
        self.dt = self.model.opt.timestep * self.frame_skip
        self.metadata = self.metadata | {"render_fps": round(1 / self.dt)}
        # Views into the simulator's own memory: they follow its state.
        self.qpos, self.qvel, self._control = self.data.qpos, self.data.qvel, self.data.ctrl
        self._advance = functools.partial(mujoco.mj_step, self.model, self.data, self.frame_skip)
        self._least, self._most = np.full_like(self.qvel, -10), np.full_like(self.qvel, 10)
        self._first_qpos, self._first_qvel = self.qpos.copy(), self.qvel.copy()

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[FloatArray, dict[str, Any]]:
        """Begin an episode; returns (observation, {})."""
        super().reset(seed=seed)  # type: ignore[misc]
        mujoco.mj_resetData(self.model, self.data)
        random, c, v = self.np_random, self.position_noise, self.velocity_noise
        self.qpos[:] = self._first_qpos + random.uniform(low=-c, high=c, size=self.model.nq)
        if self.normal_velocity_noise:
            noise = random.standard_normal(self.model.nv) * v
        else:
            noise = random.uniform(low=-v, high=v, size=self.model.nv)
        self.qvel[:] = self._first_qvel + noise
        mujoco.mj_normalizeQuat(self.model, self.qpos)  # as MuJoCo 2.1 did in every forward pass
        mujoco.mj_forward(self.model, self.data)
        return self.observe(), {}

    def step(self, action: Any) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        """One step: (observation, reward, terminated, False, {})."""
        before = self.position()
        self._control[:] = action
        self._advance()
        reward, terminated = self.judge((self.position() - before) / self.dt, action)
        if self.render_mode == "human":
            self.render()
        return self.observe(), float(reward), bool(terminated), False, {}

    def position(self) -> float:
        """How far it has come, in m."""
        return self.qpos.item(0)

    def judge(self, velocity: float, action: Any) -> tuple[float, bool]:
        """(reward, terminated) of a step at a mean `velocity` (m/s)."""
        raise NotImplementedError

    def observe(self) -> FloatArray:
        """A new array with the observation."""
        raise NotImplementedError

    def render(self) -> Any:
        """Draw the present state as `render_mode` says."""
        if self._renderer is None:
            from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer

            self._renderer = MujocoRenderer(self.model, self.data, None, *self._size, camera_name="track")
        return self._renderer.render(self.render_mode)

    def close(self) -> None:
        """Free the renderer, if there is one."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


class Humanoid(Task):
    xml = "humanoid.xml"
    frame_skip = 5
    position_noise = velocity_noise = 0.01

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        data = self.data
        self._observed = [
            self.qpos[2:],
            self.qvel,
            data.cinert.ravel(),
            data.cvel.ravel(),
            data.qfrc_actuator,
            np.zeros(6 * self.model.nbody),  # cfrc_ext
        ]
        # The x of all centers of mass, and the bodies' shares in the whole mass.
        self._x, self._share = data.xipos[:, 0], self.model.body_mass / self.model.body_mass.sum()

    def position(self) -> float:
        return float(self._share.dot(self._x))

    def judge(self, velocity: float, action: Any) -> tuple[float, bool]:
        reward = 1.25 * velocity - 0.1 * float(_sum_of_squares(self._control)) + 5.0
        return reward, self.qpos[2] < 1.0 or self.qpos[2] > 2.0

    def observe(self) -> FloatArray:
        return np.concatenate(self._observed)


class Walker2d(Task):
    xml = "walker2d.xml"
    frame_skip = 4

    def judge(self, velocity: float, action: Any) -> tuple[float, bool]:
        height, angle = self.qpos.item(1), self.qpos.item(2)
        healthy = 0.8 < height < 2.0 and -1.0 < angle < 1.0
        return velocity + 1.0 - 1e-3 * float(_sum_of_squares(action)), not healthy

    def observe(self) -> FloatArray:
        return np.concatenate([self.qpos[1:], clip(self.qvel, self._least, self._most)])


class Hopper(Task):
    xml = "hopper.xml"
    frame_skip = 4

    def judge(self, velocity: float, action: Any) -> tuple[float, bool]:
        x, height, angle, *rest = self.qpos.tolist()
        # NaN and infinity are not < 100 either. v2 leaves the first position alone, here the x of the root.
        bounded = all(abs(value) < 100 for value in (angle, *rest, *self.qvel.tolist()))
        healthy = bounded and math.isfinite(x) and 0.7 < height < math.inf and abs(angle) < 0.2
        return velocity + 1.0 - 1e-3 * float(_sum_of_squares(action)), not healthy

    def observe(self) -> FloatArray:
        return np.concatenate([self.qpos[1:], clip(self.qvel, self._least, self._most)])


class HalfCheetah(Task):
    xml = "half_cheetah.xml"
    frame_skip = 5
    total_mass = 14.0
    position_noise = velocity_noise = 0.1
    normal_velocity_noise = True

    def judge(self, velocity: float, action: Any) -> tuple[float, bool]:
        return velocity - 0.1 * float(_sum_of_squares(action)), False

    def observe(self) -> FloatArray:
        return np.concatenate([self.qpos[1:], self.qvel])


class Ant(Task):
    xml = "ant.xml"
    frame_skip = 5
    density = 5.0
    position_noise = velocity_noise = 0.1
    normal_velocity_noise = True

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._torso = self.data.xpos[self.model.body("torso").id]
        self._no_forces = np.zeros(6 * self.model.nbody)

    def position(self) -> float:
        return float(self._torso[0])

    def judge(self, velocity: float, action: Any) -> tuple[float, bool]:
        healthy = all(map(math.isfinite, self.qpos.tolist() + self.qvel.tolist())) and 0.2 <= self.qpos[2] <= 1.0
        return velocity - 0.5 * float(_sum_of_squares(action)) + 1.0, not healthy

    def observe(self) -> FloatArray:
        return np.concatenate([self.qpos[2:], self.qvel, self._no_forces])


_TASKS = {task.__name__: task for task in (Humanoid, Walker2d, Hopper, HalfCheetah, Ant)}


def make(task: str, library: str, **keywords: Any) -> Any:
    """Make an environment of `library` ("gym" or "gymnasium"); the entry point of what registration.py registers.

    Args:
        task: Humanoid, Walker2d, Hopper, HalfCheetah or Ant.
        library: whose Env it is to be.
        keywords: render_mode, and the width and height of pictures.
    """
    env = _class(task, library)(**keywords)
    spaces = importlib.import_module(library).spaces
    low, high = env.model.actuator_ctrlrange.T.astype(np.float32)
    env.action_space = spaces.Box(low, high, dtype=np.float32)
    size = len(env.reset(seed=0)[0])
    env.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float64)
    return env


make.metadata = Task.metadata  # type: ignore[attr-defined]  # where make() of the libraries looks for it


@functools.cache
def _class(task: str, library: str) -> Any:
    return type(task, (_TASKS[task], importlib.import_module(library).Env), {"__module__": __name__})


def _model(xml: str) -> str:
    """The text of one of gymnasium's models."""
    spec = importlib.util.find_spec("gymnasium")
    if spec is None or spec.origin is None:
        raise ImportError("the models of MuJoCo's environments come with gymnasium: pip install gymnasium==1.4.0")
    text = (Path(spec.origin).parent / "envs" / "mujoco" / "assets" / xml).read_text()
    # give_masses_of_2_1 scales the masses. MuJoCo 4 warns of this attribute, in a file MUJOCO_LOG.TXT.
    return text.replace('settotalmass="14"', "")
