"""Training runs of the tests, on the ranks of a communicator together."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpi_pgpe.parallel.farm import Farm
from mpi_pgpe.parallel.world import World
from mpi_pgpe.training.metrics import MEASURED
from mpi_pgpe.training.settings import Settings
from mpi_pgpe.training.team import Team
from mpi_pgpe.training.trainer import Trainer

BASE = {
    "seed": 5,
    "niters": 3,
    "popsize": 8,
    "popsize_max": None,
    "num_interactions": None,
    "re_eval_interval": 2,
    "re_eval_num_episodes": 3,
    "max_speed": 0.3,
    "hidden_size": 4,
    "num_hidden": 1,
}


def train(values: dict[str, Any], comm: Any = None, root_evaluates: bool = True) -> tuple[Trainer, list] | None:
    """All ranks: run a training; on rank 0 returns (trainer, reports), elsewhere None."""
    team = Team(Farm(World(comm), root_evaluates=root_evaluates))
    if team.world.rank > 0:
        assert team.serve() == 0
        return None
    trainer = Trainer(Settings.check(BASE | values), team)
    reports = list(trainer)
    team.stop(0)
    return trainer, reports


def bits(value: Any) -> Any:
    """`value` with its arrays and floats as bytes, so that == compares bits (and NaN equals NaN)."""
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [bits(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return np.float64(value).tobytes() if isinstance(value, float) else value


def outcome(trainer: Trainer, reports: list) -> dict[str, Any]:
    """All that has to be equal on any number of ranks, as bits."""
    metrics = [{k: v for k, v in r.metrics.items() if k not in MEASURED} for r in reports]
    moments = trainer.moments
    return bits(
        {
            "metrics": metrics,
            "search": trainer.search.state(),
            "moments": [moments.count, moments.sum, moments.sumsq],
            "timesteps": trainer.timesteps,
            "agents": [[a and [a.parameters, a.metadata["returns"]] for a in (r.agent, r.best)] for r in reports],
        }
    )
