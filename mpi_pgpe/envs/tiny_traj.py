"""The environment of the default run: PyBullet's humanoid, rewarded for running and not for standing."""

from __future__ import annotations

from typing import Any

from pybullet_envs.gym_locomotion_envs import HumanoidBulletEnv


class TinyTrajHumanoidBulletEnv(HumanoidBulletEnv):  # type: ignore[misc]
    """HumanoidBulletEnv with a reward that leaves the survival bonus out.

    The reward is the sum of the environment's `rewards` list from its second element on: progress and
    the costs of electricity, of joints at their limits and of colliding feet. Registered as
    `mpi_pgpe/TinyTrajHumanoidBulletEnv-v0` with episodes of at most 200 steps (ClipUp paper, section 4).
    """

    def step(self, a: Any) -> tuple[Any, float, bool, dict[str, Any]]:
        observation, _, done, info = super().step(a)
        return observation, sum(self.rewards[1:]), done, info
