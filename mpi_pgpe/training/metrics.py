"""What a generation brought: its metrics, the agents to save, and the history that goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mpi_pgpe.agents.agent import Agent
from mpi_pgpe.agents.solution import Solution

Metrics = dict[str, int | float]
"""By name; docs/runs.md lists them."""

MEASURED = {
    "pop_elapsed",
    "elapsed",
    "re_eval_elapsed",
    "ranks",
    "idle_fraction",
    "dropped_fraction",
}
"""Metrics that tell how the run went rather than what came out: the clock's and the machine's."""

NOT_PLOTTED = {"state_digest"}
"""Metrics that tell runs apart, and are no curve."""

HISTORY = ("generation", "timesteps", "pop_mean", "pop_median", "pop_best", "re_eval_mean")
"""Metrics that go with an agent, of the generations up to its own; None where there was no re-evaluation."""

_LONGEST_HISTORY = 4000  # generations; beyond it every second one is left out


@dataclass
class Report:
    """What a generation brought.

    Attributes:
        generation: its number, from 1.
        metrics: by name.
        agent: the center as an agent, if the generation is one to be saved.
        best: the center as an agent, if its re-evaluation is the best so far.
        best_solution: the best solution so far, if it is to be saved.
        failures: messages of the episodes that failed and were given the worst fitness.
    """

    generation: int
    metrics: Metrics
    agent: Agent | Solution | None = None
    best: Agent | Solution | None = None
    best_solution: Agent | Solution | None = None
    failures: list[str] = field(default_factory=list)


def summarize_population(fitness: NDArray[np.float64], interactions: NDArray[np.int64], failed: int) -> Metrics:
    """Metrics of a population's episodes; the fitness is summed up over those that are finite.

    Args:
        fitness: shape (directions, 2).
        interactions: simulator steps, shape (directions, 2).
        failed: episodes that failed.
    """
    finite = fitness[np.isfinite(fitness)]
    return {
        "pop_median": float(np.median(finite)) if len(finite) else np.nan,
        "pop_mean": float(np.mean(finite)) if len(finite) else np.nan,
        "pop_best": float(np.max(finite)) if len(finite) else np.nan,
        "pop_nonfinite": fitness.size - len(finite),
        "pop_failed": failed,
        "popsize": fitness.size,
        "pop_timesteps": int(interactions.sum()),
    }


def summarize_stdev(stdev: NDArray[np.float64]) -> Metrics:
    """Metrics of the standard deviations of the search distribution; `stdev` has shape (parameters,)."""
    return {
        "stdev_min": float(stdev.min()),
        "stdev_max": float(stdev.max()),
        "stdev_mean": float(stdev.mean()),
    }


def summarize_re_evaluation(returns: NDArray[np.float64], generation: int) -> Metrics:
    """Metrics of the center's episodes; `returns` has shape (episodes,)."""
    return {
        "re_eval_mean": float(np.mean(returns)),
        "re_eval_median": float(np.median(returns)),
        "re_eval_min": float(np.min(returns)),
        "re_eval_max": float(np.max(returns)),
        "re_eval_generation": generation,
    }


def add_to_history(history: Mapping[str, list[int | float | None]], metrics: Metrics, scheduled: bool) -> None:
    """Lengthen a history, name -> values, by a generation; `scheduled`: with its re-evaluation."""
    for name, values in history.items():
        values.append(metrics.get(name) if scheduled or name != "re_eval_mean" else None)
        if len(values) > _LONGEST_HISTORY:
            del values[::2]
