"""Maximizing a function of one's own from Python: in scripts, under mpirun too, and in notebooks.

result = mpi_pgpe.maximize(lambda x: -np.sum((x - 1) ** 2), solution_length=10, seed=1)
result.center, result.best_solution, result.best_fitness
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.base.errors import WrongInput
from mpi_pgpe.from_python import Path_, run_settings
from mpi_pgpe.training.functions import give_function
from mpi_pgpe.training.on_generation import GenerationReport

if TYPE_CHECKING:
    from mpi_pgpe.cli.outcome import Outcome


@dataclass
class MaximizationResult:
    """What a search has come to; the same on every rank.

    Attributes:
        center: of the search distribution after the last generation, float64 of shape (solution_length,).
        best_solution: the solution with the highest fitness of the run, as it was evaluated, likewise; None if no
            fitness was finite.
        best_fitness: the fitness that it had; NaN if there is none.
        history: the metrics by the names of the record, each an array with a value for each generation; NaN where a
            generation has none.
        folder: of the record (`results`), or else of the saved solutions.
        state_digest: 12 hexadecimal digits that stand for all that the run has come to, as the command prints them.
        complete: whether nothing of it is left to do; False only in `Stopped.result`.
    """

    center: NDArray[np.float64]
    best_solution: NDArray[np.float64] | None
    best_fitness: float
    history: dict[str, NDArray[Any]]
    folder: Path
    state_digest: str
    complete: bool


def maximize(
    fitness: str | Callable[..., Any],
    *,
    solution_length: int,
    results: Path_ | None = None,
    mongo_db: str | None = None,
    configurations: str | Sequence[str] = (),
    on_generation: Callable[[GenerationReport], object] | None = None,
    verbose: bool = True,
    **settings: Any,
) -> MaximizationResult:
    """Search for the solution with the highest fitness, as `python -m mpi_pgpe.train with function=... ` does.

    All ranks: under mpirun every rank makes the call, and rank 0's arguments count, but for `fitness`, which each rank
    takes from its own call.

    Args:
        fitness: a function, or its name `module:name`. Called with a solution, float64 of shape (solution_length,), and
            with a seed (an int) if it has a second argument without a default, or one named `seed`. It returns a
            number, or (number, interactions). With `batch=True` it is called with solutions of shape
            (n, solution_length), and seeds of shape (n,), and returns n numbers, or (n numbers, n interactions); n is
            at most `batch_size`, whatever the number of ranks. Arrays are its own: it may change them.
        solution_length: number of parameters.
        results: a folder in which the run is recorded, as with -F; None: solutions alone are saved, in `saved_agents`.
        mongo_db: a database in which it is recorded, as with -m.
        configurations: files of settings, as behind `with`.
        on_generation: see `train_agent`.
        verbose: whether to print what the command prints.
        settings: by their names, as docs/configuration.md lists them: `init`, `radius` or `stdev`, `popsize`, ...

    Raises:
        WrongInput: an argument cannot be.
        TaskFailed: the function raised, or returned what is no fitness; the message names rank, direction and seed.
        Stopped: by a signal or a limit of time, before it was complete; its `result` is what there is.
    """
    name = fitness if isinstance(fitness, str) else give_function(fitness)
    if "function" in settings:
        raise WrongInput("function: expected the function as the first argument")
    if isinstance(settings.get("init"), np.ndarray):
        settings["init"] = settings["init"].tolist()
    return run_settings(
        {**settings, "function": name, "solution_length": solution_length},
        _result,
        results=results,
        mongo_db=mongo_db,
        configurations=configurations,
        on_generation=on_generation,
        verbose=verbose,
    )


def _result(outcome: Outcome) -> MaximizationResult:
    best = outcome.best_solution
    return MaximizationResult(
        center=outcome.center,
        best_solution=None if best is None else best.parameters.astype(np.float64),
        best_fitness=np.nan if best is None else float(best.metadata["best_solution"]["fitness"]),
        history=outcome.history,
        folder=outcome.folder,
        state_digest=outcome.state_digest,
        complete=outcome.complete,
    )
