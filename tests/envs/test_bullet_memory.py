"""PyBullet begins every episode as a fresh environment begins its first, whatever was played before."""

from __future__ import annotations

import numpy as np
import pytest

from mpi_pgpe import envs

pybullet = pytest.importorskip("pybullet")
pytestmark = pytest.mark.serial

HUMANOID = "HumanoidBulletEnv-v0"
WALKERS = [
    HUMANOID,
    "mpi_pgpe/TinyTrajHumanoidBulletEnv-v0",
    "AntBulletEnv-v0",
    "HopperBulletEnv-v0",
    "Walker2DBulletEnv-v0",
    "HalfCheetahBulletEnv-v0",
]
FLAGRUNS = ["HumanoidFlagrunBulletEnv-v0", "HumanoidFlagrunHarderBulletEnv-v0"]


def contacts(env: envs.Environment) -> int:
    return len(pybullet.getContactPoints(physicsClientId=env._env._p._client))  # type: ignore[attr-defined]


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "as_it_is"])
@pytest.mark.parametrize("name", WALKERS)
def test_no_contact_outlives_its_episode(name: str, fast: bool) -> None:
    env = envs.make(name, {}, fast)
    for seed in range(3):
        env.reset(seed)
        assert contacts(env) == 0
        for _ in range(80):
            env.step(np.zeros(env.action_space.size, np.float32))
        assert contacts(env) > 0
    env.remake()
    env.reset(1)
    assert contacts(env) == 0
