"""A saved solution: what the search found for a function of one's own, in a file like that of an agent.

A pickle of plain data with a checksum behind it, written atomically and read without running anything; see file.py.
"""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.file import FORMAT_OF_SOLUTIONS, AgentFileError, compute_checksum, write_agent
from mpi_pgpe.agents.plain_data import copy_plain_data
from mpi_pgpe.agents.safe_pickle import load
from mpi_pgpe.base.atomic_file import write_atomically
from mpi_pgpe.base.regular_file import read_regular
from mpi_pgpe.base.text import make_printable

VERSION = 1
_LARGEST_FILE = 2**33  # bytes


@dataclass
class Solution:
    """A point of a function's space.

    Attributes:
        parameters: float64 of shape (solution_length,).
        metadata: plain data: function, generation, seed, settings, ...
    """

    parameters: NDArray[np.float64]
    metadata: dict[str, Any] = field(default_factory=dict)


def write_saved(path: str | os.PathLike[str], saved: Agent | Solution) -> None:
    """Write an agent or a solution to `path`: all of it or nothing, even if the machine fails meanwhile."""
    if isinstance(saved, Agent):
        write_agent(path, saved)
        return
    content = pickle.dumps(
        {
            "format": FORMAT_OF_SOLUTIONS,
            "version": VERSION,
            "parameters": saved.parameters.astype("<f8").tobytes(),
            "metadata": copy_plain_data(saved.metadata),
        },
        protocol=4,
    )
    write_atomically(path, content + compute_checksum(content))


def read_solution(path: str | os.PathLike[str]) -> Solution:
    """Read a saved solution; runs no code that the file brings.

    Raises:
        AgentFileError: the file is missing, damaged, or not a saved solution.
    """
    try:
        content = read_regular(path, _LARGEST_FILE)
        data, end = load(content)
        if not isinstance(data, dict) or data.get("format") != FORMAT_OF_SOLUTIONS or data.get("version") != VERSION:
            raise ValueError("it is a pickle of something else")
        if content[end:] != compute_checksum(memoryview(content)[:end]):
            raise ValueError("the file is damaged: its checksum is not that of its content")
        parameters = np.frombuffer(data["parameters"], "<f8").astype(np.float64)
        if not np.isfinite(parameters).all():
            raise ValueError("not all of its numbers are finite")
        return Solution(parameters, copy_plain_data(data["metadata"]))
    except OSError as error:
        raise AgentFileError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # what is missing or odd in a file can raise almost anything
        raise AgentFileError(make_printable(f"{path}: expected a saved solution, but {error}")) from None
