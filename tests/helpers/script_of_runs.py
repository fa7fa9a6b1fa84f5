"""A script that trains from Python: `script_of_runs.py WHAT RESULTS SETTINGS`; a rank prints a line of JSON a run."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import gym
import numpy as np

import mpi_pgpe
from mpi_pgpe import restore

WHAT, RESULTS, SETTINGS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])


class Own(gym.Env):
    """An environment that stands in the script itself."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left, self.wanted = 5, self.np_random.normal()
        return np.array([self.left, self.wanted], np.float32), {}

    def step(self, action):
        self.left -= 1
        observed = np.array([self.left, self.wanted], np.float32)
        return observed, -abs(float(action[0]) - self.wanted), self.left == 0, False, {}


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def train(**more: Any) -> None:
    try:
        result = mpi_pgpe.train_agent(results=RESULTS, verbose=False, **SETTINGS | more)
    except mpi_pgpe.UserError as error:
        tell(error=type(error).__name__, says=str(error))
        return
    observation = np.zeros(result.agent.shape.observation_size)
    tell(
        digest=result.state_digest,
        folder=str(result.folder),
        pop_mean=result.history["pop_mean"].tolist(),
        complete=result.complete,
        action=np.asarray(result.agent(observation)).tolist(),
        restored=np.asarray(restore.to_numpy_policy(result.agent)(observation)).tolist(),
    )


if WHAT == "twice":
    train()
    train(popsiz=3)
    train(env=Own)
elif WHAT == "refused":
    mpi_pgpe.train_agent(popsiz=3)
elif WHAT == "dies":
    train()
    train(on_generation=lambda report: os.kill(os.getpid(), signal.SIGKILL))
elif WHAT == "dies between runs":
    train()
    os.kill(os.getpid(), signal.SIGKILL)
elif WHAT == "one rank ends":
    from mpi4py import MPI

    train()
    if MPI.COMM_WORLD.Get_rank() == 0:
        train()
elif WHAT == "one rank raises":
    from mpi4py import MPI

    train()
    if MPI.COMM_WORLD.Get_rank() == 1:
        raise RuntimeError("a fault on rank 1")
    train()
elif WHAT == "rank 0 ends":
    from mpi4py import MPI

    train()
    if MPI.COMM_WORLD.Get_rank() > 0:
        train()
