"""An environment whose steps take time but no core, so that the hosts that share this machine's cores are real ones.

Until there is the file that SLOW_UNTIL names in a process's environment, its steps take four times as long: so that
a test that does something to a run is in time for it.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import gym
import numpy as np


class Sleepy(gym.Env[Any, Any]):
    """Reward for actions near a target that follows from the observation.

    Args:
        steps, seconds: of an episode, and how long each step takes.
        observations, actions: how many numbers.
        diary: folder in which each process leaves a file: host, environment's folder, mpi_pgpe's, episodes begun.
    """

    episodes = 0  # begun in this process

    def __init__(
        self, steps: int = 20, seconds: float = 0.005, observations: int = 8, actions: int = 4, diary: str | None = None
    ) -> None:
        self.steps, self.seconds, self.diary = steps, seconds, diary
        self.slow_until = os.environ.get("SLOW_UNTIL")
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (observations,), np.float32)
        self.action_space = gym.spaces.Box(-1, 1, (actions,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        Sleepy.episodes += 1
        if self.diary is not None:
            host = socket.gethostname()
            Path(self.diary, f"{host}-{os.getpid()}").write_text(
                f"{host} {sys.prefix} {sys.modules['mpi_pgpe'].__path__[0]} {Sleepy.episodes}"
            )
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        slow = self.slow_until is not None and not os.path.exists(self.slow_until)
        time.sleep(self.seconds * (4 if slow else 1))
        self.t += 1
        reward = -float(np.abs(action - np.tanh(self.state[: len(action)])).mean())
        return self._observe(), reward, False, self.t >= self.steps, {}

    def _observe(self) -> Any:
        self.state = self.np_random.normal(size=self.observation_space.shape).astype(np.float32)
        return self.state
