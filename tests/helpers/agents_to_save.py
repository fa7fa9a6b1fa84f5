"""An agent of random numbers, with and without normalization."""

from __future__ import annotations

import pickle

import numpy as np

from mpi_pgpe.agents import Agent
from mpi_pgpe.agents.file import compute_checksum
from mpi_pgpe.policies.network import PolicyShape
from mpi_pgpe.policies.normalization import Moments
from mpi_pgpe.policies.spaces import ActionSpace

BOX = ActionSpace(2, np.float32([-1, -np.inf]), np.float32([0.5, np.inf]))


def make_agent(hidden=(3,), space=BOX, normalized=True) -> Agent:
    shape = PolicyShape(4, space.size, hidden)
    rng = np.random.default_rng(0)
    moments = None
    if normalized:
        moments = Moments(4)
        moments.observe(rng.normal(2, 3, (50, 4)))
    metadata = {"env_name": "Some-v0", "env_config": {"size": [1, 2.5, None]}, "notes": "Größe", "returns": {"a": 1.5}}
    return Agent(rng.normal(size=shape.num_parameters).astype(np.float32), shape, space, moments, metadata)


def repickled(data: dict) -> bytes:
    """A file with other entries, and the checksum that belongs to them."""
    content = pickle.dumps(data, protocol=4)
    return content + compute_checksum(content)
