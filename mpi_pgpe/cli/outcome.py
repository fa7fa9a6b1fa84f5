"""What a run has come to, for those who started it from Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.file import read_agent
from mpi_pgpe.agents.solution import Solution, read_solution
from mpi_pgpe.base.regular_file import read_regular
from mpi_pgpe.base.state import digest
from mpi_pgpe.runs.run_folder import BEST_SOLUTION, COMPLETED, LARGEST_JSON
from mpi_pgpe.runs.saved_agents import name_agent_file
from mpi_pgpe.runs.start import Start

Columns = Mapping[str, tuple[Sequence[int], Sequence[float]]]
"""name -> (generations, values)."""


@dataclass
class Outcome:
    """What a run has come to.

    Attributes:
        complete: whether nothing of the run is left to do.
        generation: the last one.
        center, stdev: of the search distribution, float64 of shape (parameters,).
        history: the metrics by name, an array each with a value for each generation; see `make_history`.
        agent: the center as an agent, or as a solution of a function.
        best_solution: likewise; its metadata have its fitness. None: no fitness was finite, or the run is of 0.1.0.
        folder: of the record, or of the agents; an absolute path.
        state_digest: as it is printed.
        re_eval_mean: the last re-evaluated mean return, if there was one.
    """

    complete: bool
    generation: int
    center: NDArray[np.float64]
    stdev: NDArray[np.float64]
    history: dict[str, NDArray[Any]]
    agent: Agent | Solution
    best_solution: Agent | Solution | None
    folder: Path
    state_digest: str
    re_eval_mean: float | None


def make_history(columns: Columns) -> dict[str, NDArray[Any]]:
    """Metrics by name, each an array of shape (generations,) with a value for each generation so far.

    Numbers without a fraction are int64. A metric that some generations do not have is float64, with NaN for those.
    """
    generations = sorted({generation for found, _ in columns.values() for generation in found})
    place = {generation: number for number, generation in enumerate(generations)}
    history: dict[str, NDArray[Any]] = {}
    for name, (found, values) in columns.items():
        column = np.array(values)
        if len(found) < len(generations):
            column = np.full(len(generations), np.nan)
            column[[place[generation] for generation in found]] = values
        history[name] = column
    return history


def read_outcome(start: Start) -> Outcome:
    """What a run has come to that is complete, with the checkpoint `start` and its agents in the folder that it names.

    Raises:
        AgentFileError: its agent is not there.
    """
    result, metrics = start.content["trainer"]["result"], start.content["metrics"]
    end = json.loads(read_regular(start.path.parent / COMPLETED, LARGEST_JSON))
    settings, folder = start.content["settings"], Path(end["folder"])
    function = settings.get("function")
    name = name_agent_file(function or settings["env_name"], start.seed, start.generation)
    read: Callable[[Path], Agent | Solution] = read_agent if function is None else read_solution
    best = folder / BEST_SOLUTION
    return Outcome(
        complete=True,
        generation=start.generation,
        center=result["search"]["center"],
        stdev=result["search"]["stdev"],
        history=make_history({name: (c["generations"].tolist(), c["values"].tolist()) for name, c in metrics.items()}),
        agent=read(folder / name),
        best_solution=read(best) if best.exists() else None,
        folder=folder,
        state_digest=f"{digest(result):012x}",
        re_eval_mean=end.get("re_eval_mean"),
    )
