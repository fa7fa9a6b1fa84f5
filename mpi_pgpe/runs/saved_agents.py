"""The agents of a run on disk, and the folders that they go to."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.solution import Solution, write_saved
from mpi_pgpe.base.errors import UserError
from mpi_pgpe.base.text import format_path
from mpi_pgpe.runs.run_folder import BEST_AGENT, BEST_SOLUTION
from mpi_pgpe.training.metrics import Report
from mpi_pgpe.training.settings import Settings

_LONGEST_NAME = 120  # bytes of an environment's name in that of a file, which has 255 in all
AGENTS = Path("saved_agents")
"""Where the agents and checkpoints of runs without -F go."""


def make_agents_folder(settings: Settings) -> Path:
    """A new folder for the agents of a run that is not recorded.

    Raises:
        UserError: it cannot be made.
    """
    folder = AGENTS.absolute() / make_folder_name(settings.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made: {error.strerror}; make room, or choose another folder") from None
    return folder


def make_folder_name(env_name: str) -> str:
    """A name that no other run has."""
    return f"{time.strftime('%Y_%m_%d_%H_%M_%S')}_{_file_name(env_name)}_{os.getpid()}"


def save_agents(
    report: Report, settings: Settings, folder: Path, add_artifact: Callable[[str, str], None]
) -> Path | None:
    """Write the agents of a report, and record them as artifacts; returns the path of the center's."""

    def write(name: str, agent: Agent | Solution) -> Path:
        path = folder / name
        try:
            write_saved(path, agent)
            add_artifact(str(path), name)  # the recorder finds it in its place already
        except OSError as error:
            print(
                f"cannot save {format_path(path)}: {error.strerror or error}; the run goes on",
                file=sys.stderr,
                flush=True,
            )
        return path

    if report.best is not None:
        write(BEST_AGENT, report.best)
    if report.best_solution is not None:
        write(BEST_SOLUTION, report.best_solution)
    if report.agent is None:
        return None
    return write(name_agent_file(settings.name, settings.seed, report.generation), report.agent)


def name_agent_file(name: str, seed: int, generation: int) -> str:
    """The name of the file with a run's center after a generation; `name` is that of the environment or function."""
    return f"{_file_name(name)}_seed{seed}_iter{generation}.pickle"


def _file_name(env_name: str) -> str:
    name = env_name.rpartition(":")[2].rpartition("/")[2]
    return os.fsencode(name)[:_LONGEST_NAME].decode(errors="ignore")
