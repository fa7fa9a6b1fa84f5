"""Environments of the tests, named `small_envs:Class` or `small_envs:ID`; importing this registers the IDs."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from pathlib import Path

import gym
import numpy as np

MADE: list[str] = []
"""Class names of the environments made in this process, unless they are gym's own."""


class Slope(gym.Env):
    """Episodes of 3 to 10 steps, drawn from the seed; the reward is the first action plus a number of the reset."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, scale: float = 1.0):
        MADE.append(type(self).__name__)
        self.scale = scale
        self.steps_made = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seed_of_episode = seed
        self.left = int(self.np_random.integers(3, 11))
        self.bonus = float(self.np_random.normal())
        return self.observe(), {}

    def observe(self):
        return np.array([self.left, self.bonus])

    def step(self, action):
        self.left -= 1
        self.steps_made += 1
        return self.observe(), self.scale * float(action[0]) + self.bonus, self.left == 0, False, {}


class Endless(Slope):
    """Never ends of itself."""

    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        return observation, reward, False, False, info


class FarAway(Slope):
    """Its observations are a million from zero, all but the first element."""

    def observe(self):
        return np.array([self.left / 10, 1e6 + self.bonus])


class OldSlope(Slope):
    """The API before gym 0.26: `seed`, `reset` to an observation alone, steps in 4-tuples."""

    def seed(self, seed=None):
        self._seed = seed
        return [seed]

    def reset(self):
        return super().reset(seed=self._seed)[0]

    def step(self, action):
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, info


class OneReward(Slope):
    """The reward is the number of steps left, in one array that every step returns."""

    def __init__(self):
        super().__init__()
        self.reward = np.zeros(())

    def step(self, action):
        observation, _, *end = super().step(action)
        self.reward[()] = self.left
        return observation, self.reward, *end


class Spring(Slope):
    """Has a `stretch` of its own kind."""

    def __init__(self):
        super().__init__()
        self.stretch = 0.5


class Rope(Slope):
    """Has one that cannot be looked at yet."""

    @property
    def stretch(self):
        raise RuntimeError("it is slack")


class Unseeded(Slope):
    """Takes no seed at all."""

    def reset(self):
        return super().reset()


class SometimesNaN(Slope):
    """A third of the seeds gives a NaN reward, another third an infinite one."""

    def step(self, action):
        observation, reward, *end = super().step(action)
        return observation, [np.nan, np.inf, reward][self.seed_of_episode % 3], *end


class SpoiltByNaN(SometimesNaN):
    """Like it, but what is not finite once never is again."""

    spoilt = 0.0

    def step(self, action):
        observation, reward, *end = super().step(action)
        self.spoilt += 0 * reward
        return observation, reward + self.spoilt, *end


class Blinded(Slope):
    """Observes NaN in episodes of a third of the seeds."""

    def observe(self):
        return super().observe() * (1 if self.seed_of_episode % 3 else np.nan)


class SpoiltByRaising(Slope):
    """Raises in episodes of a third of the seeds, and in all that come after one of them."""

    spoilt = False

    def step(self, action):
        self.spoilt = self.spoilt or self.seed_of_episode % 3 == 0
        if self.spoilt:
            raise RuntimeError("the joint broke")
        return super().step(action)


class AlwaysNaN(Slope):
    """Returns that are never finite."""

    def step(self, action):
        observation, _, *end = super().step(action)
        return observation, np.nan, *end


class Raises(Slope):
    """Raises in the second step of an episode whose seed is divisible by `every`."""

    def __init__(self, every: int = 1):
        super().__init__()
        self.every = every

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return super().reset(seed=seed)

    def step(self, action):
        self.count += 1
        if self.count == 2 and self.seed_of_episode % self.every == 0:
            raise RuntimeError("the joint broke")
        return super().step(action)


class RaisesOnRank(Slope):
    """Raises on one rank of the world, and keeps the others busy meanwhile."""

    def __init__(self, rank: int):
        super().__init__()
        from mpi4py import MPI

        self.broken = MPI.COMM_WORLD.Get_rank() == rank

    def step(self, action):
        if self.broken:
            raise RuntimeError("the joint broke")
        time.sleep(0.01)
        return super().step(action)


class LongStepOnRank0(RaisesOnRank):
    """Raises on rank 1 once rank 0 is in a step of a minute, in Python or in native code that stops all threads."""

    def __init__(self, file: str, native: bool):
        super().__init__(rank=1)
        from mpi4py import MPI

        self.root = MPI.COMM_WORLD.Get_rank() == 0
        self.file, self.native = Path(file), native

    def step(self, action):
        if self.root:
            self.file.write_text("begun")
        while not self.file.exists():
            time.sleep(0.01)
        if not self.broken:
            (ctypes.PyDLL(None).sleep if self.native else time.sleep)(60)
            self.file.write_text("over")
        return super().step(action)


class LeavesOnRank(Slope):
    """Ends the program, as it thinks, on one rank: when it is made, or in its first step, with exit code 0."""

    def __init__(self, rank: int, when: str):
        super().__init__()
        from mpi4py import MPI

        self.leaves = MPI.COMM_WORLD.Get_rank() == rank
        if self.leaves and when == "made":
            sys.exit(0)

    def step(self, action):
        if self.leaves:
            sys.exit(0)
        return super().step(action)


class Slow(Slope):
    """Long episodes; the process leaves a file named after its id in the folder once it steps."""

    def __init__(self, folder: str):
        super().__init__()
        self.folder = folder

    def step(self, action):
        Path(self.folder, str(os.getpid())).touch()
        time.sleep(0.02)
        observation, reward, *_ = super().step(action)
        return observation, reward, False, False, {}


class Recorder(Slope):
    """Writes rank, imported modules and environment variables of its process into the folder, in each step."""

    def __init__(self, folder: str):
        super().__init__()
        from mpi4py import MPI

        self.file = Path(folder, f"{MPI.COMM_WORLD.Get_rank()}.json")

    def step(self, action):
        self.file.write_text(json.dumps({"modules": sorted(sys.modules), "environ": dict(os.environ)}))
        time.sleep(0.002)
        return super().step(action)


class Mark(Slope):
    """Leaves a file behind when it is made."""

    def __init__(self, file: str):
        super().__init__()
        Path(file).touch()


class NoEnvironment:
    """Has nothing that an environment needs."""


class NoObservations(Slope):
    observation_space = gym.spaces.Box(-1, 1, (0,))


class NoActions(Slope):
    action_space = gym.spaces.Box(-1, 1, (0,))


class Lottery(Slope):
    """Discrete actions 5, 6, 7: the reward is the action; refuses any other."""

    action_space = gym.spaces.Discrete(3, start=5)

    def step(self, action):
        assert action in (5, 6, 7), action
        return super().step([action])


class Narrow(Slope):
    """Actions between 2 and 3; refuses any other."""

    action_space = gym.spaces.Box(2.0, 3.0, (1,), np.float32)

    def step(self, action):
        assert 2 <= action[0] <= 3, action
        return super().step(action)


gym.register(id="Slope-v0", entry_point=Slope, max_episode_steps=5)
gym.register(id="OldSlope-v0", entry_point=OldSlope, max_episode_steps=5)
