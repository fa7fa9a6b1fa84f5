"""What is peculiar to the fast path of mujoco-py; test_fast_mujoco.py compares the bits of its tasks, too."""

from __future__ import annotations

import numpy as np
import pytest
from families import needs_mujoco_py
from fast_mujoco_tasks import assert_same_episode, pair, random_actions

from mpi_pgpe import envs
from mpi_pgpe.envs.mujoco import mujoco_py_fast

pytestmark = [pytest.mark.serial, needs_mujoco_py]


@pytest.mark.parametrize("name", ["gym/Humanoid-v2", "gym/Ant-v2"])
def test_same_bits_where_contact_forces_are_not_zero(name: str) -> None:
    """mujoco-py leaves them at zero, as no sensor asks for them; so they are set here."""
    plain, fast = pair(name)
    forces = plain._env.data.cfrc_ext
    plain.reset(0), fast.reset(0)
    for scale in (0.3, 3.0, 1e4):
        for env in plain, fast:
            env._env.data.cfrc_ext[:] = np.random.default_rng(1).normal(0, scale, forces.shape)
        action = np.full(plain.action_space.size, 0.1, np.float32)
        observation, reward, *_ = plain.step(action)
        other, others, *_ = fast.step(action)
        assert forces.any()
        assert observation.tobytes() == other.tobytes()
        assert reward == others


def test_the_same_error_when_the_simulation_breaks_down_and_the_same_episode_after_it() -> None:
    plain, fast = pair("gym/Humanoid-v2")
    messages = []
    for env in plain, fast:
        env.reset(0)
        env._env.data.qvel[3] = 1e12
        with pytest.raises(Exception, match=r"(?i)mujoco|nan") as error:
            env.step(np.zeros(17, np.float32))
        messages.append(f"{type(error.value).__name__}: {error.value}")
        assert env._env.sim.nsubsteps == 1
    assert messages[0] == messages[1]
    assert_same_episode(plain, fast, random_actions(plain, 1), 1, 50)


@pytest.mark.parametrize("package", ["gym", "mujoco-py"])
def test_other_versions_run_as_they_are_with_a_warning(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mujoco_py_fast.VERIFIED, package, {"1.2.3"})
    with pytest.warns(UserWarning, match=rf"HopperEnv is verified for .*{package} 1\.2\.3.* here are .*{package} "):
        env = envs.make("gym/Hopper-v2", {})
    assert "step" not in vars(env._env)
