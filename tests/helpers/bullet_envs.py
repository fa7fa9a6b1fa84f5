"""PyBullet environments of a user's own, named `bullet_envs:Name`: a box that is pushed along a floor."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pybullet


class Renews(gymnasium.Env):
    """Loads all anew for every episode."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self) -> None:
        self.world = {"physicsClientId": pybullet.connect(pybullet.DIRECT)}

    def load(self) -> None:
        pybullet.resetSimulation(**self.world)
        pybullet.setGravity(0, 0, -9.8, **self.world)
        floor = pybullet.createCollisionShape(pybullet.GEOM_PLANE, **self.world)
        box = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=[0.5, 0.5, 0.5], **self.world)
        pybullet.createMultiBody(0, floor, **self.world)
        self.box = pybullet.createMultiBody(1, box, basePosition=[0, 0, 0.6], **self.world)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.load()
        return self.observe(), {}

    def observe(self) -> np.ndarray:
        return np.array(pybullet.getBasePositionAndOrientation(self.box, **self.world)[0], np.float32)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        force = [20 * float(action[0]), 20 * float(action[1]), 0]
        pybullet.applyExternalForce(self.box, -1, force, [0, 0, 0], pybullet.LINK_FRAME, **self.world)
        pybullet.stepSimulation(**self.world)
        observation = self.observe()
        return observation, float(observation[0]), False, False, {}

    def close(self) -> None:
        pybullet.disconnect(**self.world)


class Keeps(Renews):
    """Puts the box back, turned as it was."""

    loaded = False

    def load(self) -> None:
        if not self.loaded:
            super().load()
        self.loaded = True
        _, turned = pybullet.getBasePositionAndOrientation(self.box, **self.world)
        pybullet.resetBasePositionAndOrientation(self.box, [0, 0, 0.6], turned, **self.world)
