"""mpi_pgpe: train reinforcement-learning agents with PGPE and ClipUp on any number of cores.

The names below are loaded when they are first used, so that importing the package costs nothing and
a rank that only evaluates never loads what it does not need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mpi_pgpe.base.errors import Stopped, UserError, WrongInput
    from mpi_pgpe.from_python import TrainedAgent, TrainingResult, is_rank_0, train_agent
    from mpi_pgpe.maximization import MaximizationResult, maximize
    from mpi_pgpe.search.optimizers import SGD, Adam, ClipUp
    from mpi_pgpe.search.pgpe import PGPE
    from mpi_pgpe.training.on_generation import GenerationReport

__all__ = [
    "PGPE",
    "SGD",
    "Adam",
    "ClipUp",
    "GenerationReport",
    "MaximizationResult",
    "Stopped",
    "TrainedAgent",
    "TrainingResult",
    "UserError",
    "WrongInput",
    "__version__",
    "is_rank_0",
    "maximize",
    "train_agent",
]

_HOME = {
    "PGPE": "mpi_pgpe.search.pgpe",
    "ClipUp": "mpi_pgpe.search.optimizers",
    "Adam": "mpi_pgpe.search.optimizers",
    "SGD": "mpi_pgpe.search.optimizers",
    "GenerationReport": "mpi_pgpe.training.on_generation",
    "MaximizationResult": "mpi_pgpe.maximization",
    "Stopped": "mpi_pgpe.base.errors",
    "TrainedAgent": "mpi_pgpe.from_python",
    "TrainingResult": "mpi_pgpe.from_python",
    "UserError": "mpi_pgpe.base.errors",
    "WrongInput": "mpi_pgpe.base.errors",
    "maximize": "mpi_pgpe.maximization",
    "is_rank_0": "mpi_pgpe.from_python",
    "train_agent": "mpi_pgpe.from_python",
}

_MODULES = ("agents", "envs", "restore")  # that are used as mpi_pgpe.NAME after `import mpi_pgpe` alone


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"mpi_pgpe.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'mpi_pgpe' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
