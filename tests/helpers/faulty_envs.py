"""Environments with one fault each, named `faulty_envs:Class`."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box


class Plain(gymnasium.Env):  # type: ignore[type-arg]
    """`length` steps; two actions, three random observations."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float32)
    action_space = Box(-1, 1, (2,), np.float32)

    def __init__(self, length: int = 10) -> None:
        self.length = length

    def observe(self) -> Any:
        return self.np_random.standard_normal(self.observation_space.shape).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return self.observe(), float(action.sum()), False, self.steps >= self.length, {}


class Wide(Plain):
    """Very many observations."""

    observation_space = Box(-np.inf, np.inf, (100_000,), np.float32)


class OtherShape(Plain):
    """Observes something else than it says: when it is reset, or from the second step on."""

    def __init__(self, shape: list[int], when: str) -> None:
        super().__init__()
        self.shape, self.when = shape, when

    def observe(self) -> Any:
        if self.steps == 0 if self.when == "reset" else self.steps > 1:
            return np.zeros(self.shape, np.float32) if self.shape else 0.5
        return super().observe()


class NoInfo(Plain):
    """Of the old API, with None for info."""

    def seed(self, seed: int | None = None) -> None:
        self.seeded = seed

    def reset(self) -> Any:  # type: ignore[override]
        return super().reset(seed=self.seeded)[0]

    def step(self, action: Any) -> Any:
        observation, reward, _, over, _ = super().step(action)
        return observation, reward, over, None


class _ForgetsSeed(gymnasium.Wrapper):  # type: ignore[type-arg]
    def reset(self) -> Any:  # type: ignore[override]
        return self.env.reset()


def wrapped_without_seed() -> Any:
    return _ForgetsSeed(Plain())


class Program(Plain):
    """Starts a program that only its `close` ends; its process id is in the folder."""

    def __init__(self, folder: str, fault: str = "") -> None:
        super().__init__()
        self.program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
        Path(folder, str(self.program.pid)).touch()
        self.fault = fault

    def step(self, action: Any) -> Any:
        if self.fault == "raises" and self.steps == 3:
            raise RuntimeError("the joint broke")
        if self.fault == "slow":
            time.sleep(0.01)
        return super().step(action)

    def close(self) -> None:
        self.program.terminate()
        self.program.wait()


class Thread(Plain):
    """Leaves a thread that never ends."""

    def __init__(self) -> None:
        super().__init__()
        threading.Thread(target=threading.Event().wait, name="camera").start()


class CannotBeClosed(Plain):
    """Its `close` raises, or never returns."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def close(self) -> None:
        if self.how == "raises":
            raise RuntimeError("the door is stuck")
        while True:
            time.sleep(0.01)


class Painted(Plain):
    """Each frame is brighter than the one before; so many of them a second."""

    def __init__(self, fps: float, length: int = 10, render_mode: str | None = None) -> None:
        super().__init__(length)
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": fps}
        self.render_mode = render_mode

    def render(self) -> Any:
        return np.full((64, 64, 3), 20 * self.steps, np.uint8)
