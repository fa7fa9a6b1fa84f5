"""mpi_pgpe's v2 tasks on today's MuJoCo have the bits of gym's own arithmetic, which is run here on the same simulator.

test_fast_mujoco.py holds the same tasks against gym's on mujoco-py, where that is installed.
"""

from __future__ import annotations

import importlib
import struct
from types import SimpleNamespace
from typing import Any

import mujoco
import numpy as np
import pytest

from mpi_pgpe.envs.mujoco import mujoco_py_setup
from mpi_pgpe.envs.mujoco import v2 as mujoco_v2

pytestmark = pytest.mark.serial

TASKS = {
    "Humanoid": "humanoid:HumanoidEnv",
    "Walker2d": "walker2d:Walker2dEnv",
    "Hopper": "hopper:HopperEnv",
    "HalfCheetah": "half_cheetah:HalfCheetahEnv",
    "Ant": "ant:AntEnv",
}
every_task = pytest.mark.parametrize("task", TASKS)


class _OfGym:
    """What gym's `step` of a v2 task needs of its environment, from one of ours."""

    render_mode = None

    def __init__(self, env: Any) -> None:
        self.model, self.data, self.dt, self.frame_skip = env.model, env.data, env.dt, env.frame_skip
        self.reset, self.sim = env.reset, SimpleNamespace(data=env.data)

    def do_simulation(self, action: Any, frame_skip: int) -> None:
        self.data.ctrl[:] = action
        mujoco.mj_step(self.model, self.data, frame_skip)

    def get_body_com(self, name: str) -> Any:
        return self.data.body(name).xpos

    def state_vector(self) -> Any:
        return np.concatenate([self.data.qpos.flat, self.data.qvel.flat])


def pair(task: str) -> tuple[Any, Any]:
    """Gym's task, and ours."""
    mujoco_py_setup.prepare()
    mujoco_py_setup.import_gyms_tasks()
    module, _, name = TASKS[task].partition(":")
    gyms = getattr(importlib.import_module(f"gym.envs.mujoco.{module}"), name)
    gyms_env = type(name, (_OfGym,), {"step": gyms.step, "_get_obs": gyms._get_obs, "metadata": gyms.metadata})
    return gyms_env(mujoco_v2.make(task, "gymnasium")), mujoco_v2.make(task, "gymnasium")


def bits(result: tuple[Any, ...]) -> tuple[bytes, bytes, bool]:
    observation, reward, terminated, *_ = result
    return observation.tobytes(), struct.pack("d", reward), bool(terminated)


@every_task
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_same_bits_as_gyms_step(task: str, kind: type) -> None:
    gyms, ours = pair(task)
    rng, steps = np.random.default_rng(0), 0
    for seed in range(10):
        assert gyms.reset(seed=seed)[0].tobytes() == ours.reset(seed=seed)[0].tobytes()
        scale = rng.choice([0.1, 0.5, 2, 1000])
        for _ in range(40):
            action = rng.normal(0, scale, ours.model.nu).astype(kind)
            expected, found = bits(gyms.step(action)), bits(ours.step(action))
            assert found == expected
            steps += 1
            if found[2]:
                break
    assert steps > 50


@every_task
def test_episodes_end_where_gyms_do(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bounds themselves, and where something is not finite: the simulator leaves the state as it is here."""
    monkeypatch.setattr(mujoco, "mj_step", lambda *_: None)
    envs, ends = pair(task), []
    action = np.zeros(envs[0].model.nu)
    bounds = [0.0, 0.2, 0.7, 0.8, 1.0, 1.5, 2.0, 99.5, 100.0, np.inf, np.nan]
    near = [y for x in bounds for y in (x, -x, np.nextafter(x, 1000), np.nextafter(x, -1000))]
    for part in ("qpos", "qvel"):
        for i in (0, 1, 2, 3, -1):
            for value in near:
                found = []
                for env in envs:
                    env.reset(seed=1)
                    getattr(env.data, part)[i] = value
                    with np.errstate(all="ignore"):
                        found.append(bool(env.step(action)[2]))
                assert found[0] == found[1], (part, i, value)
                ends.append(found[0])
    assert set(ends) == ({False} if task == "HalfCheetah" else {True, False})


@every_task
def test_a_film_has_as_many_frames_as_gyms(task: str) -> None:
    gyms, ours = pair(task)
    assert ours.metadata["render_fps"] == gyms.metadata["render_fps"]


@every_task
def test_nothing_of_an_episode_is_left_for_the_next(task: str) -> None:
    used, fresh = (mujoco_v2.make(task, "gymnasium") for _ in range(2))
    action = np.full(used.model.nu, 0.3)
    used.reset(seed=1)
    for _ in range(20):
        used.step(action)
    assert used.reset(seed=2)[0].tobytes() == fresh.reset(seed=2)[0].tobytes()
    for _ in range(5):
        assert bits(used.step(action)) == bits(fresh.step(action))
    assert used.data.time == fresh.data.time
