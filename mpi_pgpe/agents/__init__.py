"""The saved agent: what training leaves, read without running anything that the file brings.

    agent                     the agent in memory
    file                      its file, written and read
    network_data              the network as plain data
    solution                  what is saved of a function
    safe_pickle, plain_data   pickles as data
    pgpelib                   agents of pgpelib (2020)
    numpy_policy              agents as functions of numpy arrays
    in_torch/                 agents as torch modules; the only place that imports torch
    __main__                  the command `python -m mpi_pgpe.agents`

May import: policies, base; of third parties numpy and, in in_torch alone, torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpi_pgpe.agents.agent import Agent
    from mpi_pgpe.agents.file import AgentFileError, read_agent, write_agent
    from mpi_pgpe.agents.solution import Solution, read_solution

__all__ = ["Agent", "AgentFileError", "Solution", "read_agent", "read_solution", "write_agent"]

_HOME = {
    "Agent": "agent",
    "AgentFileError": "file",
    "read_agent": "file",
    "write_agent": "file",
    "Solution": "solution",
    "read_solution": "solution",
}


def __getattr__(name: str) -> Any:
    # So that the command `agents` has begun before numpy is loaded.
    if name in _HOME:
        return getattr(importlib.import_module(f"mpi_pgpe.agents.{_HOME[name]}"), name)
    raise AttributeError(f"module 'mpi_pgpe.agents' has no attribute {name!r}")
