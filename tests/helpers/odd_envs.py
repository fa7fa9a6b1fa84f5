"""Environments that misbehave in known ways, named `odd_envs:Class`; pure Python but for what hangs."""

from __future__ import annotations

import ctypes
import itertools
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import gym
import numpy as np


class Walk(gym.Env):
    """Thirty steps of a damped walk that the actions push; the start depends on the seed."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    length = 30

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.state = self.np_random.standard_normal(3)
        self.steps = 0
        return self.state.astype(np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        self.state = 0.9 * self.state + 0.1 * np.array([action[0], action[1], action[0] * action[1]])
        ended = self.steps >= self.length or self.state[2] < -2.5
        return self.state.astype(np.float32), float(1 - np.abs(self.state - 1).sum()), ended, False, {}


class Slow(Walk):
    """Takes a while, SECONDS_OF_A_STEP, so that there is time to be killed in the middle; makes the file STARTED."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if started := os.environ.get("STARTED"):
            Path(started).touch()
        time.sleep(float(os.environ.get("SECONDS_OF_A_STEP", "0.0005")))
        return super().step(action)


class SlowAndSeen(Slow):
    """The same with pictures, of noise, so that a film of it grows with every frame."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
    length = 1000

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def render(self) -> Any:
        return np.random.default_rng(self.steps).integers(0, 256, (64, 96, 3), dtype=np.uint8)


class ToldToStop(Walk):
    """Sends its process SIGTERM in the middle of episode EPISODE_OF_SIGTERM."""

    episodes = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.episodes += 1
        return super().reset(seed=seed)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.steps == 5 and self.episodes == int(os.environ["EPISODE_OF_SIGTERM"]):
            signal.raise_signal(signal.SIGTERM)
        return super().step(action)


class SmallFiles(Walk):
    """On a disk that refuses files of more than LARGEST_FILE bytes; from when it is made, because MPI needs some."""

    def __init__(self) -> None:
        if limit := os.environ.get("LARGEST_FILE"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))


class HeavyTail(Walk):
    """An episode takes a time drawn from a Pareto distribution (shape 1.3, at least 2 ms), slept in small steps."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        observation, info = super().reset(seed=seed)
        self.nap = min(0.002 * (1 + self.np_random.pareto(1.3)), 0.5) / self.length
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        time.sleep(self.nap)
        return super().step(action)


class Leaky(Walk):
    """Carries the count of its episodes into the next one's reward."""

    def __init__(self) -> None:
        self.episodes = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.episodes += 1
        return super().reset(seed=seed)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, *rest = super().step(action)
        return observation, reward + 0.01 * self.episodes, *rest


class Failing(Walk):
    """Raises in the third step of episodes whose seed is a multiple of `every`."""

    def __init__(self, every: int = 5) -> None:
        self.every = every

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.fails = seed is not None and seed % self.every == 0
        return super().reset(seed=seed)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.fails and self.steps == 2:
            self.fail()
        return super().step(action)

    def fail(self) -> None:
        raise RuntimeError("the leg came off")


class Sleeping(Failing):
    """Does not return from that step, in Python."""

    def fail(self) -> None:
        for _ in itertools.count():
            time.sleep(0.01)


class Stuck(Failing):
    """Does not return from that step, in native code that holds the interpreter's lock."""

    def fail(self) -> None:
        only = os.environ.get("STUCK_RANK")
        rank = os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK") or "0"
        if only in (None, rank):
            library, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(64)
            while True:  # waits for itself at the second turn
                library.pthread_mutex_lock(mutex)
