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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.envs.interface import Stretch
from mpi_pgpe.envs.mujoco import v2_tasks
from mpi_pgpe.envs.mujoco.step import Parts, install_parts
from mpi_pgpe.envs.mujoco.v2_masses import give_masses_of_2_1


@dataclass(frozen=True)
class TaskDescription:
    """What is particular to a task.

    Attributes:
        parts: of a step.
        xml: gymnasium's model.
        frame_skip: steps of the simulator in one of the task.
        observation_size: numbers in an observation.
        density: of the model's geoms, kg/m^3.
        total_mass: kg, if the model prescribes one.
        noise: half width of the uniform noise on the first positions, and on the first velocities.
        normal_velocities: whether the noise on the velocities is normal instead, with that stdev.
    """

    parts: Callable[..., Parts]
    xml: str
    frame_skip: int
    observation_size: int
    density: float = 1000.0
    total_mass: float | None = None
    noise: float = 0.005
    normal_velocities: bool = False


TASKS = {
    "Humanoid": TaskDescription(v2_tasks.humanoid, "humanoid.xml", 5, 376, noise=0.01),
    "Walker2d": TaskDescription(v2_tasks.walker2d, "walker2d.xml", 4, 17),
    "Hopper": TaskDescription(v2_tasks.hopper, "hopper.xml", 4, 11),
    "HalfCheetah": TaskDescription(
        v2_tasks.half_cheetah, "half_cheetah.xml", 5, 17, total_mass=14.0, noise=0.1, normal_velocities=True
    ),
    "Ant": TaskDescription(v2_tasks.ant, "ant.xml", 5, 111, density=5.0, noise=0.1, normal_velocities=True),
}


class Task:
    """A task; mixed with gym.Env or gymnasium.Env, whose `spaces` and np_random it uses."""

    metadata = {"render_modes": ["human", "rgb_array", "depth_array"]}
    task: TaskDescription
    spaces: Any
    np_random: np.random.Generator
    stretch: Stretch | None

    def __init__(self, render_mode: str | None = None, width: int = 480, height: int = 480) -> None:
        task = self.task
        self.model = mujoco.MjModel.from_xml_string(_model(task.xml))
        give_masses_of_2_1(self.model, task.density, task.total_mass)
        self.model.vis.global_.offwidth, self.model.vis.global_.offheight = width, height
        self.data = mujoco.MjData(self.model)
        self.render_mode = render_mode
        self._size = width, height
        self._renderer: Any = None
        self.frame_skip = task.frame_skip
        self.dt = self.model.opt.timestep * self.frame_skip
        self.metadata = self.metadata | {"render_fps": round(1 / self.dt)}
        low, high = self.model.actuator_ctrlrange.T.astype(np.float32)
        self.action_space = self.spaces.Box(low, high, dtype=np.float32)
        self.observation_space = self.spaces.Box(-np.inf, np.inf, (task.observation_size,), np.float64)
        self._first_qpos, self._first_qvel = self.data.qpos.copy(), self.data.qvel.copy()
        # mj_step computes no contact forces, as mujoco-py does not, so they are zero.
        advance = functools.partial(mujoco.mj_step, self.model, self.data, self.frame_skip)
        self._parts = task.parts(self, advance)
        install_parts(self, self._parts)
        if render_mode == "human":
            self._step = vars(self).pop("step")
            self.stretch = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Begin an episode; returns (observation, {})."""
        super().reset(seed=seed)  # type: ignore[misc]
        mujoco.mj_resetData(self.model, self.data)
        model, random, noise = self.model, self.np_random, self.task.noise
        qpos = self._first_qpos + random.uniform(low=-noise, high=noise, size=model.nq)
        if self.task.normal_velocities:
            qvel = self._first_qvel + random.standard_normal(model.nv) * noise
        else:
            qvel = self._first_qvel + random.uniform(low=-noise, high=noise, size=model.nv)
        self.set_state(qpos, qvel)
        observation = np.empty(self.task.observation_size)
        self._parts.observe(observation)
        return observation, {}

    def set_state(self, qpos: NDArray[np.float64], qvel: NDArray[np.float64]) -> None:
        """Go on from these positions and velocities, shapes (nq,) and (nv,) of the model."""
        self.data.qpos[:], self.data.qvel[:] = qpos, qvel
        mujoco.mj_normalizeQuat(self.model, self.data.qpos)  # as MuJoCo 2.1 did in every forward pass
        mujoco.mj_forward(self.model, self.data)

    def step(self, action: Any) -> tuple[NDArray[np.float64], float, bool, bool, dict[str, Any]]:
        """One step, and show it; without a window `step` is what step.install puts in this one's place."""
        result = self._step(action)
        self.render()
        return result

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


def make(task: str, library: str, **keywords: Any) -> Any:
    """Make an environment of `library` ("gym" or "gymnasium"); the entry point of what registration.py registers.

    Args:
        task: Humanoid, Walker2d, Hopper, HalfCheetah or Ant.
        library: whose Env it is to be.
        keywords: render_mode, and the width and height of pictures.
    """
    return _class(task, library)(**keywords)


make.metadata = Task.metadata  # type: ignore[attr-defined]  # where make() of the libraries looks for it


@functools.cache
def _class(task: str, library: str) -> Any:
    module = importlib.import_module(library)
    contents = {"__module__": __name__, "task": TASKS[task], "spaces": module.spaces}
    return type(task, (Task, module.Env), contents)


def _model(xml: str) -> str:
    """The text of one of gymnasium's models."""
    spec = importlib.util.find_spec("gymnasium")
    if spec is None or spec.origin is None:
        raise ImportError("the models of MuJoCo's environments come with gymnasium: pip install gymnasium==1.4.0")
    text = (Path(spec.origin).parent / "envs" / "mujoco" / "assets" / xml).read_text()
    # give_masses_of_2_1 scales the masses. MuJoCo 4 warns of this attribute, in a file MUJOCO_LOG.TXT.
    return text.replace('settotalmass="14"', "")
